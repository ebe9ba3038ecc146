"""History tables: made from the tracked model's own columns, written by the database.

``DIDHistory = history.track(DID)`` makes the model ``<app>.DIDHistory``: a snapshot of the row
after each write (before it, for a delete), with the moment, the event (+ ~ -) and the change. What
changed is found by comparing a row with the one before. Rows are written by the triggers of
``audit.triggers`` alone, and refuse UPDATE and DELETE; what is old enough goes by ``audit.pruning``.
"""

from collections import Counter, defaultdict

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
                # What was written outside the application; empty where nobody does that.
                models.Index(
                    fields=["at", "history_id"],
                    name=f"{tracked._meta.model_name}_past_outside",
                    condition=models.Q(change__isnull=True),
                ),
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


def gone(tracked, user, **asked):
    """[what is deleted, as instances that are not stored, by name] of what ``user`` may know of, 100 at most.

    Told from others by its name, "Telenor (deleted)". ``asked``: conditions on its last versions.
    """
    last = visible_to(tracked, user).filter(event="-", **asked)
    last = last.exclude(object_id__in=tracked.objects.values("pk"))
    names = last.order_by("name", "object_id").values_list("object_id", "name").distinct()[:100]
    return [tracked(pk=pk, name=f"{name} (deleted)") for pk, name in dict(names).items()]


def branch(tracked):
    """(column of its history that tells the branch, the model that it points at or None).

    Without a model the column holds the reseller's id; else that model has it. By the tracked model's own
    way to its reseller, see ``clients.models.BranchQuerySet``.
    """
    first, _, rest = tracked.objects.all().branch.partition("__")
    field = tracked._meta.pk if first == "pk" else tracked._meta.get_field(first)
    return _name(field), field.related_model if rest else None


def visible_to(tracked, user):
    """The history rows of ``tracked`` that ``user`` may know of.

    Those of the branch it is bound to: what a thing was in another branch before stays there. Of a number's
    operator that is gone, say, the operator's own history tells the branch.
    """
    rows = TRACKED[tracked].objects.all()
    if not user.is_authenticated:
        return rows.none()
    if user.reseller_id is None:
        return rows
    column, via = branch(tracked)
    if via is None:
        return rows.filter(**{column: user.reseller_id})
    there, gone = of_reseller(via, user.reseller_id)
    return rows.filter(models.Q(**{f"{column}__in": there}) | models.Q(**{f"{column}__in": gone}))


def of_reseller(tracked, reseller):
    """Return two flat querysets of ids, existing and deleted, of one reseller's rows of ``tracked``.

    ``reseller`` is a reseller's id. Both can be iterated, or used as the subquery of an ``__in`` lookup.
    """
    deleted = TRACKED[tracked].objects.filter(event="-", reseller_id=reseller)
    existing = tracked.objects.filter(reseller=reseller)
    return existing.values_list("pk", flat=True), deleted.values_list("object_id", flat=True)


def columns(tracked):
    """Pairs (column of the tracked table, column of its history table), in the model's order."""
    return [(f.column, "object_id" if f.primary_key else f.column) for f in tracked._meta.concrete_fields]


def newest(connection, change_id):
    """{tracked: the id of the newest history row of the change}; one query, by each table's index."""
    parts = [
        f"SELECT {place}, max(history_id) FROM {past._meta.db_table} WHERE change_id = %s"
        for place, past in enumerate(TRACKED.values())
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), [change_id] * len(parts))
        found = dict(cursor.fetchall())
    return {tracked: found[place] or 0 for place, tracked in enumerate(TRACKED)}


def written(connection, change_id, since):
    """{(tracked, reseller's id or None): how many history rows} of the change.

    ``since``: what ``newest`` said before, whose rows are left out; {} for all. By the index on the change:
    costs those rows. One query, another for each kind of thing that names the branch and is gone.
    """
    parts, params = [], []
    for place, (tracked, past) in enumerate(TRACKED.items()):
        column, via = branch(tracked)
        rows = (
            f"SELECT {column} AS owner, count(*) AS n FROM {past._meta.db_table}"
            f" WHERE change_id = %s AND history_id > %s GROUP BY {column}"
        )
        there = f"LEFT JOIN {via._meta.db_table} AS t ON t.id = g.owner" if via else ""
        reseller = "t.reseller_id" if via else "g.owner"
        parts.append(f"SELECT {place}, {reseller}, g.owner, g.n FROM ({rows}) AS g {there}")
        params += [change_id, since.get(tracked, 0)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        found = cursor.fetchall()
    kinds = list(TRACKED)
    gone = defaultdict(set)
    for place, reseller, owner, _ in found:
        if reseller is None:
            gone[branch(kinds[place])[1]].add(owner)
    last = {via: last_known(via, owners, "reseller_id") for via, owners in gone.items()}
    counts = Counter()
    for place, reseller, owner, rows in found:
        if reseller is None:
            reseller = last[branch(kinds[place])[1]].get(owner, {}).get("reseller_id")
        counts[kinds[place], reseller] += rows
    return counts


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
