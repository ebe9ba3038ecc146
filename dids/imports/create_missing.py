"""Create the resellers, operators, clients, accounts and packages that a file names and nobody has yet."""

from django.db import connection
from django.db.models import F, Q, Sum

from clients.models import Client
from didmgmt.text import count_noun, shorten
from dids.imports.lookalikes import MODELS, refuse_lookalikes
from dids.imports.resolve import resolve
from dids.imports.sql import execute
from dids.models import TagSet
from dids.models.locks import lock_in_order

NAMED = 5  # names that a sentence lists
KINDS = ("reseller", "operator", "client", "account", "package")
ASSIGNMENT = "client package"


def describe(batch):
    """Return what will be created as sentences ("2 operators will be created: Op 1, Op 2.").

    Two queries for each kind of record.
    """
    sentences = [sentence for kind in KINDS if (sentence := _describe_kind(batch, kind))]
    missing = batch.groups.filter(_missing(ASSIGNMENT))
    count = missing.values("reseller_id", "reseller_name", "client_name", "package_name").distinct().count()
    if count:
        packages = count_noun(count, "package")
        sentences.append(f"{packages} will be given to clients and be active immediately.")
    return sentences


def _describe_kind(batch, kind):
    missing = batch.groups.filter(_missing(kind)).values(*_OWNERS[kind], name=F(f"{kind}_name")).distinct()
    count = missing.count()
    if not count:
        return ""
    limits = _did_limits(batch) if kind == "package" else {}
    names = []
    for record in missing.order_by("name", *_OWNERS[kind])[:NAMED]:
        limit = limits.get((*(record[column] for column in _OWNERS[kind]), record["name"]))
        names.append(shorten(record["name"]) + ("" if limit is None else f" (DID limit {limit:,})"))
    more = f" and {count - NAMED:,} more" if count > NAMED else ""
    return f"{count_noun(count, kind)} will be created: {', '.join(names)}{more}."


# The columns that tell apart records of the same name.
_OWNERS = {
    "reseller": (),
    "operator": ("reseller_id", "reseller_name"),
    "client": ("reseller_id", "reseller_name"),
    "account": ("reseller_id", "reseller_name", "client_id", "client_name"),
    "package": ("reseller_id", "reseller_name"),
}


def _missing(kind):
    if kind == ASSIGNMENT:
        return Q(given__gt=0, client_package=None)
    return Q(**{"used__gt": 0, "flaw": None, f"{kind}_name__isnull": False, kind: None})


def _did_limits(batch):
    """Return {(reseller_id, reseller_name, name): DID limit} of the packages to create.

    The limit is what the rows of the client with most rows need.
    """
    needed = (
        batch.groups.filter(_missing("package"))
        .values_list("reseller_id", "reseller_name", "package_name", "client_id", "client_name")
        .annotate(numbers=Sum("given"))
    )
    limits = {}
    for *package, _client_id, _client_name, numbers in needed:
        limits[tuple(package)] = max(numbers, limits.get(tuple(package), 0))
    return limits


def create_missing(batch, options, now):
    """Create the records that the rows to write need and return how many, within the import's change.

    Parents come first: an operator needs its reseller. After each level the groups that missed a
    record are resolved again.
    """
    created = 0
    for kinds in (("reseller",), ("operator", "client"), ("account", "package"), (ASSIGNMENT,)):
        named = [kind for kind in kinds if kind in MODELS and batch.groups.filter(_missing(kind)).exists()]
        for kind in named:
            MODELS[kind].lock_names()
        # Someone may have created a record alike since the check.
        refuse_lookalikes(batch, options, kinds=named)
        missing = [kind for kind in kinds if batch.groups.filter(_missing(kind)).exists()]
        if missing == [ASSIGNMENT] and connection.features.has_select_for_update:
            # Another import may be giving the same package: wait for it, then find the package given.
            clients = batch.groups.filter(_missing(ASSIGNMENT)).values("client")
            lock_in_order(Client.objects.filter(pk__in=clients))
            _resolve_missing(batch, options, now)
        created += sum(_create_kind(kind, batch, now) for kind in missing)
        if missing:
            _resolve_missing(batch, options, now)
    labels = batch.groups.filter(used__gt=0, tags__isnull=False, tag_set=None).values_list("tags", flat=True)
    for label in list(labels.distinct()):
        if (stored := TagSet.of([label]).label) != label:  # someone wrote it in another case since the check
            batch.groups.filter(tags=label).update(tags=stored)
    TagSet.of([options.defaults.get("tags") or ""])
    return created


def _resolve_missing(batch, options, now):
    missing = " OR ".join(f"(g.{kind}_name IS NOT NULL AND g.{kind}_id IS NULL)" for kind in KINDS)
    missing += " OR (g.given > 0 AND g.client_package_id IS NULL)"
    resolve(batch.first, batch.last, options, now, only=f"g.used > 0 AND ({missing})")


_USED_GROUPS = (
    "dids_importgroup g WHERE g.id BETWEEN %(first)s AND %(last)s AND g.used > 0 AND g.flaw IS NULL"
)

# ON CONFLICT: someone else may have created the record in the meantime. ORDER BY: the lock order of new rows.
_STATEMENTS = {
    "reseller": f"""
        INSERT INTO clients_reseller (name)
        SELECT DISTINCT g.reseller_name FROM {_USED_GROUPS}
            AND g.reseller_name IS NOT NULL AND g.reseller_id IS NULL
        ORDER BY 1
        ON CONFLICT DO NOTHING
        """,
    "operator": f"""
        INSERT INTO operators_operator (reseller_id, name)
        SELECT DISTINCT g.reseller_id, g.operator_name FROM {_USED_GROUPS}
            AND g.operator_name IS NOT NULL AND g.operator_id IS NULL AND g.reseller_id IS NOT NULL
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING
        """,
    "client": f"""
        INSERT INTO clients_client (reseller_id, name)
        SELECT DISTINCT g.reseller_id, g.client_name FROM {_USED_GROUPS}
            AND g.client_name IS NOT NULL AND g.client_id IS NULL AND g.reseller_id IS NOT NULL
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING
        """,
    "account": f"""
        INSERT INTO clients_account (client_id, name)
        SELECT DISTINCT g.client_id, g.account_name FROM {_USED_GROUPS}
            AND g.account_name IS NOT NULL AND g.account_id IS NULL AND g.client_id IS NOT NULL
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING
        """,
    "package": f"""
        INSERT INTO clients_package (reseller_id, name, did_limit, allowed_tags)
        SELECT reseller_id, package_name, max(numbers), ''
        FROM (
            SELECT g.reseller_id, g.package_name, g.client_id, sum(g.given) AS numbers FROM {_USED_GROUPS}
                AND g.package_name IS NOT NULL AND g.package_id IS NULL AND g.reseller_id IS NOT NULL
            GROUP BY g.reseller_id, g.package_name, g.client_id
        ) AS wanted
        WHERE true GROUP BY reseller_id, package_name ORDER BY 1, 2
        ON CONFLICT DO NOTHING
        """,
    ASSIGNMENT: f"""
        INSERT INTO dids_clientpackage (client_id, package_id, starts_at, active)
        SELECT DISTINCT g.client_id, g.package_id, %(now)s, TRUE FROM {_USED_GROUPS}
            AND g.given > 0 AND g.client_package_id IS NULL
            AND g.client_id IS NOT NULL AND g.package_id IS NOT NULL
        """,
}


def _create_kind(kind, batch, now):
    starts_at = connection.ops.adapt_datetimefield_value(now)
    return execute(_STATEMENTS[kind], {"first": batch.first, "last": batch.last, "now": starts_at})
