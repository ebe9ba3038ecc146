"""The database's clock, by which every host dates what it writes.

The clocks of hosts differ. One that is an hour fast would date its changes an hour ahead, and take over
jobs of workers that are alive.
"""

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func
from django.utils import timezone

MAX_SKEW = 5  # seconds between a process and the database, above which people are told


class DatabaseClock(Func):
    """The time at which the statement runs; as a column's ``db_default``, the time of the INSERT."""

    output_field = DateTimeField()
    function = "clock_timestamp"

    def as_sqlite(self, compiler, connection, **context):
        """Write microseconds, as Django does: SQLite compares timestamps as text."""
        template = "strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'now')"
        return self.as_sql(compiler, connection, template=template, **context)


def database_now() -> datetime:
    """Return the database's time; one query on PostgreSQL. SQLite has no clock but that of the host."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def skew() -> float:
    """Return how many seconds the clock of this process is ahead of the database's; negative if behind.

    The time that the answer takes does not count.
    """
    before, database, after = timezone.now(), database_now(), timezone.now()
    if before <= database <= after:
        return 0.0
    return ((before if before > database else after) - database).total_seconds()
