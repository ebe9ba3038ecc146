"""The calendar as a feed (RFC 5545), an all-day event for each kind of a day with counts, and as a table."""

from datetime import UTC, timedelta

from didmgmt.dates import midnight
from didmgmt.text import count_noun
from dids.lifecycle import statuses as st
from dids.upcoming import FOLLOWING, HOLD_ENDS, PACKAGE_STARTS, RESERVATION_ENDS

ICAL = "text/calendar; charset=utf-8"
LINE_MOST = 75  # octets, without the line break
_OUTCOMES = (*st.FREE, st.HOLD)
HEADER = (
    "Day",
    "Kind",
    "Packages or reservations",
    "Numbers",
    *(f"To {st.LABELS[one]}" for one in _OUTCOMES),
)
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def ical(upcoming, *, feed, page):
    """Return the text of a calendar of what is ``upcoming``.

    ``feed``: a name that no other feed has; an event keeps its UID as long as its day and kind are the same.
    ``page``: the address of the calendar. The text is the same all day unless what happens changes.
    """
    stamp = f"{midnight(upcoming.first).astimezone(UTC):%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//DID Management//Calendar//EN",
        "METHOD:PUBLISH",
        "X-WR-CALNAME:DID Management",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ]
    for entry in upcoming.entries.values():
        lines += [
            "BEGIN:VEVENT",
            f"UID:{entry.day:%Y%m%d}-{entry.kind}-{feed}",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{entry.day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{entry.day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_summary(entry).translate(_ESCAPED)}",
            f"DESCRIPTION:{_description(entry).translate(_ESCAPED)}",
            f"URL:{page}?from={entry.day}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def entry_rows(entries):
    """Yield the rows of a file of what happens: the header, then a tuple for each ``Entry``."""
    yield HEADER
    for entry in entries:
        events = entry.events if entry.kind not in (HOLD_ENDS, FOLLOWING) else None
        outcomes = (entry.outcomes[status] for status in _OUTCOMES)
        yield (entry.day.isoformat(), entry.label, events, entry.numbers, *outcomes)


def _summary(entry):
    if entry.kind == PACKAGE_STARTS:
        return f"{entry.label}: {count_noun(entry.events, 'package')}"
    return f"{entry.label}: {count_noun(entry.numbers, 'number')}"


def _description(entry):
    noun = "reservation" if entry.kind == RESERVATION_ENDS else "package"
    events = count_noun(entry.events, noun) if entry.events else ""
    return "\n".join(filter(None, [entry.becomes, events]))


def _folded(line):
    """Return a line whose parts, without the blank that each but the first begins with, are short enough."""
    parts, part = [], ""
    for char in line:
        if len((part + char).encode()) > LINE_MOST:
            parts.append(part)
            part = " "
        part += char
    return "\r\n".join([*parts, part])
