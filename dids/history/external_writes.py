"""What was written to the database by something else than this application: history without a change."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit import history
from didmgmt.listing import Count
from didmgmt.text import parse_whole
from dids.history.rows import EVENTS, KINDS, noun

PAGE = 100  # groups
LOOKED_AT = 10_000  # rows of each table
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Group:
    """What was written to one table at one moment: ``events``, a list of (word, Count)."""

    at: datetime
    tracked: type
    rows: Count
    events: list

    @property
    def things(self):
        """ "1,200 numbers", "10,000+ numbers"."""
        return f"{self.rows.label} {noun(self.tracked, plural=self.rows != 1)}"

    @property
    def kind(self):
        return self.tracked._meta.model_name

    @property
    def moment(self):
        """``at`` in microseconds, for an address."""
        return (self.at - _EPOCH) // timedelta(microseconds=1)


def moment_of(text):
    """The moment that ``Group.moment`` wrote; None for any other text."""
    microseconds = parse_whole(str(text), most=10**17)  # some 3,000 years
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def outside_groups(viewer, before=None):
    """(groups, older) newest first, of those that ``viewer`` may know of.

    ``older``: the moment to pass as ``before`` for those that follow, None when there are none. One query
    for each table, of at most ``LOOKED_AT`` rows of its index of such rows.
    """
    found, floor = [], None
    for tracked in KINDS.values():
        rows = history.visible_to(tracked, viewer).filter(change__isnull=True)
        if before is not None:
            rows = rows.filter(at__lt=before)
        looked = list(rows.order_by("-at").values_list("at", "event")[: LOOKED_AT + 1])
        cut = looked[-1][0] if len(looked) > LOOKED_AT else None
        found += _grouped(tracked, looked, cut)
        if cut and (floor is None or cut > floor):
            floor = cut
    # Of a table that was not read to its end it is not known what came before.
    found = [group for group in found if floor is None or group.at >= floor]
    found.sort(key=lambda group: group.at, reverse=True)
    end = PAGE
    while end < len(found) and found[end].at == found[end - 1].at:
        end += 1
    shown = found[:end]
    return shown, shown[-1].moment if end < len(found) or floor else None


def _grouped(tracked, looked, cut):
    groups = {}
    for (at, event), rows in Counter(looked).items():
        groups.setdefault(at, []).append((EVENTS[event], Count(rows, more=at == cut)))
    return [
        Group(at, tracked, Count(sum(rows for _, rows in events), more=at == cut), events)
        for at, events in groups.items()
    ]
