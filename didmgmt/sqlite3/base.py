"""Django's database backend for SQLite, with another way to wait for its one write lock.

SQLite's own way is to look for the lock ever more rarely, up to ten times a second. A worker that takes it
again after each chunk would hold it at nearly all of these times. It also holds the connection's mutex
meanwhile, for which the garbage collector of another thread may wait, if it deletes a cursor of this
connection: when that thread has the write lock, neither goes on until the time is over.
"""

import random
import sqlite3
import time
from functools import lru_cache

from django.db.backends.sqlite3 import base

from didmgmt.sqlite3.waiting import others_wait, waits

LOOK_EVERY = 0.005  # seconds between tries on average
BEHIND = 0.01  # seconds for which somebody who comes later lets others try


LONGEST_KEPT = 20_000  # characters of a statement whose conversion is kept


@lru_cache(maxsize=500)
def _converted(query):
    """Return a statement with SQLite's placeholders, which Django writes anew for each execution."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        connection = super().get_new_connection(conn_params)
        connection.execute("PRAGMA busy_timeout = 0")  # from here on the cursor waits
        return connection

    def create_cursor(self, name=None):  # noqa: ARG002 - SQLite has no named cursors
        cursor = self.connection.cursor(factory=Cursor)
        cursor.database = self.settings_dict["NAME"]
        cursor.patience = self.settings_dict["OPTIONS"].get("timeout", 5)
        return cursor

    def _start_transaction_under_autocommit(self):
        if others_wait(self.settings_dict["NAME"]):
            time.sleep(BEHIND)
        super()._start_transaction_under_autocommit()


class Cursor(base.SQLiteCursorWrapper):
    """Tries a statement again for up to ``patience`` seconds while another connection has the lock.

    ``database``: the file. Within a transaction no statement waits: it has the lock from its beginning.
    """

    def execute(self, query, params=None):
        try:
            return super().execute(query, params)
        except sqlite3.OperationalError as error:
            if not self._may_wait(error):
                raise
        end = time.monotonic() + self.patience
        with waits(self.database):
            while True:
                time.sleep(random.uniform(0.5, 1.5) * LOOK_EVERY)  # noqa: S311 - no secret
                try:
                    return super().execute(query, params)
                except sqlite3.OperationalError as error:
                    if not self._may_wait(error) or time.monotonic() > end:
                        raise

    def convert_query(self, query, *, param_names=None):
        if param_names is None and len(query) < LONGEST_KEPT:
            return _converted(query)
        return super().convert_query(query, param_names=param_names)

    def executemany(self, query, param_list):
        if not self.connection.in_transaction:
            raise RuntimeError("Open a transaction for many rows. Each would be one of its own.")
        return super().executemany(query, param_list)

    def _may_wait(self, error):
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and not self.connection.in_transaction
