"""Dates and times as text: how pages show them, and how people and addresses write them.

Read are the form of the pages, "28 Nov 2026, 17:45", forms near it and ISO 8601. A day that is written in
numbers only, such as 03/04/2026, is refused, because its first number may be the day or the month.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from datetime import timezone as offset

from django.utils import timezone

LONGEST = 100  # characters that may be a date and time
YEARS = range(2000, 2200)  # in any time zone far from the limits of both databases

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_SHORT = tuple(month[:3].capitalize() for month in _MONTHS)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII | re.IGNORECASE)


_DAYS = [
    _pattern(r"(?P<day>\d{1,2})(?:\.|st|nd|rd|th)?[ -]?(?P<month>[a-z]{3,9})\.?,?[ -]?(?P<year>\d{4})"),
    _pattern(r"(?P<month>[a-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})"),
    _pattern(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"),
]
_TIME = _pattern(
    r"(?:, ?| at | |T)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<zone>[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?|[a-z][a-z0-9_/+-]*))?"
)
_NUMBERS = _pattern(r"(\d{1,2})[./ -]{1,2}(\d{1,2})[./ -]{1,2}(\d{4})\b")


def read_day(text: str) -> date:
    """Return the day that ``text`` says.

    Raises ValueError with a sentence, without one if ``text`` is nothing like a day.
    """
    day, rest = _read_day(_tidied(text))
    if rest:
        raise ValueError
    return day


def read_time(text: str) -> datetime:
    """Return the time that ``text`` says: aware if it has a zone, else naive and in the active zone.

    A day alone is its midnight. Raises ValueError like ``read_day``.
    """
    day, rest = _read_day(_tidied(text))
    if not rest:
        return datetime.combine(day, time())
    found = _TIME.fullmatch(rest)
    if found is None:
        raise ValueError
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    clock = rest[found.start("hour") : found.end("second" if found["second"] else "minute")]
    for parts, value, last in (("hours", hour, 23), ("minutes", minute, 59), ("seconds", second, 59)):
        if value > last:
            raise ValueError(f"There is no time {clock}: {parts} go from 00 to {last}.")
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    local = datetime.combine(day, time(hour, minute, second, int(fraction)))
    if not found["zone"]:
        return local
    at = _in_zone(local, found["zone"])
    if timezone.is_aware(at):
        _check_year(timezone.localtime(at).year)  # it is shown in that year
    return at


def midnight(day: date) -> datetime:
    """Return when ``day`` begins in the active zone, also where a clock change skips or repeats midnight."""
    return timezone.make_aware(datetime.combine(day, time()))


def show_day(day: date) -> str:
    """Return "28 Nov 2026". Django's date_format takes ten times as long."""
    return f"{day.day} {_SHORT[day.month - 1]} {day.year}"


def show_minute(local: datetime) -> str:
    """Return "28 Nov 2026, 17:45" of a time in the zone in which it is shown."""
    return f"{show_day(local)}, {local:%H:%M}"


def show_time(at: datetime) -> str:
    """Return "28 Nov 2026, 17:45" in the active zone; ``read_time`` reads the same time from it.

    Seconds are shown unless they are 0, and the UTC offset in an hour that a clock change repeats.
    """
    local = timezone.localtime(at) if timezone.is_aware(at) else at
    text = show_minute(local)
    if local.second or local.microsecond:
        text += f"{local::%S}"
    if local.microsecond:
        text += f"{local:.%f}".rstrip("0")
    first, second = readings(local)
    if timezone.is_aware(at) and first.utcoffset() != second.utcoffset():
        text += f" {local.isoformat()[-6:]}"
    return text


def readings(local: datetime) -> tuple[datetime, datetime]:
    """Return the two times that a local time can mean; equal unless a clock change repeats or skips it."""
    zone = timezone.get_current_timezone()
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return first, second


def _tidied(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError
    return " ".join(text.split())


def _read_day(text: str) -> tuple[date, str]:
    """Return the day at the beginning of ``text``, and the rest."""
    if numbers := _NUMBERS.match(text):
        raise ValueError(_name_the_month(*map(int, numbers.groups())))
    found = next(filter(None, (pattern.match(text) for pattern in _DAYS)), None)
    month = _month(found["month"]) if found else None
    if found is None or month is None:
        raise ValueError
    year, day = int(found["year"]), int(found["day"])
    _check_year(year)
    try:
        return date(year, month, day), text[found.end() :]
    except ValueError:
        raise ValueError(f"There is no {day} {_MONTHS[month - 1][:3].capitalize()} {year}.") from None


def _check_year(year: int) -> None:
    if year not in YEARS:
        raise ValueError(f"Choose a year from {YEARS[0]} to {YEARS[-1]}.")


def _month(text: str) -> int | None:
    if text.isdigit():
        return int(text) if 1 <= int(text) <= 12 else None
    return next((n for n, name in enumerate(_MONTHS, 1) if name.startswith(text.lower())), None)


def _name_the_month(first: int, second: int, year: int) -> str:
    """Return the sentence about a day in numbers, with the days that it can be."""
    possible = []
    for day, month in dict.fromkeys([(first, second), (second, first)]):
        try:
            possible.append(show_day(date(year, month, day)))
        except ValueError:
            continue
    return f"Write the month as a word: {' or '.join(possible) or '28 Nov 2026'}."


def _in_zone(local: datetime, name: str) -> datetime:
    """Return the time with its zone: a UTC offset, or what the active zone is called at that time."""
    zone = timezone.get_current_timezone()
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[3:].removeprefix(":") or 0)
        size = timedelta(hours=hours, minutes=minutes)
        return local.replace(tzinfo=offset(-size if name[0] == "-" else size))
    if name.upper() in ("Z", "UTC", "GMT"):
        return local.replace(tzinfo=UTC)
    if name == str(zone):
        return local
    for reading in readings(local):
        if name == reading.tzname():
            return reading.astimezone(UTC)  # a time in a repeated hour equals none in another zone
    raise ValueError


def for_programs(at: datetime) -> str:
    """Return a time as programs get it: ISO 8601 in UTC, with microseconds and a Z.

    Always of one length, so that texts sort like times and no parser meets a form for the first time later.
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
