"""Compile a query once, for the small statements that every page runs.

Building a queryset and compiling it to SQL takes several times as long as the index lookup itself.
"""

import inspect
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db import connections
from django.db.models.expressions import RawSQL
from django.db.models.query import get_related_populators
from psycopg.types.numeric import Int8

LISTED_MOST = 512  # values of a list for which SQL is kept


class _Slot(NamedTuple):
    """The place of a value in the parameters of a statement; ``position``: in a value that is a list."""

    name: str
    position: int | None = None


EVERYBODY = SimpleNamespace(is_authenticated=True, reseller_id=None, pk=None)  # a viewer who sees all


class Statement:
    """A queryset whose SQL stays the same while some of its values differ.

    ``build`` returns the queryset; its parameters are the values, which it may only pass on to conditions and
    expressions. ``viewer`` is a user to pass on to ``visible_to``. The names in ``lists`` are those of lists
    for ``…__in``; without any value there is no row. Their SQL is kept for 1, 2, 4, 8 and up to
    ``LISTED_MOST`` values, of which the last one is repeated; that of longer lists is compiled each time. A
    statement reads, in the database that the router chooses each time. ::

        named = Statement(lambda viewer, name: Client.objects.visible_to(viewer).filter(name=name))
        named.instances(viewer=user, name="Rose Orig")
    """

    def __init__(self, build, *, lists=(), names=None):
        """Give ``names`` if the arguments of ``build`` don't show them."""
        self._build, self._names = build, names or inspect.signature(build).parameters
        self._lists = tuple(lists)
        self._querysets, self._compiled = {}, {}

    def rows(self, **values):
        """Return the rows as sequences of the columns that the queryset selects."""
        if not all(values[name] for name in self._lists):
            return []
        return self._fetched(values)[1]

    def instances(self, **values):
        """Return the rows as instances of the model, with annotations and ``select_related``."""
        if not all(values[name] for name in self._lists):
            return []
        compiled, rows = self._fetched(values)
        alias, compiler = compiled.alias, compiled.compiler
        about, select = compiler.klass_info, compiler.select
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column.target.attname for column, *_ in select[first:last]]
        found = []
        for row in rows:
            one = about["model"].from_db(alias, names, row[first:last])
            for populator in compiled.populators:
                populator.populate(row, one)
            for name, position in compiler.annotation_col_map.items():
                setattr(one, name, row[position])
            found.append(one)
        return found

    def _fetched(self, values):
        """Return the ``_Compiled`` and the rows."""
        is_bound = False
        if "viewer" in self._names:
            viewer = values["viewer"]
            values["viewer.pk"] = viewer.pk
            # Nothing equals NULL, so somebody who has not signed in sees nothing.
            values["viewer"] = viewer.reseller_id if viewer.is_authenticated else None
            is_bound = not viewer.is_authenticated or viewer.reseller_id is not None
        compiled = self._compile(is_bound, values)
        connection = connections[compiled.alias]
        prepared = getattr(connection, "prepared_cursor", connection.cursor)  # PostgreSQL's
        with prepared() as cursor:
            cursor.execute(compiled.sql, [_value(param, values, connection) for param in compiled.params])
            rows = cursor.fetchall()
        if compiled.converters:
            rows = list(compiled.compiler.apply_converters(rows, compiled.converters))
        return compiled, rows

    def _compile(self, is_bound, values):
        lengths = tuple([_pad(values, name) for name in self._lists])
        shape = is_bound, lengths
        if None in lengths:
            return _Compiled.of(self._queryset(is_bound, values, lengths))
        if shape not in self._querysets:
            self._querysets[shape] = self._queryset(is_bound, values, lengths)
        queryset = self._querysets[shape]
        key = queryset.db, shape
        if key not in self._compiled:
            # Compiling changes a query for a while, so each thread compiles one of its own.
            self._compiled[key] = _Compiled.of(self._queryset(is_bound, values, lengths))
        return self._compiled[key]

    def _queryset(self, is_bound, values, lengths):
        """Return the queryset for viewers who are bound to a reseller, or see all."""
        slots = {name: RawSQL("%s", [_Slot(name)]) for name in self._names}
        for name, length in zip(self._lists, lengths, strict=True):
            places = range(length or 0)
            slots[name] = [RawSQL("%s", [_Slot(name, place)]) for place in places] or values[name]
        if "viewer" in slots:
            slots["viewer"] = SimpleNamespace(
                is_authenticated=True,
                reseller_id=slots["viewer"] if is_bound else None,
                pk=RawSQL("%s", [_Slot("viewer.pk")]),
            )
        return self._build(**slots)


class _Compiled(NamedTuple):
    """A statement for a database; ``populators`` create related instances."""

    alias: str
    compiler: Any
    sql: str
    params: tuple[Any, ...]
    converters: dict[int, Any]
    populators: list[Any]

    @classmethod
    def of(cls, queryset):
        alias = queryset.db
        compiler = queryset.query.get_compiler(alias)
        statement = compiler.as_sql()
        about, select = compiler.klass_info, compiler.select
        populators = get_related_populators(about, select, alias) if about else []
        return cls(
            alias, compiler, *statement, compiler.get_converters([one for one, *_ in select]), populators
        )


def _pad(values, name):
    """Repeat the last value of a list up to a power of two, and return that; None for a long list."""
    some = list(values[name])
    if len(some) > LISTED_MOST:
        return None
    length = 1 << (len(some) - 1).bit_length()
    values[name] = some + some[-1:] * (length - len(some))
    return length


def _value(param: Any, values: dict[str, Any], connection: Any) -> Any:
    value = param
    if isinstance(param, _Slot):
        value = values[param.name]
        if param.position is not None:
            value = value[param.position]
    if connection.vendor == "postgresql":
        # Of one type, however large: the server plans a statement for the types of its parameters.
        return Int8(value) if type(value) is int else value
    # SQLite stores times as text.
    return connection.ops.adapt_datetimefield_value(value) if hasattr(value, "tzinfo") else value


def embed(queryset, params):
    """Return ``queryset`` as a subquery and add its values to ``params`` under names of their own."""
    sql, values = queryset.query.sql_with_params()
    names = [f"embedded{len(params) + n}" for n in range(len(values))]
    params.update(zip(names, values, strict=True))
    return f"({sql % tuple(f'%({name})s' for name in names)})"
