"""The rule that a Hold whose end has passed is over, as a Q, as SQL and in Python.

The worker writes the After Hold status within a minute of the end. Until then every read and write
must already treat the hold as over, so they all call these functions.

Only a Hold has ``hold_until``; a database constraint ensures it. The rule therefore never compares
the status, which would make SQLite scan the index on status instead of the much smaller partial index
on ``hold_until``. The functions also apply to history rows and staged rows, which have the same columns.
"""

from datetime import datetime, timedelta

from django.db.models import Case, F, Q, When

DAY = timedelta(days=1)


def over(now: datetime) -> Q:
    """Return the condition for holds that are over at ``now``."""
    return Q(hold_until__lte=now)


def running(now: datetime) -> Q:
    """Return the condition for holds that are not over at ``now``."""
    return Q(hold_until__gt=now)


def over_sql(row: str, now: str) -> str:
    """Return ``over`` as SQL for the table alias ``row`` and the placeholder ``now``."""
    return f"{row}.hold_until <= {now}"


def is_over(hold_until: datetime | None, now: datetime) -> bool:
    """Tell whether a hold that ends at ``hold_until`` is over at ``now``; False without a hold."""
    return hold_until is not None and hold_until <= now


def status_expression(now: datetime) -> Case:
    """Return the status at ``now`` as a database expression."""
    return Case(When(over(now), then=F("after_hold")), default=F("status"))


def status_at(status: str, after_hold: str, hold_until: datetime | None, now: datetime) -> str:
    """Return the status at ``now`` of a row with these columns."""
    return after_hold if is_over(hold_until, now) else status


def end(start: datetime, days: int) -> datetime | None:
    """Return when a hold of ``days`` ends; None for 0 days, which skips the Hold status."""
    return start + days * DAY if days else None


def days_left(hold_until: datetime, now: datetime) -> int:
    """Return the days until ``hold_until``, rounded up."""
    return -((now - hold_until) // DAY)
