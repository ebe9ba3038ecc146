"""How long this process waits for the database: for a connection, a statement, a lock.

PostgreSQL ends a statement that takes too long. A server that is frozen or cut off can't, so the connection
itself also gives up, a second later (``didmgmt.postgresql``). SQLite has its busy timeout.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import Lock
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections


class Limits(NamedTuple):
    """Seconds; 0 for no limit."""

    statement: int
    lock: int
    idle: int  # in a transaction, between two statements


COMMAND = Limits(0, 0, 0)
JOB = Limits(settings.DATABASE_JOB_SECONDS, 0, settings.DATABASE_IDLE_SECONDS)
REQUEST = Limits(
    settings.DATABASE_REQUEST_SECONDS, settings.DATABASE_LOCK_SECONDS, settings.DATABASE_IDLE_SECONDS
)
GRACE = 1  # second in which PostgreSQL itself says that a statement took too long

_limits = COMMAND
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def limit_to(limits: Limits) -> None:
    """Set the limits of connections that this process opens from now on."""
    global _limits
    _limits = limits


def limits_of(alias: str) -> Limits:
    """Return the limits of a new connection; a replica, which the primary replaces, gets half of the time."""
    return _limits._replace(statement=-(-_limits.statement // 2)) if alias == "replica" else _limits


@contextmanager
def hurry(seconds: float) -> Iterator[None]:
    """Give up waiting for PostgreSQL after ``seconds`` in all, whatever the limits are."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float | None:
    """Return the seconds that ``hurry`` has left, None without it."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


@contextmanager
def statements_may_take(seconds: int, using: str) -> Iterator[None]:
    """Limit the statements of a transaction of PostgreSQL to ``seconds``, more or less than otherwise."""
    connection: Any = connections[using]
    server = connection.connection
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)",
            [f"{seconds}s"],
        )
        before, _ = cursor.fetchone()
    silence, server.silence = server.silence, seconds + GRACE if seconds else None
    try:
        yield
    finally:
        server.silence = silence
    with connection.cursor() as cursor:  # after an error the rollback does it
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])


def for_many_rows(using: str) -> AbstractContextManager[None]:
    """Let the statements of a transaction that a request streams take as long as those of a job."""
    return statements_may_take(JOB.statement, using) if _limits is REQUEST else nullcontext()


class Breaker:
    """Leave a server that does not answer alone for ``pause`` seconds, then let one thread try it.

    The pause doubles with each failure, up to ``longest``.
    """

    def __init__(self, pause: float, longest: float) -> None:
        self._first, self._longest = pause, longest
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Try the server again; it has answered."""
        self._pause, self._until = 0.0, float("-inf")

    def trip(self) -> float:
        """Leave the server alone, since it did not answer; return for how many seconds."""
        with self._lock:
            now = time.monotonic()
            if now >= self._until or not self._pause:  # threads that fail together count once
                self._pause = min(self._longest, self._pause * 2 or self._first)
            self._until = now + self._pause
            return self._pause

    def allows(self) -> bool:
        """Return whether to try the server; after a pause only the first thread that asks."""
        if not self._pause:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            self._until = now + self._pause
            return True
