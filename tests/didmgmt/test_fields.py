"""Dates and times that users enter in their time zone."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from didmgmt.fields import LocalDateTimeField, LocalDateTimeInput


@pytest.fixture(autouse=True)
def vilnius():
    with timezone.override("Europe/Vilnius"):
        yield


def test_a_local_time_is_read_in_the_time_zone_of_the_user():
    assert LocalDateTimeField().clean("2026-05-03T14:03") == datetime(2026, 5, 3, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2025-10-26T03:30", "03:30 occurred twice that day"),
        ("2026-03-29T03:30", "03:30 did not exist that day"),
        ("0001-01-01T00:00", "Choose a year from 2000 to 2199."),
        ("9999-12-31T23:59", "Choose a year from 2000 to 2199."),
    ],
)
def test_a_time_without_one_meaning_is_refused(text, sentence):
    with pytest.raises(ValidationError) as raised:
        LocalDateTimeField().clean(text)
    assert raised.value.messages[0].startswith(sentence)


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (None, "datetime-local", ""),
        (datetime(2026, 5, 3, 11, 3, tzinfo=UTC), "datetime-local", "2026-05-03T14:03"),
        (datetime(2026, 5, 3, 11, 3, 7, tzinfo=UTC), "datetime-local", "2026-05-03T14:03:07.000"),
        (datetime(2025, 10, 26, 1, 30, tzinfo=UTC), "text", "2025-10-26 03:30:00+02:00"),
        ("2025-10-26 03:30:00+03:00", "text", "2025-10-26 03:30:00+03:00"),
        ("2025-10-26T03:30", "text", "2025-10-26T03:30"),
        ("2026-05-03 11:03Z", "datetime-local", "2026-05-03T14:03"),
        ("yesterday", "text", "yesterday"),
    ],
)
def test_the_type_of_the_control_fits_the_value(value, kind, shown):
    html = LocalDateTimeInput().render("at", value)
    assert f'type="{kind}"' in html
    assert f'value="{shown}"' in html
