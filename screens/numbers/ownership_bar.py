"""Draw who had a number when as a bar over its lifespan, and what happens to it next."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from didmgmt import clock
from didmgmt.text import count_noun
from dids.history.ownership import BLOCKED, ON_HOLD, lifespan
from dids.history.timeline import format_time
from dids.lifecycle import statuses as st

SEGMENTS_MOST = 200  # drawn, the newest ones
WIDTH = 100  # of the bar, in per cent
NARROWEST = 0.3  # width below which a segment can't be seen
NAMED = 9  # width from which a segment has room for a name
FUTURE = 3, 50  # the least and the most width of what follows now


@dataclass
class Segment:
    """Adjacent periods of use, of Hold or Blocked, of one account.

    ``kind``: "use", "hold" or "blocked"; Blocked ones lie on one of use. ``end``: None while it lasts.
    ``length``: how long it lasts, in words. ``shade`` alternates between adjacent accounts.
    """

    kind: str
    account: int
    client: str
    account_name: str
    begin: datetime
    end: datetime | None
    length: str = ""
    x: float = 0
    width: float = 0
    shade: int = 0

    @property
    def holder(self):
        return f"{self.client} | {self.account_name}"

    @property
    def label(self):
        kind = {"hold": "on Hold after use", "blocked": "Blocked"}.get(self.kind, "in use")
        until = f"until {format_time(self.end)}" if self.end else "until now"
        return f"{self.holder}: {kind} from {format_time(self.begin)}, {until}"

    @property
    def name(self):
        """The client's name if there is room for it."""
        return self.client if self.kind == "use" and self.width >= NAMED else ""


@dataclass
class Next:
    """What happens at ``at``, in the future: ``event`` is a clause such as "becomes In Stock"."""

    at: datetime
    event: str
    is_hold: bool
    x: float = 0
    width: float = 0

    @property
    def label(self):
        return f"{self.event[0].upper()}{self.event[1:]} on {format_time(self.at)}"


@dataclass
class OwnershipBar:
    """The bar from ``begin`` to ``end``, which is None while the number exists.

    ``next``: drawn from now on; None for numbers that stay as they are.
    """

    begin: datetime
    end: datetime | None
    is_cut: bool
    segments: list[Segment]
    next: Next | None = None

    @property
    def newest(self):
        """Return [(its place in ``segments`` from 1, segment)], newest first."""
        return [*enumerate(self.segments, 1)][::-1]


def ownership_bar(did_id, viewer, now=None, *, did=None):
    """Return the ``OwnershipBar`` of a number, None if the viewer may see none of its history.

    ``did``: the number as ``for_page`` returns it, for what happens next; None for a deleted one.
    """
    now = now or clock.now()
    life = lifespan(did_id, viewer, now, did=did)
    if life is None:
        return None
    segments = _segments([*life.periods, *life.blocked])
    bar = OwnershipBar(life.begin, life.deleted, life.is_cut, segments[-SEGMENTS_MOST:])
    bar.next = _next(did, now) if did else None
    if len(segments) > SEGMENTS_MOST:
        bar.is_cut, bar.begin = True, bar.segments[0].begin
    _draw(bar, now)
    return bar


def _segments(periods):
    """Join periods that differ only in their package; return segments by their begin."""
    segments, last = [], {}
    for period in periods:
        kind = {ON_HOLD: "hold", BLOCKED: "blocked"}.get(period.kind, "use")
        end = period.ended and period.ended.at
        before = last.get(kind == "blocked")
        if before and (before.kind, before.account, before.end) == (kind, period.account, period.began.at):
            before.end = end
            continue
        segment = Segment(kind, period.account, period.client, period.account_name, period.began.at, end)
        last[kind == "blocked"] = segment
        segments.append(segment)
    return sorted(segments, key=lambda segment: (segment.begin, segment.kind == "blocked"))


def _next(did, now):
    """Return the planned end of a hold or of the package, None without one."""
    if did.status_now == st.HOLD:
        return Next(did.hold_until, f"becomes {did.after_hold_label}", True)
    if did.status_now in st.IN_USE and did.package_ends_at and did.package_ends_at > now:
        return Next(did.package_ends_at, f"{did.package_name} ends", False)
    return None


def _draw(bar, now):
    past, future = max(1, ((bar.end or now) - bar.begin).total_seconds()), 0
    if bar.next:
        ahead = (bar.next.at - now).total_seconds()
        least, most = FUTURE
        future = min(most, max(least, round(ahead * WIDTH / (past + ahead), 1)))
        bar.next.x, bar.next.width = WIDTH - future, future
    scale = (WIDTH - future) / past
    for shade, (_, segments) in enumerate(groupby(bar.segments, lambda segment: segment.account)):
        for segment in segments:
            segment.shade = shade % 2
            begin = (segment.begin - bar.begin).total_seconds() * scale
            end = ((segment.end or now) - bar.begin).total_seconds() * scale
            segment.width = round(min(WIDTH, max(NARROWEST, end - begin)), 1)
            segment.x = round(max(0, min(begin, WIDTH - future - segment.width)), 1)
            segment.length = _length(segment, bar.next, now)


def _length(segment, following, now):
    """Return "125 days"; of a hold that lasts "24 of 30 days"."""
    days = ((segment.end or now) - segment.begin).days
    if segment.end is None and segment.kind == "hold" and following:
        return f"{days:,} of {count_noun((following.at - segment.begin).days, 'day')}"
    return count_noun(days, "day") if days else "less than a day"
