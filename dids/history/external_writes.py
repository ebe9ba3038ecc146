"""List writes to the database that did not come from this application: history rows without a change."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit import history
from didmgmt.listing import Count
from didmgmt.text import parse_whole
from dids.history.rows import EVENTS, OBJECT_TYPES, noun

PAGE = 100  # writes
ROWS_MOST = 10_000  # read from each table for a page
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND = 10**17 - 1  # in the year 5138


@dataclass
class ExternalWrite:
    """All rows of one table with the same timestamp. ``events``: [(word, Count)]."""

    at: datetime
    tracked: type
    rows: Count
    events: list

    @property
    def label(self):
        """Return a label such as "1,200 numbers" or "10,000+ numbers"."""
        return f"{self.rows.label} {noun(self.tracked, plural=self.rows != 1)}"

    @property
    def object_type(self):
        return self.tracked._meta.model_name

    @property
    def microsecond(self):
        """``at`` as microseconds since 1970, for an address."""
        return (self.at - _EPOCH) // timedelta(microseconds=1)


def parse_microsecond(text):
    """Return the timestamp for the text of an ``ExternalWrite.microsecond``, None for any other text."""
    microseconds = parse_whole(text, most=_LAST_MICROSECOND)
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def external_writes(viewer, before=None):
    """Return (writes, cursor) that ``viewer`` may see, newest first.

    ``cursor`` is the microsecond of ``before`` for the next page, None on the last one. Costs one query per
    table, of at most ``ROWS_MOST`` rows of its partial index of rows without a change.
    """
    found, floor = [], None
    for tracked in OBJECT_TYPES.values():
        rows = history.visible_to(tracked, viewer).filter(change__isnull=True)
        if before is not None:
            rows = rows.filter(at__lt=before)
        rows = list(rows.order_by("-at").values_list("at", "event")[: ROWS_MOST + 1])
        cut = rows[-1][0] if len(rows) > ROWS_MOST else None
        found += _grouped(tracked, rows, cut)
        if cut and (floor is None or cut > floor):
            floor = cut
    # Older writes belong to a later page if any table was not read that far.
    found = [write for write in found if floor is None or write.at >= floor]
    found.sort(key=lambda write: write.at, reverse=True)
    end = PAGE
    while end < len(found) and found[end].at == found[end - 1].at:
        end += 1
    page = found[:end]
    return page, page[-1].microsecond if end < len(found) or floor else None


def _grouped(tracked, rows, cut):
    by_time = {}
    for (at, event), count in Counter(rows).items():
        by_time.setdefault(at, []).append((EVENTS[event], Count(count, more=at == cut)))
    return [
        ExternalWrite(at, tracked, Count(sum(count for _, count in events), more=at == cut), events)
        for at, events in by_time.items()
    ]


def rows_written_at(at, tracked, viewer):
    """Return the history rows of one ``ExternalWrite`` that ``viewer`` may see."""
    rows = history.visible_to(tracked, viewer).filter(change__isnull=True)
    # Not at=at: SQLite compares text, and triggers write a whole second with its fraction.
    return rows.filter(at__gte=at, at__lt=at + timedelta(microseconds=1))
