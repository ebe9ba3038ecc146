"""History tables: generated from the tracked model's columns, written by the database.

``DIDHistory = history.track(DID)`` creates the model ``<app>.DIDHistory``: a snapshot of the row after each
write, or before a delete, with the timestamp, the event (+ ~ -) and the change. Comparing a row with the one
before shows what changed. Only the triggers of ``audit.triggers`` write these tables, which refuse UPDATE and
DELETE; ``audit.pruning`` deletes old rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, Protocol

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Manager, Model, QuerySet
from django.db.models.lookups import Exact
from django.db.models.options import Options

from didmgmt.statements import EVERYBODY, Statement


class TrackedQuerySet(Protocol):
    """The contract of a tracked model's querysets.

    ``branch``: the lookup from a row to its reseller: "pk", "reseller" or such as "operator__reseller"; None
    if it belongs to none, and only users without a reseller may see it.
    ``visible_to``: the rows that a user may see.
    """

    branch: str | None

    def visible_to(self, user: Viewer) -> QuerySet[Any]: ...


class TrackedManager(Protocol):
    """The contract of a tracked model's manager."""

    def all(self) -> TrackedQuerySet: ...


class TrackedModel(Protocol):
    """The contract of a model with history: a Django model with an integer primary key and a reseller."""

    _meta: ClassVar[Options[Any]]

    @property
    def objects(self) -> TrackedManager: ...


class Viewer(Protocol):
    """A user; ``reseller_id`` is set if they are bound to one reseller."""

    reseller_id: int | None

    @property
    def is_authenticated(self) -> bool: ...


TRACKED: dict[type[TrackedModel], type[Model]] = {}  # {tracked model: its history model}
OF_MIGRATIONS: set[type[TrackedModel]] = set()  # those with ``has_rows_of_migrations``


def track(
    tracked: type[TrackedModel], indexes: Iterable[models.Index] = (), *, has_rows_of_migrations: bool = False
) -> Any:
    """Create and register the history model of ``tracked``, with ``indexes`` besides the usual ones.

    ``has_rows_of_migrations``: the table may have rows that were written before its triggers existed, which
    have no history until they change.

    The primary key becomes ``object_id``, because Django reserves ``id`` for primary keys. Foreign keys
    become plain integers with the same column name, so that history outlives the rows that it refers to.
    """
    model_name = tracked._meta.model_name
    attrs: dict[str, Any] = {
        "__module__": tracked.__module__,
        "__doc__": f"Snapshots of {tracked._meta.verbose_name} rows after each write.",
        "history_id": models.BigAutoField(primary_key=True),
        "at": models.DateTimeField(),
        "event": models.CharField(
            max_length=1, choices=[("+", "created"), ("~", "changed"), ("-", "deleted")]
        ),
        "change": models.ForeignKey(
            "audit.Change",
            null=True,
            on_delete=models.DO_NOTHING,
            db_constraint=False,
            db_index=False,
            related_name="+",
        ),
        "__str__": lambda row: f"{row.event}{row.object_id}",
    }
    for field in tracked._meta.concrete_fields:
        attrs[_name(field)] = _snapshot(field)
    meta = {
        "db_table": f"{tracked._meta.db_table}history",
        "default_permissions": (),
        "indexes": [
            models.Index(fields=["object_id", "history_id"], name=f"{model_name}_past_object"),
            models.Index(fields=["change", "history_id"], name=f"{model_name}_past_change"),
            *indexes,
            # Rows written outside the application; empty unless that happens.
            models.Index(
                fields=["at", "history_id"],
                name=f"{model_name}_past_outside",
                condition=models.Q(change__isnull=True),
            ),
        ],
    }
    attrs["Meta"] = type("Meta", (), meta)
    if has_rows_of_migrations:
        OF_MIGRATIONS.add(tracked)
    TRACKED[tracked] = type(f"{tracked.__name__}History", (Model,), attrs)
    return TRACKED[tracked]


def last_known(
    tracked: type[TrackedModel], ids: Iterable[int | None], *fields: str, viewer: Viewer | None = None
) -> dict[int, dict[str, Any]]:
    """Return {id: {field: value}} of rows as they are now, or as they were when they were deleted.

    A ``viewer`` who is bound to a reseller gets the last values of each row while it belonged to that
    reseller. Unknown ids are left out. A field of a related row, such as "client__name", is known of existing
    rows only. One query, a second one only if some rows were deleted or moved.
    """
    wanted = {pk for pk in ids if pk is not None}
    if not wanted:
        return {}
    bound = viewer if viewer and viewer.reseller_id else None
    rows = _existing(tracked, fields).rows(ids=wanted, viewer=bound or EVERYBODY)
    known = {pk: dict(zip(fields, row, strict=True)) for pk, *row in rows}
    if gone := wanted - known.keys():
        past = visible_to(tracked, bound) if bound else _past(tracked).filter(event="-")
        last = past.filter(object_id__in=gone).order_by("history_id")
        own = [field for field in fields if "__" not in field]
        known |= {row.pop("object_id"): row for row in last.values("object_id", *own)}
    return known


@cache
def _existing(tracked: type[TrackedModel], fields: tuple[str, ...]) -> Statement:
    """Return the statement that reads (id, *fields) of existing rows."""
    return Statement(
        lambda ids, viewer: (
            manager(tracked).all().visible_to(viewer).filter(pk__in=ids).values_list("pk", *fields)
        ),
        lists=["ids"],
    )


def deleted_records(tracked: type[TrackedModel], user: Viewer, **conditions: Any) -> list[TrackedModel]:
    """Return deleted records that ``user`` may see as unsaved instances, by name, at most 100.

    Their names are marked: "Telenor (deleted)", and for users who see several resellers
    "Telenor (deleted, North)". ``conditions`` are about their last versions.
    """
    last = visible_to(tracked, user).filter(event="-", **conditions)
    last = last.exclude(object_id__in=manager(tracked).values("pk"))
    found = last.order_by("name", "object_id").values_list("object_id", "name", "reseller_id").distinct()
    records = {pk: (name, reseller) for pk, name, reseller in found[:100]}
    marks = {}
    if user.reseller_id is None:
        owners: Any = tracked._meta.get_field("reseller").related_model
        resellers = last_known(owners, {reseller for _, reseller in records.values()}, "name")
        marks = {pk: f", {row['name']}" for pk, row in resellers.items()}
    create: Any = tracked
    return [
        create(pk=pk, name=f"{name} (deleted{marks.get(reseller, '')})")
        for pk, (name, reseller) in records.items()
    ]


def branch(tracked: type[TrackedModel]) -> tuple[str | None, Any]:
    """Return the history column that leads to the reseller, and the model it refers to or None.

    Without a model the column holds the reseller's id; otherwise the model has it. Rows that belong to no
    reseller have neither.
    """
    lookup = manager(tracked).all().branch
    if lookup is None:
        return None, None
    first, _, rest = lookup.partition("__")
    field = tracked._meta.pk if first == "pk" else tracked._meta.get_field(first)
    return _name(field), field.related_model if rest else None


def visible_to(tracked: type[TrackedModel], user: Viewer) -> QuerySet[Any]:
    """Return the history rows of ``tracked`` that ``user`` may see.

    For a user bound to a reseller these are the rows written while the object belonged to it, wherever it
    or its parent, such as the operator of a number, belongs now.
    """
    rows = _past(tracked).all()
    if not user.is_authenticated:
        return rows.none()
    if user.reseller_id is None:
        return rows
    column, parent = branch(tracked)
    if column is None:
        return rows.none()
    if parent is None:
        return rows.filter(**{column: user.reseller_id})
    return rows.filter(Exact(_ResellerThen(parent, column), user.reseller_id))


def reseller_then(parent: type[TrackedModel], owner: str, at: str) -> str:
    """Return SQL for the id of the reseller that the ``parent`` with the id ``owner`` had at the time ``at``.

    ``owner`` and ``at`` are SQL. Before its first recorded version it is the reseller of that one. One index
    lookup, or two.
    """
    table = _past(parent).model._meta.db_table
    versions = f"SELECT past.reseller_id FROM {table} past WHERE past.object_id = {owner}"
    then = f"{versions} AND past.at <= {at} ORDER BY past.history_id DESC LIMIT 1"
    return f"coalesce(({then}), ({versions} ORDER BY past.history_id LIMIT 1))"


class _ResellerThen(Func):
    """The reseller's id that a history row's ``parent`` had when the row was written; see above."""

    output_field = models.BigIntegerField()

    def __init__(self, parent: type[TrackedModel], owner: str) -> None:
        super().__init__(F(owner), F("at"))
        self.parent = parent

    def as_sql(self, compiler: Any, *_: Any, **__: Any) -> tuple[str, tuple[()]]:
        owner, at = (compiler.compile(column)[0] for column in self.get_source_expressions())
        return reseller_then(self.parent, owner, at), ()


def columns(tracked: type[TrackedModel]) -> list[tuple[str, str]]:
    """Return (column of the tracked table, column of its history table), in the model's order."""
    fields: list[Any] = [*tracked._meta.concrete_fields]
    return [(field.column, "object_id" if field.primary_key else field.column) for field in fields]


def newest_rows(connection: BaseDatabaseWrapper, change_id: int) -> dict[type[TrackedModel], int]:
    """Return {tracked: id of the newest history row of the change}; one query, an index lookup a table."""
    selects = [
        f"SELECT {index}, max(history_id) FROM {past._meta.db_table} WHERE change_id = %s"
        for index, past in enumerate(TRACKED.values())
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), [change_id] * len(selects))
        found = dict(cursor.fetchall())
    return {tracked: found[index] or 0 for index, tracked in enumerate(TRACKED)}


def count_rows(
    connection: BaseDatabaseWrapper, change_id: int, after: dict[type[TrackedModel], int]
) -> Counter[tuple[type[TrackedModel], int | None]]:
    """Return {(tracked, reseller's id or None): number of history rows} of the change.

    ``after``: an earlier result of ``newest_rows``, up to which rows are left out; {} for all. Costs an
    index scan of those rows: one query, and one more for each kind of parent that was deleted.
    """
    selects: list[str] = []
    params: list[int] = []
    for index, (tracked, past) in enumerate(TRACKED.items()):
        column, parent = branch(tracked)
        column = column or "CAST(NULL AS bigint)"
        join = f"LEFT JOIN {parent._meta.db_table} AS parent ON parent.id = written.owner" if parent else ""
        selects.append(
            f"""
            SELECT {index}, {"parent.reseller_id" if parent else "written.owner"}, written.owner, written.n
            FROM (
                SELECT {column} AS owner, count(*) AS n FROM {past._meta.db_table}
                WHERE change_id = %s AND history_id > %s GROUP BY {column}
            ) AS written {join}
            """
        )
        params += [change_id, after.get(tracked, 0)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), params)
        found = cursor.fetchall()
    tracked_models = list(TRACKED)
    parents = {tracked: branch(tracked)[1] for tracked in tracked_models}
    deleted = defaultdict(set)
    for index, reseller, owner, _ in found:
        if reseller is None:
            deleted[parents[tracked_models[index]]].add(owner)
    last = {parent: last_known(parent, owners, "reseller_id") for parent, owners in deleted.items()}
    counts: Counter[tuple[type[TrackedModel], int | None]] = Counter()
    for index, known_reseller, owner, rows in found:
        tracked = tracked_models[index]
        reseller = known_reseller
        if reseller is None:
            reseller = last[parents[tracked]].get(owner, {}).get("reseller_id")
        counts[tracked, reseller] += rows
    return counts


def manager(tracked: type[TrackedModel]) -> Any:
    """Return the manager of a tracked model; the class attribute can't be typed in a Protocol."""
    return tracked.objects


def _past(tracked: type[TrackedModel]) -> Manager[Any]:
    return TRACKED[tracked]._default_manager


def _name(field: Any) -> str:
    return "object_id" if field.primary_key else str(field.attname)


def _snapshot(field: Any) -> Any:
    if field.primary_key:
        return models.BigIntegerField()
    if field.is_relation:
        return models.BigIntegerField(null=field.null, db_column=field.column)
    copy = field.clone()
    copy._unique = copy.db_index = False
    copy.choices = None
    return copy
