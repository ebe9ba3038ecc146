"""Who held a number when, drawn as a bar over its life."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from dids.history.timeline import in_words, versions
from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import DIDHistory

VERSIONS_MOST = 1_000  # looked at, the newest ones
PERIODS_MOST = 200  # drawn, the newest ones
WIDTH, NARROWEST = 1000, 3  # of the bar, and of a period in it that would be too narrow to see


@dataclass
class Period:
    """A time in which one account had the number. ``kind``: "use" or "hold"; ``end``: None when it goes on.

    ``x`` and ``width`` place it in the bar; ``shade`` tells neighbours apart.
    """

    kind: str
    account: int
    begin: datetime
    end: datetime | None
    holder: str = ""
    x: int = 0
    width: int = 0
    shade: int = 0

    @property
    def words(self):
        kind = "on Hold after use" if self.kind == "hold" else "in use"
        until = f"until {in_words(self.end)}" if self.end else "still"
        return f"{self.holder}: {kind} from {in_words(self.begin)}, {until}"


@dataclass
class Lifeline:
    """``begin`` to ``end`` (None: it is there still) and the periods in between, oldest first.

    ``is_cut``: there was more before. ``deleted``: whether its end is that of the number.
    """

    begin: datetime
    end: datetime | None
    deleted: bool
    is_cut: bool
    periods: list[Period]


def lifeline(did_pk, viewer, now=None):
    """The ``Lifeline`` of a number, None where ``viewer`` may know of nothing. At most six queries.

    A Hold ends by the clock, whether or not the worker has written it. What the number was in another
    branch is left out.
    """
    now = now or timezone.now()
    rows = DIDHistory.objects.filter(object_id=did_pk).order_by("-history_id")
    rows = list(rows.only("at", "event", "status", "account_id", "hold_until")[: VERSIONS_MOST + 1])
    is_cut = len(rows) > VERSIONS_MOST
    rows = rows[:VERSIONS_MOST][::-1]
    own = None
    if viewer.reseller_id:
        own = set(versions(did_pk, viewer).values_list("pk", flat=True)[:VERSIONS_MOST])
        while rows and rows[0].pk not in own:
            del rows[0]
    if not rows:
        return None
    periods = []
    for row, later in zip(rows, [*rows[1:], None], strict=True):
        if own is None or row.pk in own:
            _go_on(periods, row, later, now)
    deleted = rows[-1].event == "-"
    found = Lifeline(rows[0].at, rows[-1].at if deleted else None, deleted, is_cut, periods[-PERIODS_MOST:])
    if len(periods) > PERIODS_MOST:
        found.is_cut, found.begin = True, found.periods[0].begin
    names = Names(accounts={period.account for period in found.periods})
    for period in found.periods:
        period.holder = names.holder(period.account)
    _place(found, now)
    return found


def _go_on(periods, row, later, now):
    """Add what the version says: the last period goes on, or another one begins."""
    if row.event == "-" or row.status not in st.HELD:
        return
    kind = "hold" if row.status == st.HOLD else "use"
    end = later.at if later else None
    if kind == "hold" and row.hold_until <= (end or now):
        end = row.hold_until
    last = periods[-1] if periods else None
    if end is not None and end <= row.at:
        return  # written over at once
    if last and (last.kind, last.account, last.end) == (kind, row.account_id, row.at):
        last.end = end
    else:
        periods.append(Period(kind, row.account_id, row.at, end))


def _place(line, now):
    whole = max(1, ((line.end or now) - line.begin).total_seconds())
    shade, former = 0, None
    for period in line.periods:
        if former is not None and period.account != former:
            shade = 1 - shade
        period.shade, former = shade, period.account
        x = round((period.begin - line.begin).total_seconds() * WIDTH / whole)
        end = round(((period.end or now) - line.begin).total_seconds() * WIDTH / whole)
        period.width = min(WIDTH, max(NARROWEST, end - x))
        period.x = max(0, min(x, WIDTH - period.width))
