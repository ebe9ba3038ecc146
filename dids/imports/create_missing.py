"""Names in a file that the system does not know yet: which will be created, and creating them."""

from django.db import connection
from django.db.models import F, Q, Sum

from clients.models import Client
from didmgmt.text import shorten
from dids.imports.validate import resolve, run
from dids.lifecycle import statuses as st
from dids.models import TagSet

NAMED = 5  # names that a sentence tells

# kind: (what many are called, the column with its name)
KINDS = {
    "reseller": "resellers",
    "operator": "operators",
    "client": "clients",
    "account": "accounts",
    "package": "packages",
}


def count_use(first, last):
    """Count in each group which of the rows from ``first`` to ``last`` are to be written, and how many of
    these give a number to a client. Adds to what was counted of other rows."""
    held = ", ".join(f"'{status}'" for status in st.HELD)
    run(
        f"""
        UPDATE dids_importgroup AS g SET used = coalesce(g.used, 0) + f.used,
            given = coalesce(g.given, 0) + CASE WHEN g.status IN ({held}) THEN f.made ELSE 0 END + f.assigned
        FROM (SELECT group_id, count(*) AS used, count(assigned) AS assigned,
                  sum(CASE WHEN verdict = '+' THEN 1 ELSE 0 END) AS made
              FROM dids_importrow WHERE id BETWEEN %(first)s AND %(last)s AND verdict IN ('+', '~')
              GROUP BY group_id) f
        WHERE f.group_id = g.id
        """,
        {"first": first, "last": last},
    )


def forget_use(batch):
    """Rows were refused since they were counted: they are counted anew."""
    batch.groups.update(used=None, given=None)


def _lacking(kind):
    if kind == "client package":
        return Q(given__gt=0, client_package=None)
    return Q(**{"used__gt": 0, f"{kind}_name__isnull": False, kind: None})


def sentences(batch):
    """What will be created: "2 operators will be created: Op 1, Op 2." Two queries for each kind."""
    said = []
    for kind, many in KINDS.items():
        owner = {"reseller": (), "account": ("reseller_id", "reseller_name", "client_id", "client_name")}.get(
            kind, ("reseller_id", "reseller_name")
        )
        lacking = batch.groups.filter(_lacking(kind)).values(*owner, name=F(f"{kind}_name")).distinct()
        if not (count := lacking.count()):
            continue
        names = [shorten(row["name"]) for row in lacking.order_by("name")[:NAMED]]
        if kind == "package":
            limits = _limits(batch)
            names = [
                f"{name} (DID limit {max(limits[name]):,})" if name in limits else name for name in names
            ]
        more = f" and {count - NAMED:,} more" if count > NAMED else ""
        said.append(f"{count:,} {kind if count == 1 else many} will be created: {', '.join(names)}{more}.")
    lacking = batch.groups.filter(_lacking("client package"))
    given = lacking.values("reseller_id", "reseller_name", "client_name", "package_name").distinct().count()
    if given:
        many = "1 package" if given == 1 else f"{given:,} packages"
        said.append(f"{many} will be given to clients, active from now on.")
    return said


def _limits(batch):
    """{name: DID limits} of the packages to be created: what the client with most of the rows needs."""
    needed = (
        batch.groups.filter(_lacking("package"))
        .values("reseller_id", "reseller_name", "package_name", "client_id", "client_name")
        .annotate(numbers=Sum("given"))
    )
    limits = {}
    for row in needed:
        limits.setdefault(row["package_name"], []).append(row["numbers"])
    return limits


def create(batch, terms, now):
    """Create what the rows to be written lack; returns how many things. Within the import's change.

    From the top down, for an operator wants its reseller; after each level the groups that lacked
    something are looked up again.
    """
    made = 0
    for kinds in (("reseller",), ("operator", "client"), ("account", "package"), ("client package",)):
        lacking = [kind for kind in kinds if batch.groups.filter(_lacking(kind)).exists()]
        if lacking and kinds == ("client package",) and connection.features.has_select_for_update:
            # Another import may be giving the same package: it waits here, and finds it given.
            clients = batch.groups.filter(_lacking("client package")).values("client")
            list(Client.objects.filter(pk__in=clients).order_by("pk").select_for_update(no_key=True))
            _look_up_again(batch, terms, now)
        made += sum(_create_kind(kind, batch, now) for kind in lacking)
        if lacking:
            _look_up_again(batch, terms, now)
    labels = batch.groups.filter(used__gt=0, tags__isnull=False, tag_set=None).values_list("tags", flat=True)
    for label in labels.distinct():
        TagSet.of([label])
    TagSet.of([terms.defaults.get("tags") or ""])
    return made


def _look_up_again(batch, terms, now):
    lacks = " OR ".join(f"(g.{kind}_name IS NOT NULL AND g.{kind}_id IS NULL)" for kind in KINDS)
    lacks += " OR (g.given > 0 AND g.client_package_id IS NULL)"
    resolve(batch.first, batch.last, terms, now, only=f"g.used > 0 AND ({lacks})")


def _create_kind(kind, batch, now):
    lacking = {
        "reseller": "g.reseller_name IS NOT NULL AND g.reseller_id IS NULL",
        "operator": "g.operator_name IS NOT NULL AND g.operator_id IS NULL AND g.reseller_id IS NOT NULL",
        "client": "g.client_name IS NOT NULL AND g.client_id IS NULL AND g.reseller_id IS NOT NULL",
        "account": "g.account_name IS NOT NULL AND g.account_id IS NULL AND g.client_id IS NOT NULL",
        "package": "g.package_name IS NOT NULL AND g.package_id IS NULL AND g.reseller_id IS NOT NULL",
        "client package": "g.given > 0 AND g.client_package_id IS NULL"
        " AND g.client_id IS NOT NULL AND g.package_id IS NOT NULL",
    }[kind]
    these = f"FROM dids_importgroup g WHERE g.id BETWEEN %(first)s AND %(last)s AND g.used > 0 AND {lacking}"
    once = "ON CONFLICT DO NOTHING"  # somebody else may have made it just now
    sql = {
        "reseller": f"INSERT INTO clients_reseller (name) SELECT DISTINCT g.reseller_name {these} {once}",
        "operator": "INSERT INTO operators_operator (reseller_id, name)"
        f" SELECT DISTINCT g.reseller_id, g.operator_name {these} {once}",
        "client": "INSERT INTO clients_client (reseller_id, name)"
        f" SELECT DISTINCT g.reseller_id, g.client_name {these} {once}",
        "account": "INSERT INTO clients_account (client_id, name)"
        f" SELECT DISTINCT g.client_id, g.account_name {these} {once}",
        "package": "INSERT INTO clients_package (reseller_id, name, did_limit, allowed_tags)"
        " SELECT reseller_id, package_name, max(numbers), ''"
        " FROM (SELECT g.reseller_id, g.package_name, g.client_id, sum(g.given) AS numbers"
        f" {these} GROUP BY g.reseller_id, g.package_name, g.client_id) AS wanted"
        f" WHERE true GROUP BY reseller_id, package_name {once}",
        "client package": "INSERT INTO dids_clientpackage (client_id, package_id, starts_at, active)"
        f" SELECT DISTINCT g.client_id, g.package_id, %(now)s, TRUE {these}",
    }[kind]
    moment = connection.ops.adapt_datetimefield_value(now)
    return run(sql, {"first": batch.first, "last": batch.last, "now": moment})
