"""Compile a query once, for the small statements that every page runs.

Building a queryset and compiling it to SQL takes several times as long as the index lookup itself.
"""

import inspect
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connections
from django.db.models.expressions import RawSQL
from django.db.models.query import get_related_populators


class _Slot(NamedTuple):
    """The place of a value in the parameters of a statement."""

    name: str


class Statement:
    """A queryset whose SQL stays the same while some of its values differ.

    ``build`` returns the queryset; its parameters are the values, which it may only pass on to conditions and
    expressions. A statement reads, in the database that the router chooses each time. ::

        number_of = Statement(lambda pk: DID.objects.filter(pk=pk).values_list("number"))
        number_of.rows(pk=5)
    """

    def __init__(self, build):
        self._build, self._compiled = build, {}

    def rows(self, **values):
        """Return the rows as sequences of the columns that the queryset selects."""
        return self._fetched(values)[2]

    def instances(self, **values):
        """Return the rows as instances of the model, with annotations and ``select_related``."""
        alias, compiler, rows = self._fetched(values)
        about, select = compiler.klass_info, compiler.select
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column.target.attname for column, *_ in select[first:last]]
        populators = get_related_populators(about, select, alias)
        found = []
        for row in rows:
            one = about["model"].from_db(alias, names, row[first:last])
            for populator in populators:
                populator.populate(row, one)
            for name, position in compiler.annotation_col_map.items():
                setattr(one, name, row[position])
            found.append(one)
        return found

    @cached_property
    def _queryset(self):
        names = inspect.signature(self._build).parameters
        return self._build(**{name: RawSQL("%s", [_Slot(name)]) for name in names})

    def _fetched(self, values):
        """Return the database, the compiler and the rows."""
        alias = self._queryset.db
        if alias not in self._compiled:
            compiler = self._queryset.query.get_compiler(alias)
            statement = compiler.as_sql()
            converters = compiler.get_converters([column for column, *_ in compiler.select])
            self._compiled[alias] = compiler, statement, converters
        compiler, (sql, params), converters = self._compiled[alias]
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(sql, [_value(param, values, connection) for param in params])
            rows = cursor.fetchall()
        return alias, compiler, list(compiler.apply_converters(rows, converters)) if converters else rows


def _value(param: Any, values: dict[str, Any], connection: Any) -> Any:
    if not isinstance(param, _Slot):
        return param
    value = values[param.name]
    # SQLite stores times as text.
    return connection.ops.adapt_datetimefield_value(value) if hasattr(value, "tzinfo") else value
