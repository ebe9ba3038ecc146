"""Lookups that pass many ids as one parameter, which saves time in the client and in the SQL parser."""

from array import array

from django.core.exceptions import EmptyResultSet
from django.db import models


@models.BigAutoField.register_lookup
class Named(models.Lookup):
    """Match a list or array of ids like ``in``: ``pk__named=ids``.

    SQLite estimates 25 rows for it, so it prefers the primary key to the index of any other condition.
    """

    lookup_name = "named"

    def get_prep_lookup(self):
        return array("q", self.rhs)

    def as_postgresql(self, compiler, connection):
        return self._condition(compiler, connection, "= ANY(%s::bigint[])", "{", "}")

    def as_sqlite(self, compiler, connection):
        return self._condition(compiler, connection, "IN (SELECT value FROM json_each(%s))", "[", "]")

    def _condition(self, compiler, connection, one_of, opening, closing):
        column, params = self.process_lhs(compiler, connection)
        return f"{column} {one_of}", [*params, f"{opening}{','.join(map(str, self.rhs))}{closing}"]


@models.BigAutoField.register_lookup
class Among(Named):
    """Match a chunk of some thousand ids: ``pk__among=ids``.

    Adds BETWEEN the smallest and the largest id; without it PostgreSQL chooses a sequential scan of a
    table of 100,000 rows. Ids without a gap, as of numbers created together, need only BETWEEN.
    """

    lookup_name = "among"

    def _condition(self, compiler, connection, one_of, opening, closing):
        ids = self.rhs
        if not ids:
            raise EmptyResultSet
        column, params = self.process_lhs(compiler, connection)
        first, last = min(ids), max(ids)
        between, ends = f"{column} BETWEEN %s AND %s", [*params, first, last]
        if last - first == len(ids) - 1 and ids == array("q", range(first, last + 1)):
            return between, ends
        listed, params = super()._condition(compiler, connection, one_of, opening, closing)
        return f"({between} AND {listed})", [*ends, *params]
