"""Draw who had a number when as a bar over its lifespan."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from didmgmt import clock
from dids.history.ownership import ON_HOLD, lifespan
from dids.history.timeline import format_time

SEGMENTS_MOST = 200  # drawn, the newest ones
WIDTH = 1000  # of the bar
NARROWEST = 3  # width below which a segment can't be seen


@dataclass
class Segment:
    """Adjacent periods of use, or of Hold, by one account.

    ``kind``: "use" or "hold". ``end``: None while it lasts. ``shade`` alternates between adjacent accounts.
    """

    kind: str
    account: int
    holder: str
    begin: datetime
    end: datetime | None
    x: int = 0
    width: int = 0
    shade: int = 0

    @property
    def label(self):
        kind = "on Hold after use" if self.kind == "hold" else "in use"
        until = f"until {format_time(self.end)}" if self.end else "until now"
        return f"{self.holder}: {kind} from {format_time(self.begin)}, {until}"


@dataclass
class OwnershipBar:
    """The bar from ``begin`` to ``end``, which is None while the number exists."""

    begin: datetime
    end: datetime | None
    is_cut: bool
    segments: list[Segment]


def ownership_bar(did_id, viewer, now=None):
    """Return the ``OwnershipBar`` of a number, None if the viewer may see none of its history."""
    now = now or clock.now()
    life = lifespan(did_id, viewer, now)
    if life is None:
        return None
    segments = _segments(life.periods)
    bar = OwnershipBar(life.begin, life.deleted, life.is_cut, segments[-SEGMENTS_MOST:])
    if len(segments) > SEGMENTS_MOST:
        bar.is_cut, bar.begin = True, bar.segments[0].begin
    _draw(bar, now)
    return bar


def _segments(periods):
    """Join periods that differ only in their package."""
    segments = []
    for period in periods:
        kind = "hold" if period.kind == ON_HOLD else "use"
        end = period.ended and period.ended.at
        last = segments[-1] if segments else None
        if last and (last.kind, last.account, last.end) == (kind, period.account, period.began.at):
            last.end = end
        else:
            segments.append(Segment(kind, period.account, period.holder, period.began.at, end))
    return segments


def _draw(bar, now):
    total = max(1, ((bar.end or now) - bar.begin).total_seconds())
    for shade, (_, segments) in enumerate(groupby(bar.segments, lambda segment: segment.account)):
        for segment in segments:
            segment.shade = shade % 2
            x = round((segment.begin - bar.begin).total_seconds() * WIDTH / total)
            end = round(((segment.end or now) - bar.begin).total_seconds() * WIDTH / total)
            segment.width = min(WIDTH, max(NARROWEST, end - x))
            segment.x = max(0, min(x, WIDTH - segment.width))
