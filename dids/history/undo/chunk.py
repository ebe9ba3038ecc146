"""One chunk of an undo, and the SQL fragments that its statements share.

Aliases in the SQL: ``touched`` is the change's first history row of an object, ``prior`` the object's state
before the change and ``live`` its row now; ``given``, ``package`` and ``client`` are the client package that
a number had before, its package and its client.
"""

import json
from functools import cached_property

from django.db import connection

from audit import history
from clients.models import Client, Package, Reseller
from didmgmt.clock import database_now
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage

IN_PLACE = "('{}')".format("', '".join(st.IN_USE))
# The condition for a row that is in use itself, of models that others can't be closed without.
IN_USE = {DID: f"status IN {IN_PLACE}", ClientPackage: "active"}


class Chunk:
    """A range of the change's history rows of one model, handled in one of the undo's ``PASSES``.

    ``restored``: {model: history ids of the rows that a preview restored without writing them}.
    """

    def __init__(self, undo, phase, model, *, restored=None):
        self.undo, self.phase, self.model, self.restored = undo, phase, model, restored or {}
        self.history_model = history.TRACKED[model]
        self.table, self.history_table = model._meta.db_table, self.history_model._meta.db_table
        self.params = {"change": undo.change.pk, "reseller": undo.reseller, "after": 0, "last": 2**62}
        self.read_clock()

    def read_clock(self):
        """Take the current time; called again once the rows are locked."""
        self.now = self.undo.now or database_now()
        self.params["now"] = connection.ops.adapt_datetimefield_value(self.now)

    def bounds(self, after, rows):
        """Return the last history id and the row count of the next ``rows`` after history id ``after``."""
        return self.fetch_one(
            f"""
            SELECT max(history_id), count(*) FROM (
                SELECT history_id FROM {self.history_table} written
                WHERE change_id = %(change)s AND history_id > {after:d} AND {self._was_own("written")}
                ORDER BY history_id LIMIT {rows:d}
            ) AS chunk
            """
        )

    def count_rows(self):
        """Return how many history rows of the change belong to the user's branch; an index scan of them."""
        written = f"SELECT count(*) FROM {self.history_table} written WHERE change_id = %(change)s"
        return self.fetch_one(f"{written} AND {self._was_own('written')}")[0]

    def set_bounds(self, after, last):
        self.params |= {"after": after, "last": last}

    @cached_property
    def columns(self):
        return columns_of(self.model)

    @cached_property
    def parents(self):
        """Return {foreign key column: tracked model}."""
        fields = self.model._meta.concrete_fields
        return {f.column: f.related_model for f in fields if f.related_model in history.TRACKED}

    # --- fragments

    def touched_rows(self, how=""):
        """Return SQL for ``touched``, the change's first history row of each object, if it is in the range.

        What came before the first row of the change is not of the change, so rows are looked at only if the
        object was written since. LIMIT and + 0 make both engines look up the few earlier rows of the object,
        instead of joining all rows of the change through the index on the change. ``how``: "MATERIALIZED" if
        all rows are wanted, so that SQLite looks up each earlier row once.
        """
        return f"""
        written AS {how} (
            SELECT own.object_id, own.history_id, own.at, own.event, (
                SELECT max(earlier.history_id) FROM {self.history_table} earlier
                WHERE earlier.object_id = own.object_id AND earlier.history_id < own.history_id
            ) AS before_id
            FROM {self.history_table} own
            WHERE own.change_id = %(change)s
              AND own.history_id > %(after)s AND own.history_id <= %(last)s
        ),
        touched AS {how} (
            SELECT object_id, history_id, at, event, CASE WHEN event <> '+' THEN before_id END AS prior_id
            FROM written WHERE before_id IS NULL OR before_id < (
                SELECT min(history_id) FROM {self.history_table} WHERE change_id = %(change)s
            ) OR (
                SELECT 1 FROM {self.history_table} earlier
                WHERE earlier.object_id = written.object_id AND earlier.history_id < written.history_id
                  AND earlier.change_id + 0 = %(change)s
                LIMIT 1
            ) IS NULL
        )
        """

    def joined_rows(self):
        """Return a FROM clause: ``touched``, ``prior``, ``live`` and what a number was assigned with.

        For a user bound to a reseller, only objects that belonged to it before and after the change, and
        would belong to it now, whether or not they are restored. Before it is when it was made: a number may
        have come with its operator since its earlier version was written.
        """
        packages = f"""
            LEFT JOIN {self.rows_of(ClientPackage)} given ON given.id = prior.client_package_id
            LEFT JOIN {self.rows_of(Package)} package ON package.id = given.package_id
            LEFT JOIN {self.rows_of(Client)} client ON client.id = given.client_id
        """
        return f"""
            FROM touched
            LEFT JOIN {self.history_table} prior ON prior.history_id = touched.prior_id
            LEFT JOIN {self.table} live ON live.id = touched.object_id
            {packages if self.model is DID else ""}
            {"" if self.undo.reseller is None else self._where_own()}
        """

    def _where_own(self):
        was_own = self._of_reseller("prior", "touched.at")
        return f"""
            WHERE (prior.history_id IS NULL OR ({was_own} AND {self._is_own("prior")}))
              AND (live.id IS NULL OR {self._is_own("live")})
              AND NOT EXISTS (
                SELECT 1 FROM {self.history_table} written
                WHERE written.object_id = touched.object_id AND written.history_id >= touched.history_id
                  AND written.change_id + 0 = %(change)s AND NOT {self._was_own("written")}
            )
        """

    def _was_own(self, row):
        """Return SQL for whether an object belonged to the user's reseller when a history row was written."""
        return self._of_reseller(row, f"{row}.at")

    def _is_own(self, row):
        """Return SQL for whether a row would belong to the user's reseller now; its parent may be deleted."""
        return self._of_reseller(row, "%(now)s")

    def _of_reseller(self, row, at):
        if self.undo.reseller is None:
            return "(1 = 1)"
        if self.model is Reseller:
            return "(1 = 0)"  # only users without a reseller manage resellers
        column, parent = history.branch(self.model)
        owner = f"{row}.{column}"
        return f"({history.reseller_then(parent, owner, at) if parent else owner} = %(reseller)s)"

    def rows_of(self, model):
        """Return SQL for the rows of a model, including those that the preview restored; for FROM."""
        table, ids = model._meta.db_table, self.restored.get(model)
        if not ids:
            return table
        key, history_table = f"restored_{table}", history.TRACKED[model]._meta.db_table
        self.params[key] = id_list(ids)
        restored = f"FROM {history_table} prior WHERE {is_one_of('prior.history_id', key)}"
        columns = columns_of(model)
        values = ", ".join(f"{restored_value(model, column)} AS {column}" for column in columns)
        return f"""(
            SELECT id, {", ".join(columns)} FROM {table} WHERE id NOT IN (SELECT object_id {restored})
            UNION ALL
            SELECT object_id, {values} {restored}
        )"""

    # --- the database

    def fetch_all(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.fetchall()

    def fetch_one(self, sql):
        rows = self.fetch_all(sql)
        return rows[0] if rows else None

    def execute(self, sql):
        """Run a statement and return how many rows it wrote."""
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.rowcount


def columns_of(model):
    return [field.column for field in model._meta.concrete_fields if not field.primary_key]


def restored_value(model, column):
    """Return SQL for the value that a column gets back, from the history row ``prior``.

    A client package that is switched on again loses an end date in the past, as in
    ``ClientPackage.activate``.
    """
    if model is ClientPackage and column == "ends_at":
        return "CASE WHEN prior.active AND prior.ends_at <= %(now)s THEN NULL ELSE prior.ends_at END"
    return f"prior.{column}"


def null_safe_equal():
    """Return the comparison that takes two NULLs for equal."""
    return "IS NOT DISTINCT FROM" if connection.vendor == "postgresql" else "IS"


def id_list(ids):
    """Return ids as one parameter, for ``is_one_of``."""
    return list(ids) if connection.vendor == "postgresql" else json.dumps(list(ids))


def is_one_of(column, key):
    """Return SQL for whether a column is one of the ids in parameter ``key``."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%({key})s::bigint[])"
    return f"{column} IN (SELECT value FROM json_each(%({key})s))"
