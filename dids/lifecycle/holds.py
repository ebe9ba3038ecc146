"""The rule that a Hold or a reservation whose end has passed is over, as a Q, as SQL and in Python.

The worker writes the status after the end within a minute: After Hold for a Hold, In Stock for a reserved
number. Until then every read and write must already treat it as over, so they all call these functions.

Only a Hold and a reserved number with a reservation have ``hold_until``; database constraints ensure it. The
condition ``over`` therefore never compares the status, which would make SQLite scan the index on status
instead of the much smaller partial index on ``hold_until``. The functions also apply to history rows and
staged rows, which have the same columns.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Case, F, Q, Value, When

from dids.lifecycle.statuses import HOLD, INSTOCK, RESERVED

DAY = timedelta(days=1)


def over(now: datetime) -> Q:
    """Return the condition for holds and reservations that are over at ``now``."""
    return Q(hold_until__lte=now)


def running(now: datetime) -> Q:
    """Return the condition for holds that are not over at ``now``."""
    return Q(hold_until__gt=now)


def over_sql(row: str, now: str) -> str:
    """Return ``over`` as SQL for the table alias ``row`` and the placeholder ``now``."""
    return f"{row}.hold_until <= {now}"


def status_sql(row: str, now: str) -> str:
    """Return ``status_at`` as SQL for the table alias ``row`` and the time ``now`` (SQL)."""
    after_end = f"CASE {row}.status WHEN '{RESERVED}' THEN '{INSTOCK}' ELSE {row}.after_hold END"
    return f"CASE WHEN {over_sql(row, now)} THEN {after_end} ELSE {row}.status END"


def is_over(hold_until: datetime | None, now: datetime) -> bool:
    """Tell whether what ends at ``hold_until`` is over at ``now``; False without an end."""
    return hold_until is not None and hold_until <= now


def after(status: str, after_hold: str) -> str:
    """Return the status that follows the end of a Hold or of a reservation."""
    return INSTOCK if status == RESERVED else after_hold


def after_expression() -> Case:
    """Return ``after`` as a database expression."""
    return Case(When(status=RESERVED, then=Value(INSTOCK)), default=F("after_hold"))


def followed_by(statuses: Iterable[str]) -> Q:
    """Return the condition for rows whose status ``after`` the end is one of ``statuses``."""
    of_holds = Q(status=HOLD, after_hold__in=statuses)
    return of_holds | Q(status=RESERVED) if INSTOCK in statuses else of_holds


def status_expression(now: datetime) -> Case:
    """Return the status at ``now`` as a database expression."""
    return Case(When(over(now), then=after_expression()), default=F("status"))


def status_at(status: str, after_hold: str, hold_until: datetime | None, now: datetime) -> str:
    """Return the status at ``now`` of a row with these columns."""
    return after(status, after_hold) if is_over(hold_until, now) else status


def end(start: datetime, days: int) -> datetime | None:
    """Return when a hold of ``days`` ends; None for 0 days, which skips the Hold status."""
    return start + days * DAY if days else None


def days_left(hold_until: datetime, now: datetime) -> int:
    """Return the days until ``hold_until``, rounded up."""
    return -((now - hold_until) // DAY)
