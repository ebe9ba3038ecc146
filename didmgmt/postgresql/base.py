"""The database wrapper, which Django finds by this module's name."""

from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db.backends import utils
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper, OperationalError
from django.utils.functional import cached_property

from didmgmt import patience
from didmgmt.postgresql import driver

PREPARED_FROM = 2  # uses of a statement within a connection, after which the server keeps its plan
CHECK_SECONDS = 1  # that a connection may take to answer at the beginning of a request
PAUSES = 2, 8  # seconds for which a server that does not answer gets no new connection, at first and at most
# So that the server notices within half a minute that our host is gone, and ends the transaction.
KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
}

ENDED_WHEN_IDLE = ("25P03", "25P04")  # psycopg takes them for errors of the program

breakers: dict[Any, patience.Breaker] = defaultdict(partial(patience.Breaker, *PAUSES))  # by address


class ErrorWrapper(DatabaseErrorWrapper):
    """Raise Django's exceptions; a transaction that paused for too long has lost its connection."""

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if getattr(exc_value, "sqlstate", None) in ENDED_WHEN_IDLE:
            self.wrapper.errors_occurred = True  # type: ignore[attr-defined]
            raise OperationalError(*exc_value.args).with_traceback(traceback) from exc_value
        super().__exit__(exc_type, exc_value, traceback)


class _Copying:
    @contextmanager
    def copy(self: Any, statement: Any, params: Any = None) -> Iterator[Any]:
        """Copy rows as psycopg does, but raise Django's exceptions, as all other methods do."""
        with self.db.wrap_database_errors, self.cursor.copy(statement, params) as copy:
            yield copy

    def read_rows(self: Any, copy: Any, size: int) -> tuple[bytearray, int] | None:
        """Return the next rows of COPY … TO STDOUT, together at least ``size`` bytes, and their number.

        None after the last one. To iterate over ``copy`` takes twice as long, because it waits for each row.
        """
        rows: tuple[bytearray, int] = copy.connection.wait(_next_rows(copy, size))
        return rows if rows[1] else None


def _next_rows(copy: Any, size: int) -> Generator[Any, Any, tuple[bytearray, int]]:
    rows, count = bytearray(), 0
    while len(rows) < size and (row := (yield from copy._read_gen())):
        rows += row
        count += 1
    return rows, count


class CursorWrapper(_Copying, utils.CursorWrapper):
    pass


class CursorDebugWrapper(_Copying, utils.CursorDebugWrapper):
    pass


class DatabaseWrapper(base.DatabaseWrapper):
    Database = driver

    @cached_property
    def wrap_database_errors(self) -> ErrorWrapper:
        return ErrorWrapper(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        breaker = breakers[self.settings_dict["HOST"], self.settings_dict["PORT"]]
        if not breaker.allows():
            raise driver.OperationalError("The database did not answer a moment ago.")
        try:
            connection = super().get_new_connection(conn_params)
        except driver.ConnectionTimeout:
            if patience.seconds_left() is None:
                breaker.trip()
            raise
        breaker.reset()
        limits = patience.limits_of(self.alias)
        connection.silence = limits.statement + patience.GRACE if limits.statement else None
        connection.on_silence = breaker.trip
        if not settings.POOLED_TRANSACTIONS:
            connection.prepare_threshold = PREPARED_FROM
        return connection

    def _configure_connection(self, connection: Any) -> bool:
        commit: bool = super()._configure_connection(connection)  # type: ignore[misc]
        if settings.POOLED_TRANSACTIONS:
            return commit  # they would reach others; the pooler sets them
        limits = patience.limits_of(self.alias)
        wanted = KEEPALIVES | {
            "statement_timeout": f"{limits.statement}s",
            "lock_timeout": f"{limits.lock}s",
            "idle_in_transaction_session_timeout": f"{limits.idle}s",
            # IndexKey makes plans look expensive, and to compile them would take longer than they run.
            "jit": "off",
        }
        calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in wanted.items())
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}")
        return True

    def is_usable(self) -> bool:
        left = patience.seconds_left()
        with patience.hurry(CHECK_SECONDS if left is None else min(CHECK_SECONDS, left)):
            usable: bool = super().is_usable()
            return usable

    def chunked_cursor(self) -> Any:
        """Return a server-side cursor in a transaction, else one that fetches all rows at once.

        Outside a transaction the server would hold all rows, and a pooler in transaction mode loses the
        cursor. Django itself reads choices of forms so; for many rows there is ``didmgmt.streams``.
        """
        return super().chunked_cursor() if self.in_atomic_block else self.cursor()

    def prepared_cursor(self) -> Any:
        """Return a cursor whose statements the server parses and plans once for each connection.

        For texts that recur (``didmgmt.statements``). A pooler in transaction mode may give the next
        statement another connection, so there it is a usual cursor; and for Django's log of queries, which
        names their values.
        """
        if settings.POOLED_TRANSACTIONS or self.queries_logged:
            return self.cursor()
        self.ensure_connection()
        with self.wrap_database_errors:
            binding: Any = base.ServerBindingCursor
            wrapper: Any = self
            return wrapper._prepare_cursor(binding(self.connection))

    def make_cursor(self, cursor: Any) -> Any:
        return CursorWrapper(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        return CursorDebugWrapper(cursor, self)
