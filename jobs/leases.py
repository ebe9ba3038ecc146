"""Let the lease of a job win over a worker that is frozen or cut off in the middle of a chunk.

On PostgreSQL the chunk's transaction holds an advisory lock with the key of the job, but not the job's row,
so that people can still cancel the job. A worker that takes the job over finds the session that holds the
lock and ends it, which rolls the chunk back and unlocks its numbers. The server itself knows which session
that is, also behind a pooler that gives each transaction another one. A chunk may take longer than the lease:
a thread of the worker renews it, which a frozen or cut-off worker can't do.

SQLite has one writer, whose transaction no other process can end: nobody takes the job over before the chunk
has ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import Error, ProgrammingError, connection

if TYPE_CHECKING:
    from uuid import UUID

    from jobs.models import Job

# Seconds without a statement in a chunk, after which the server ends the session of a frozen worker, also
# where no other worker does. Continuing with a large file pauses longest: 90,000,000 rows are read in it.
LONGEST_PAUSE = 300
BEGIN = "SELECT set_config('idle_in_transaction_session_timeout', %s, true), pg_advisory_xact_lock(%s)"
# The lease is compared again, because meanwhile another worker may have taken the job over.
END = """
    SELECT pg_terminate_backend(pg_locks.pid)
    FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database, jobs_job
    WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 1
      AND (classid::bigint << 32 | objid::bigint) = %s AND pid <> pg_backend_pid()
      AND jobs_job.id = %s AND worker = %s AND lease_until = %s
"""

log = logging.getLogger("jobs")


def begin_chunk(job: UUID) -> None:
    """Make the transaction known as the one of a chunk of this job; wait for the end of another one."""
    if connection.vendor == "postgresql":
        pause = max(LONGEST_PAUSE, settings.JOB_LEASE, settings.DATABASE_IDLE_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(BEGIN, [f"{pause}s", _key(job)])


def end_session(job: Job) -> bool:
    """End the session in which the former worker of an abandoned job is in the middle of a chunk.

    Return False if the server refuses that, because the session belongs to another role.
    """
    if connection.vendor != "postgresql":
        return True
    try:
        with connection.cursor() as cursor:
            cursor.execute(END, [_key(job.pk), job.pk, job.worker, job.lease_until])
            ended = cursor.rowcount
    except ProgrammingError as error:
        log.warning("%s: its worker %s is silent, but its session can’t be ended: %s", job, job.worker, error)
        return False
    if ended:
        log.warning("%s: its worker %s is silent; its session was ended", job, job.worker)
    return True


def _key(job: UUID) -> int:
    """Return the key of the lock: 63 bits, so that the server's two halves are compared without a sign."""
    return job.int >> 65


class Renewal:
    """Renew a lease while the block runs: ``renew()`` returns False once it is lost.

    The first renewal comes after a third of the lease, so short work costs neither a statement nor a
    connection.
    """

    def __init__(self, renew: Callable[[], bool], lease: timedelta) -> None:
        self._renew, self._every = renew, lease.total_seconds() / 3
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        if connection.vendor == "postgresql":
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _run(self) -> None:
        """Renew until the end. ``connection`` is one of this thread."""
        try:
            while not self._ended.wait(self._every):
                try:
                    if not self._renew():
                        return
                except Error as error:
                    log.warning("The lease of a job could not be renewed: %s", str(error).strip())
                    connection.close()
        finally:
            connection.close()
