"""Let a worker rest until there is work, at next to no cost.

A worker looks for work with one statement every two seconds, and at once when there may be a new job:
PostgreSQL sends a notification, and SQLite counts the commits of other connections, which is read
from shared memory. Behind a pooler in transaction mode no connection can listen, so jobs wait for the
next look.
"""

import select
import threading
import time
from collections import deque
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, models

from didmgmt.clock import StatementClock
from jobs.companions import COMPANIONS, Companions
from jobs.files import folder
from jobs.models import CHANNEL, Job
from jobs.periodic import due_rows

COMMITS_EVERY = 0.25  # seconds between looks at SQLite's count of commits


def rest(
    seconds: float, every: float, stopped: threading.Event, companions: Companions | None = None
) -> bool:
    """Return True when a job or a periodic task is due, False after ``seconds`` or once ``stopped`` is set.

    ``every``: seconds between looks if nothing wakes the worker. ``companions`` are woken when their work is
    due.
    """
    end = time.monotonic() + seconds
    if connection.vendor == "postgresql" and not settings.POOLED_TRANSACTIONS:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
    while True:
        commits = _commits()  # before looking, so that what is written afterwards is noticed
        due, *of_companions = look()
        if companions:
            companions.wake(of_companions)
        if due:
            return True
        pause = min(every, end - time.monotonic())
        if pause <= 0 or stopped.is_set():
            return False
        _wait(pause, commits, stopped)


def look() -> list[bool]:
    """Return whether a job can be claimed or a periodic task can't wait, and whether each companion has work.

    One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(*_look(folder()))
        return [bool(due) for due in cursor.fetchone()]


@cache
def _look(_folder: str) -> tuple[str, tuple[Any, ...]]:
    """Return the statement and its parameters for a folder: compiling it costs more than running it.

    Each part is one index lookup: ORDER BY forces the index, see ``any_hold_over``.
    """
    now = StatementClock()
    columns = [[Job.objects.claimable(now), *due_rows()], *([companion.due(now)] for companion in COMPANIONS)]
    sql, params = [], []
    for rows in columns:
        parts = [some.values_list(models.Value(1))[:1].query.sql_with_params() for some in rows]
        sql.append(" OR ".join(f"({part}) IS NOT NULL" for part, _ in parts))
        params += [value for _, values in parts for value in values]
    return f"SELECT {', '.join(sql)}", tuple(params)


def _commits() -> Any:
    """Return SQLite's count of commits by other connections, None on PostgreSQL."""
    if connection.vendor != "sqlite":
        return None
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # Without Django's cursor, which would cost more than the statement.
        return connection.connection.execute("PRAGMA data_version").fetchone()[0]


def _wait(seconds: float, commits: int | None, stopped: threading.Event) -> None:
    """Wait until a notification arrives or the count of commits is no longer ``commits``."""
    if connection.vendor == "postgresql":
        # psycopg itself would wake up ten times a second while it waits.
        if select.select([connection.connection], [], [], seconds)[0]:
            with connection.wrap_database_errors:
                deque(connection.connection.notifies(timeout=0), maxlen=0)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped.is_set() and _commits() == commits:
        time.sleep(COMMITS_EVERY)  # cheaper than to wait for the event, and as good
