"""Compile a query once, for the small statements that every page runs.

Building a queryset and compiling it to SQL takes several times as long as the index lookup itself.
"""

import inspect
from types import SimpleNamespace
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
    expressions. ``viewer`` is a user to pass on to ``visible_to``. A statement reads, in the database that
    the router chooses each time. ::

        named = Statement(lambda viewer, name: Client.objects.visible_to(viewer).filter(name=name))
        named.instances(viewer=user, name="Rose Orig")
    """

    def __init__(self, build):
        self._build, self._names = build, inspect.signature(build).parameters
        self._querysets, self._compiled = {}, {}

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

    def _queryset(self, is_bound):
        """Return the queryset for viewers who are bound to a reseller, or see all."""
        if is_bound not in self._querysets:
            slots = {name: RawSQL("%s", [_Slot(name)]) for name in self._names}
            if "viewer" in slots:
                reseller = slots["viewer"] if is_bound else None
                slots["viewer"] = SimpleNamespace(is_authenticated=True, reseller_id=reseller)
            self._querysets[is_bound] = self._build(**slots)
        return self._querysets[is_bound]

    def _fetched(self, values):
        """Return the database, the compiler and the rows."""
        is_bound = False
        if "viewer" in self._names:
            viewer = values["viewer"]
            # Nothing equals NULL, so somebody who has not signed in sees nothing.
            values["viewer"] = viewer.reseller_id if viewer.is_authenticated else None
            is_bound = not viewer.is_authenticated or viewer.reseller_id is not None
        queryset = self._queryset(is_bound)
        alias = queryset.db
        if (alias, is_bound) not in self._compiled:
            compiler = queryset.query.get_compiler(alias)
            statement = compiler.as_sql()
            converters = compiler.get_converters([column for column, *_ in compiler.select])
            self._compiled[alias, is_bound] = compiler, statement, converters
        compiler, (sql, params), converters = self._compiled[alias, is_bound]
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
