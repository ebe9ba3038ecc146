"""Lookups that pass many ids as one parameter, and values that an index must find."""

import json
from array import array
from collections.abc import Sequence

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


@models.UUIDField.register_lookup
class NamedByUUID(models.Lookup):
    """Match a list of UUIDs like ``in``: ``pk__named=ids``."""

    lookup_name = "named"

    def get_prep_lookup(self):
        return [one.hex for one in self.rhs]

    def as_postgresql(self, compiler, connection):
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s::uuid[])", [*params, self.rhs]

    def as_sqlite(self, compiler, connection):
        column, params = self.process_lhs(compiler, connection)
        one_of = "IN (SELECT value FROM json_each(%s))"
        return f"{column} {one_of}", [*params, json.dumps(self.rhs)]


@models.CharField.register_lookup
class NamedByText(models.Lookup):
    """Match a list of texts like ``in``: ``number__named=numbers``."""

    lookup_name = "named"

    def get_prep_lookup(self):
        return list(self.rhs)

    def as_postgresql(self, compiler, connection):
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s::text[])", [*params, self.rhs]

    def as_sqlite(self, compiler, connection):
        column, params = self.process_lhs(compiler, connection)
        one_of = "IN (SELECT value FROM json_each(%s))"
        return f"{column} {one_of}", [*params, json.dumps(self.rhs)]


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


class IndexKey(models.Func):
    """A value to compare an index's first column with: ``filter(operator=IndexKey(6))``.

    Keeps PostgreSQL from reading another index in the order of number and filtering its rows. It would do
    so for a large part of the inventory, because it assumes that matches are spread evenly over the numbers.
    Its function (migration 0011) returns the value unchanged, but claims to be expensive. The planner
    charges that once for the key of an index, and once a row for a filter. SQLite gets the plain value.
    """

    function = "dids_index_key"
    arity = 1

    def __init__(self, value: int | str | models.Expression) -> None:
        field: models.Field = models.CharField() if isinstance(value, str) else models.BigIntegerField()
        expression = isinstance(value, models.Expression)
        super().__init__(value if expression else models.Value(value), output_field=field)

    def as_postgresql(self, compiler, connection, **context):
        kind = "text" if isinstance(self.output_field, models.CharField) else "bigint"
        return self.as_sql(compiler, connection, template=f"%(function)s(%(expressions)s::{kind})", **context)

    def as_sqlite(self, compiler, _connection, **_context):
        return compiler.compile(self.source_expressions[0])


class AmongIndexKeys(models.Func):
    """Whether a column is one of ``values``, ids: ``IndexKey`` for several of them."""

    output_field = models.BooleanField()

    def __init__(self, column: str, values: Sequence[int]) -> None:
        super().__init__(models.F(column))
        self._values = list(values)

    def as_postgresql(self, compiler, connection, **_context):
        column, params = compiler.compile(self.source_expressions[0])
        values = f"{{{','.join(map(str, self._values))}}}"
        return f"{column} = ANY(dids_index_key(%s::bigint[]))", (*params, values)

    def as_sqlite(self, compiler, connection, **_context):
        column, params = compiler.compile(self.source_expressions[0])
        return f"{column} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(self._values))


class Unindexed(models.Func):
    """A column of ids that is compared with rows that another condition finds, not looked up in its index."""

    template = "(%(expressions)s + 0)"
    arity = 1
    output_field = models.BigIntegerField()
