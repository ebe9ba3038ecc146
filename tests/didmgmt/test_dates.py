"""Dates and times as text: what pages show is what people and addresses write."""

from datetime import UTC, date, datetime, time, timedelta
from datetime import timezone as offset
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from didmgmt.dates import for_programs, read_day, read_time, show_day, show_time
from didmgmt.fields import LocalDateTimeField

# Half an hour of daylight saving, 45 minutes of offset, midnights that don't exist, a day that doesn't.
ZONES = [
    *("UTC", "Europe/Vilnius", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("America/Santiago", "Africa/Casablanca", "Pacific/Apia"),
]
DAY = date(2026, 11, 28)


def local(*values):
    return datetime(*values, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(autouse=True)
def vilnius():
    with timezone.override("Europe/Vilnius"):
        yield


@given(
    at=st.datetimes(local(2000, 1, 2), local(2199, 12, 30), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
)
@example(datetime(2025, 10, 26, 0, 30, tzinfo=UTC), "Europe/Vilnius")
@example(datetime(2025, 10, 26, 1, 30, tzinfo=UTC), "Europe/Vilnius")
@example(datetime(2026, 4, 4, 15, 15, 0, 1, tzinfo=UTC), "Australia/Lord_Howe")
def test_what_is_shown_is_read_as_the_same_time(at, zone):
    with timezone.override(zone):
        for written in (show_time(at), timezone.localtime(at).isoformat(), at.isoformat()):
            read = read_time(written)
            assert (read if timezone.is_aware(read) else timezone.make_aware(read)) == at


OFFSETS = st.from_regex(r"( |)[+-]([01]\d|2[0-3]):?[0-5]\d", fullmatch=True) | st.sampled_from(
    ["", "Z", " UTC"]
)
DAYS = st.sampled_from([date(2000, 1, 1), date(2199, 12, 31)]) | st.dates(
    date(2000, 1, 1), date(2199, 12, 31)
)


@given(day=DAYS, at=st.times(), zone_written=OFFSETS, zone=st.sampled_from(ZONES))
@example(date(2000, 1, 1), time(), " +23:59", "UTC")
def test_what_is_read_is_shown_so_that_it_is_read_again(day, at, zone_written, zone):
    with timezone.override(zone):
        try:
            read = LocalDateTimeField().clean(f"{show_day(day)}, {at}{zone_written}")
        except ValidationError:
            return  # a year that the field refuses, or an hour that a clock change repeats or skips
        assert LocalDateTimeField().clean(show_time(read)) == read


@given(st.dates(date(2000, 1, 1), date(2199, 12, 31)))
def test_a_day_that_is_shown_is_read_as_the_same_day(day):
    assert read_day(show_day(day)) == read_day(day.isoformat()) == day


@given(st.text(max_size=120) | st.from_regex(r"\d{0,5}[ /.-]\w{0,5}[ /.-]\d{0,5}( \d+:\d+)?", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    for read in (read_day, read_time):
        try:
            assert read(text)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "text",
    [
        *(
            "28 Nov 2026",
            " 28  nov 2026 ",
            "28 November 2026",
            "28. Nov. 2026",
            "28th nov 2026",
            "28-Nov-2026",
        ),
        *("28Nov2026", "Nov 28, 2026", "November 28th 2026", "2026-11-28", "2026/11/28", "28 Nov 2026"),
    ],
)
def test_a_day_may_be_written_in_any_way_that_names_its_month_or_begins_with_the_year(text):
    assert read_day(text) == DAY
    assert read_time(text) == local(2026, 11, 28)


@pytest.mark.parametrize(
    "text",
    [
        *("28 Nov 2026, 17:45", "28 Nov 2026 17:45", "28 nov 2026,17:45:00", "28 Nov 2026 at 17:45"),
        *("2026-11-28 17:45", "2026-11-28T17:45", "2026-11-28T17:45:00.000", "Nov 28, 2026, 17:45"),
    ],
)
def test_a_time_follows_the_day(text):
    assert read_time(text) == local(2026, 11, 28, 17, 45)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-28T17:45Z", datetime(2026, 11, 28, 17, 45, tzinfo=UTC)),
        ("2026-11-28T17:45+00:00", datetime(2026, 11, 28, 17, 45, tzinfo=UTC)),
        ("28 Nov 2026, 17:45 UTC", datetime(2026, 11, 28, 17, 45, tzinfo=UTC)),
        ("28 Nov 2026, 17:45 -0330", datetime(2026, 11, 28, 17, 45, tzinfo=offset(-timedelta(hours=3.5)))),
        ("26 Oct 2025, 03:30:00 EEST", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("26 Oct 2025, 03:30:00 EET", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("28 Nov 2026, 17:45 Europe/Vilnius", local(2026, 11, 28, 17, 45)),
    ],
)
def test_a_time_may_name_its_offset_or_the_zone_as_pages_do(text, at):
    assert read_time(text) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 5, 3, 11, 3, tzinfo=UTC), "3 May 2026, 14:03"),
        (datetime(2026, 5, 3, 11, 3, 7, tzinfo=UTC), "3 May 2026, 14:03:07"),
        (datetime(2026, 5, 3, 11, 3, 7, 120_000, tzinfo=UTC), "3 May 2026, 14:03:07.12"),
        (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), "26 Oct 2025, 03:30 +03:00"),
        (datetime(2025, 10, 26, 1, 30, tzinfo=UTC), "26 Oct 2025, 03:30 +02:00"),
        (local(2025, 10, 26, 3, 30), "26 Oct 2025, 03:30"),
    ],
)
def test_a_time_is_shown_in_the_zone_of_the_user_and_no_longer_than_it_must_be(at, text):
    assert show_time(at) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("03/04/2026", "Write the month as a word: 3 Apr 2026 or 4 Mar 2026."),
        ("03.04.2026 17:45", "Write the month as a word: 3 Apr 2026 or 4 Mar 2026."),
        ("28/11/2026", "Write the month as a word: 28 Nov 2026."),
        ("4-4-2026", "Write the month as a word: 4 Apr 2026."),
        ("99/99/2026", "Write the month as a word: 28 Nov 2026."),
        ("29 Feb 2026", "There is no 29 Feb 2026."),
        ("2026-02-30T09:00", "There is no 30 Feb 2026."),
        ("28 Nov 2026, 24:00", "There is no time 24:00: hours go from 00 to 23."),
        ("28 Nov 2026, 12:60", "There is no time 12:60: minutes go from 00 to 59."),
        ("28 Nov 2026, 17:45:60", "There is no time 17:45:60: seconds go from 00 to 59."),
        ("28 Nov 2026, 24:60:60", "There is no time 24:60:60: hours go from 00 to 23."),
        ("1 Jan 2000, 00:00 +23:59", "Choose a year from 2000 to 2199."),
        ("31 Dec 2199, 23:59 -00:01", "Choose a year from 2000 to 2199."),
        ("1 Jan 1999", "Choose a year from 2000 to 2199."),
        ("0001-01-01", "Choose a year from 2000 to 2199."),
        ("03/04/26", ""),
        ("28 Nov 26", ""),
        ("28 Foo 2026", ""),
        ("28 Ma 2026", ""),
        ("2026-13-01", ""),
        ("tomorrow", ""),
        ("28 Nov 2026, 5:45 pm", ""),
        ("28 Nov 2026, 17:45 CET", ""),
        ("2026-11-28T17:45+99:99", ""),
        ("2026-11-28T17:45+24:00", ""),
        ("17:45", ""),
        ("28 Nov 2026" + " " * 100, ""),
    ],
)
def test_a_time_without_one_meaning_is_refused(text, sentence):
    with pytest.raises(ValueError) as raised:
        read_time(text)
    assert str(raised.value) == sentence


def test_a_day_takes_no_time():
    with pytest.raises(ValueError):
        read_day("28 Nov 2026, 17:45")


def test_the_zone_of_another_user_is_not_guessed():
    with timezone.override(ZoneInfo("America/New_York")), pytest.raises(ValueError):
        read_time("26 Oct 2025, 03:30 EEST")


def test_times_for_programs_have_one_form_that_sorts_like_time():
    whole = datetime(2026, 11, 28, 17, 45, tzinfo=offset(timedelta(hours=2)))
    later = whole + timedelta(milliseconds=1)
    assert for_programs(whole) == "2026-11-28T15:45:00.000000Z"
    assert for_programs(later) == "2026-11-28T15:45:00.001000Z"
    assert datetime.fromisoformat(for_programs(later)) == later
