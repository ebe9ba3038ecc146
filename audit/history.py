"""History tables: made from the tracked model's own columns, written by the database.

``DIDHistory = history.track(DID)`` makes the model ``<app>.DIDHistory``: a snapshot of the row
after each write (before it, for a delete), with the moment, the event (+ ~ -) and the change. What
changed is found by comparing a row with the one before. Rows are written by the triggers of
``audit.triggers`` alone, and refuse UPDATE and DELETE; what is old enough goes by ``audit.pruning``.
"""

from django.db import models

TRACKED = {}  # tracked model -> its history model


def track(tracked, indexes=()):
    """Make and register the history model of ``tracked``; ``indexes``: more than each history has.

    The tracked primary key becomes ``object_id`` (Django keeps the name ``id`` for primary keys);
    foreign keys become plain integers under their column's name, so that history outlives what it
    points at and costs no constraint check.
    """
    name = f"{tracked.__name__}History"
    attrs = {
        "__module__": tracked.__module__,
        "__doc__": f"What {tracked._meta.verbose_name} rows were after each write.",
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
    table = f"{tracked._meta.db_table}history"
    attrs["Meta"] = type(
        "Meta",
        (),
        {
            "db_table": table,
            "default_permissions": (),
            "indexes": [
                models.Index(
                    fields=["object_id", "history_id"], name=f"{tracked._meta.model_name}_past_object"
                ),
                models.Index(fields=["change", "history_id"], name=f"{tracked._meta.model_name}_past_change"),
                *indexes,
            ],
        },
    )
    TRACKED[tracked] = type(name, (models.Model,), attrs)
    return TRACKED[tracked]


def last_known(tracked, ids, *fields):
    """{id: {field: value}} of rows as they are, or as they were last when they are gone.

    An id that nobody ever knew is left out. One query, a second only when some are gone.
    """
    ids = {pk for pk in ids if pk is not None}
    if not ids:
        return {}
    known = {row.pop("pk"): row for row in tracked.objects.filter(pk__in=ids).values("pk", *fields)}
    if gone := ids - known.keys():
        last = TRACKED[tracked].objects.filter(object_id__in=gone, event="-").order_by("history_id")
        known |= {row.pop("object_id"): row for row in last.values("object_id", *fields)}
    return known


def columns(tracked):
    """Pairs (column of the tracked table, column of its history table), in the model's order."""
    return [(f.column, "object_id" if f.primary_key else f.column) for f in tracked._meta.concrete_fields]


def count_rows(connection, change_id):
    """How many history rows, over all tracked tables, belong to the change; one query."""
    parts = [
        f"SELECT count(*) AS n FROM {connection.ops.quote_name(h._meta.db_table)} WHERE change_id = %s"
        for h in TRACKED.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT sum(n) FROM ({' UNION ALL '.join(parts)}) AS counts", [change_id] * len(parts)
        )
        return int(cursor.fetchone()[0])


def _name(field):
    return "object_id" if field.primary_key else field.attname


def _snapshot(field):
    if field.primary_key:
        return models.BigIntegerField()
    if field.is_relation:
        return models.BigIntegerField(null=field.null, db_column=field.column)
    copy = field.clone()
    copy._unique = copy.db_index = False
    copy.choices = None
    return copy
