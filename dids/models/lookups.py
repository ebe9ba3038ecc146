"""Many ids as one parameter, which spares the client and the parser most of their work."""

from array import array

from django.core.exceptions import EmptyResultSet
from django.db import models


@models.BigAutoField.register_lookup
class Named(models.Lookup):
    """``pk__named=ids``: like ``in``, with all the ids (a list or an array) as one parameter.

    No other hint is given. SQLite takes that for 25 rows, which it looks for before it tries the index of
    any other condition.
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
    """``pk__among=ids``: the same for a chunk of 5,000 ids, with the ends of the list told as well.

    PostgreSQL would read a whole table of some 100,000 rows otherwise. Ids without a gap between them, as
    of numbers that were made together, need no more than their ends.
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
