"""The database's clock, by which every host dates what it writes and compares what it reads.

The clocks of hosts differ. One that is an hour fast would date its changes an hour ahead, end holds an hour
early, and take over jobs of workers that are alive. So writes take ``database_now``, and reads compare with
``now``, which costs no query. Elapsed time is measured with ``time.monotonic``.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Func
from django.utils import timezone

MAX_SKEW = 5  # seconds between a process and the database, above which people are told


# As Django writes a time: microseconds, but no fraction for a whole second. SQLite compares times as text.
SQLITE_CLOCK = "replace(strftime('%Y-%m-%d %H:%M:%f000', 'now'), '.000000', '')"


class DatabaseClock(Func):
    """The time at which the statement runs; as a column's ``db_default``, the time of the INSERT."""

    output_field = DateTimeField()
    function = "clock_timestamp"

    def as_sqlite(self, compiler, connection, **context):
        return self.as_sql(compiler, connection, template=SQLITE_CLOCK.replace("%", "%%%%"), **context)


class StatementClock(DatabaseClock):
    """The time at which the statement began: one value for all rows, which an index can be searched for."""

    function = "statement_timestamp"


def database_now() -> datetime:
    """Return the database's time; one query on PostgreSQL. SQLite has no clock but that of the host."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def now() -> datetime:
    """Return the database's time without a query: the host's, corrected by the skew of its clock.

    The skew is measured once for each connection, so for at most ``CONN_MAX_AGE``.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    connection.ensure_connection()
    measured: Any = connection  # the wrapper of this thread, to which this adds an attribute
    server = measured.connection
    if getattr(measured, "clock_skew", (None,))[0] is not server:
        with measured.wrap_database_errors:
            # Without Django's cursor, since this is no query of the caller.
            ahead = _ahead(lambda: server.execute("SELECT clock_timestamp()").fetchone()[0])
        measured.clock_skew = server, ahead
    return timezone.now() - measured.clock_skew[1]


def skew() -> float:
    """Return how many seconds the clock of this process is ahead of the database's; negative if behind."""
    return _ahead(database_now).total_seconds()


def _ahead(read: Callable[[], datetime]) -> timedelta:
    """Return how far this process is ahead of the clock that ``read`` returns.

    The time that the answer takes does not count.
    """
    before, database, after = timezone.now(), read(), timezone.now()
    if before <= database <= after:
        return timedelta(0)
    return (before if before > database else after) - database
