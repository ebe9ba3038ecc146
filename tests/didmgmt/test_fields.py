"""Form fields of dates and times."""

from datetime import UTC, date, datetime

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from didmgmt.fields import DayField, DayInput, LocalDateTimeField, LocalDateTimeInput
from didmgmt.forms import Form


@pytest.fixture(autouse=True)
def vilnius():
    with timezone.override("Europe/Vilnius"):
        yield


TWICE = (
    "03:30 occurred twice that day in Europe/Vilnius: clocks went back. Enter 26 Oct 2025, 03:30 +03:00 for"
    " the first time, 26 Oct 2025, 03:30 +02:00 for the second."
)


class Dates(Form):
    day = DayField(label="From")
    at = LocalDateTimeField(label="Ends on", required=False)


@pytest.mark.parametrize("text", ["3 May 2026, 14:03", "2026-05-03T14:03", "2026-05-03 11:03Z"])
def test_a_local_time_is_read_in_the_time_zone_of_the_user(text):
    form = Dates({"day": "3 May 2026", "at": text})
    assert form.is_valid()
    assert form.cleaned_data == {"day": date(2026, 5, 3), "at": datetime(2026, 5, 3, 11, 3, tzinfo=UTC)}
    assert 'value="3 May 2026"' in str(form["day"]) and 'value="3 May 2026, 14:03"' in str(form["at"])


def test_blanks_are_no_date():
    assert LocalDateTimeField(required=False).clean("  ") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("26 Oct 2025, 03:30", TWICE),
        (
            "29 Mar 2026, 03:30",
            "03:30 did not exist that day in Europe/Vilnius: clocks went forward. Choose another time.",
        ),
        ("03/04/2026", "Write the month as a word: 3 Apr 2026 or 4 Mar 2026."),
        ("yesterday", "Enter a date and time like 28 Nov 2026, 17:45."),
    ],
)
def test_a_time_without_one_meaning_is_refused_and_stays_as_it_was_typed(text, sentence):
    form = Dates({"day": "31 Feb 2026", "at": text})
    assert form.errors == {"day": ["There is no 31 Feb 2026."], "at": [sentence]}
    assert f'value="{text}"' in str(form["at"]) and 'value="31 Feb 2026"' in str(form["day"])


def test_a_day_refuses_a_time():
    with pytest.raises(ValidationError):
        DayField().clean("2026-05-03T14:03")
    assert Dates({"day": "2026-05-03T14:03"}).errors["day"] == ["Enter a date like 28 Nov 2026."]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("28 Nov 2026", "2026-11-28T00:00"),
        ("28 Nov 2026, 17:45", "2026-11-28T17:45"),
        ("28 Nov 2026, 17:45:07", "2026-11-28T17:45:07"),
        ("26 Oct 2025, 03:30 +02:00", "2025-10-26T03:30+02:00"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_addresses_have_iso_dates(text, iso):
    sent = QueryDict(mutable=True)
    sent["at"] = text
    assert LocalDateTimeInput().value_from_datadict(sent, {}, "at") == iso
    assert DayInput().value_from_datadict(QueryDict("day=3+May+2026"), {}, "day") == "2026-05-03"


def test_the_button_of_the_calendar_names_its_field():
    form = Dates()
    assert 'data-calendar="date" data-step="" aria-label="Calendar: From"' in str(form["day"])
    assert 'data-calendar="datetime-local" data-step="" aria-label="Calendar: Ends on"' in str(form["at"])
