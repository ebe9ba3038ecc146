"""Make events of what changes wrote, from their rows of history.

Each row is compared with the version before. There is one event for each type and audience: everybody, and
each reseller that has endpoints of its own, whose counts and numbers come from its rows alone: those of what
belonged to it when they were written, wherever its operator or package belongs now. Reading the rows of a
large change takes seconds, so it happens outside the transaction that stores the events; of two
workers that do the same, the second finds that the first has stored them.
"""

from collections import Counter

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from audit import history
from audit.models import Change
from clients.models import Account, Client, Package
from didmgmt.dates import for_programs
from didmgmt.text import count_noun
from dids.lifecycle.statuses import IN_USE
from dids.lists.changed import changed_url
from dids.models import DIDHistory
from dids.models.client_packages import ClientPackageHistory
from events.models import Delivery, Endpoint, Event, Unpublished, hold_audiences
from events.payloads import LISTED, body_of, of_change
from jobs.models import Job, wake_workers
from operators.models import Operator

DID_ROWS, PACKAGE_ROWS = DIDHistory._meta.db_table, ClientPackageHistory._meta.db_table
USED = ", ".join(f"'{status}'" for status in IN_USE)

# {type: condition about a row of ``NUMBERS``}
OF_NUMBERS = {
    "did.created": "event = '+'",
    "did.deleted": "event = '-'",
    "did.assigned": (
        f"event <> '-' AND status IN ({USED}) AND (coalesce(was, '') NOT IN ({USED}) OR had <> has)"
    ),
    "did.blocked": "event <> '-' AND status = 'blocked' AND coalesce(was, '') <> 'blocked'",
    "did.unblocked": "status = 'active' AND was = 'blocked'",
    "did.held": "event <> '-' AND status = 'hold' AND coalesce(was, '') <> 'hold'",
    "did.released": "had IS NOT NULL AND has IS NULL",
}
OF_NUMBERS["did.edited"] = "event = '~' AND (described OR NOT coalesce({}, false))".format(
    " OR ".join(f"({condition})" for condition in OF_NUMBERS.values())
)
# Besides the edit that moved them
OF_NUMBERS["did.reserved"] = "event <> '-' AND kept IS NOT NULL AND coalesce(was_kept, 0) <> kept"
OF_NUMBERS["did.unreserved"] = (
    "(event = '-' AND kept IS NOT NULL) OR (was_kept IS NOT NULL AND coalesce(kept, 0) <> was_kept)"
)
# Rows of numbers with what they were before: ``was`` their status, ``had`` their account, ``was_kept`` their
# reservation, ``described``: whether anything else has changed that people set.
NUMBERS = f"""
    SELECT n.history_id, n.at, n.object_id, n.number, n.event, n.status, n.account_id AS has,
           n.operator_id AS owner, p.status AS was, p.account_id AS had,
           n.reservation_id AS kept, p.reservation_id AS was_kept,
           p.history_id IS NULL OR p.notes <> n.notes OR p.after_hold <> n.after_hold
           OR p.operator_id <> n.operator_id OR coalesce(p.tag_set_id, 0) <> coalesce(n.tag_set_id, 0)
           OR coalesce(p.hold_days, -1) <> coalesce(n.hold_days, -1) AS described
    FROM {DID_ROWS} n LEFT JOIN {DID_ROWS} p ON n.event = '~' AND p.history_id = (
        SELECT max(history_id) FROM {DID_ROWS} WHERE object_id = n.object_id AND history_id < n.history_id
    )
    WHERE n.change_id = %s AND n.history_id > %s AND n.history_id <= %s
"""

OF_PACKAGES = {
    "client_package.activated": "event <> '-' AND active AND NOT coalesce(was, false)",
    "client_package.deactivated": "NOT ended AND was AND (event = '-' OR NOT active)",
    "client_package.ended": "ended AND was AND event = '~' AND NOT active",
}
PACKAGES = """
    SELECT n.history_id, n.at, n.object_id, n.event, n.active, n.client_id, n.package_id AS owner,
           CASE WHEN n.event = '-' THEN n.active ELSE p.active END AS was, {ended} AS ended
    FROM {table} n LEFT JOIN {table} p ON n.event = '~' AND p.history_id = (
        SELECT max(history_id) FROM {table} WHERE object_id = n.object_id AND history_id < n.history_id
    )
    WHERE n.change_id = %s AND n.history_id > %s AND n.history_id <= %s
"""


def publish_due(stopped):
    """Publish the changes that are complete, oldest first, until ``stopped`` is set.

    One that can't be published keeps no other one waiting; the errors are raised together at the end.
    """
    failed, errors = [], []
    while not stopped.is_set():
        due = publishable().exclude(change_id__in=failed).order_by("pk")
        change_id = due.values_list("change_id", flat=True).first()
        if change_id is None:
            break
        try:
            publish(change_id)
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(change_id)
            errors.append(error)
    if errors:
        raise ExceptionGroup("changes that can’t be published", errors)


def publishable():
    """Return the rows of changes whose job, if they have one, has ended."""
    running = Job.objects.unfinished().filter(change=OuterRef("change_id"))
    return Unpublished.objects.filter(~Exists(running))


def publish(change_id):
    """Store the events of what is unpublished of a change."""
    rows = list(Unpublished.objects.filter(change_id=change_id).order_by("pk"))
    change = Change.objects.filter(pk=change_id).first()
    branches = set(Endpoint.objects.kept().values_list("reseller_id", flat=True))
    events = list(_events(change, rows, branches)) if change and branches else []
    with transaction.atomic():
        deleted, _ = Unpublished.objects.filter(pk__in=[row.pk for row in rows]).delete()
        if deleted == len(rows):  # otherwise another worker has published them
            for event in events:
                create_event(**event)


def create_event(name, reseller, *, at, about, data, change_id=None):
    """Insert an event of this type for an audience, and its deliveries; return it."""
    event = Event.objects.create(
        type=name,
        reseller_id=reseller,
        at=at,
        change_id=change_id,
        about=about[:100],
        body=body_of(name, at, data),
    )
    hold_audiences()
    endpoints = Endpoint.objects.for_branch(reseller).filter(active=True)
    wanted = [endpoint for endpoint in endpoints if name in endpoint.types]
    Delivery.objects.bulk_create(Delivery(event=event, endpoint=endpoint) for endpoint in wanted)
    if wanted:
        wake_workers()
    return event


def _events(change, rows, branches):
    """Yield the arguments of ``create_event`` for these rows of a change."""
    dids = [min(row.did_after for row in rows), max(row.did_until or 0 for row in rows)]
    packages = [min(row.package_after for row in rows), max(row.package_until or 0 for row in rows)]
    ended = "true" if change.data.get("cause") == "ended" else "false"
    of_packages = PACKAGES.format(table=PACKAGE_ROWS, ended=ended)
    sources = (
        (NUMBERS, dids, OF_NUMBERS, Operator, "number", _numbers),
        (of_packages, packages, OF_PACKAGES, Package, "package", _packages),
    )
    for sql, span, conditions, parent, noun, listed in sources:
        params = [change.pk, *span]
        for branch, name, count in _counts(sql, params, conditions, parent, branches):
            data = of_change(change, count)
            about = count_noun(count, noun)
            if count <= LISTED:
                of_branch = _of_branch(sql, params, parent, branch)
                data[f"{noun}s"], about = listed(*of_branch, conditions[name], about)
            if noun == "number":
                data["path"] = changed_url(change.pk)
            yield {
                "name": name,
                "reseller": branch,
                "at": change.at,
                "about": about,
                "data": data,
                "change_id": change.pk,
            }


def _counts(sql, params, conditions, parent, branches):
    """Yield (branch, type, number of rows) of what happened, one pass over the rows.

    ``parent``: the model that has the reseller. The rows of a statement have the same time, so the reseller
    of that time is looked up a few times only.
    """
    sums = ", ".join(f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)" for condition in conditions.values())
    shared = f"SELECT owner, at, {sums} FROM ({sql}) AS written GROUP BY owner, at"
    then = history.reseller_then(parent, "shared.owner", "shared.at")
    counts = Counter()
    for reseller, _, _, *found in _query(f"SELECT {then}, shared.* FROM ({shared}) AS shared", params):
        for branch in branches & {None, reseller}:
            counts.update({(branch, name): count for name, count in zip(conditions, found, strict=True)})
    for (branch, name), count in counts.items():
        if count:
            yield branch, name, count


def _of_branch(sql, params, parent, branch):
    """Return the query of rows that were ``branch``’s when they were written, and its parameters."""
    if branch is None:
        return sql, params
    then = history.reseller_then(parent, "every_row.owner", "every_row.at")
    return f"SELECT * FROM ({sql}) AS every_row WHERE {then} = %s", [*params, branch]


def _rows(columns, sql, params, condition, order):
    """Return the rows that meet ``condition``, in this order: a statement writes them in any."""
    found = f"SELECT {columns} FROM ({sql}) AS written WHERE {condition}"
    return _query(f"{found} ORDER BY {order}, history_id", params)


def _numbers(sql, params, condition, about):
    """Return the numbers as they are sent, sorted, and in short."""
    rows = _rows("object_id, number, status, coalesce(has, had), at", sql, params, condition, "number")
    written = max(at for *_, at in rows)
    accounts = _known_then(Account, [account for *_, account, _ in rows], written, "name", "client_id")
    clients = _known_then(Client, [row["client_id"] for row in accounts.values()], written, "name")
    numbers = []
    for pk, number, status, account, _ in rows:
        holder = accounts.get(account, {})
        client = clients.get(holder.get("client_id"), {})
        numbers.append(
            {
                "id": pk,
                "number": number,
                "status": status,
                "account": holder.get("name"),
                "client": client.get("name"),
            }
        )
    return numbers, rows[0][1] if len(rows) == 1 else about


def _packages(sql, params, condition, about):
    """Return the client packages as they are sent, by id, and in short."""
    rows = _rows("object_id, client_id, owner, at", sql, params, condition, "object_id")
    written = max(at for *_, at in rows)
    versions = ClientPackageHistory.objects.filter(change=params[0], object_id__in=[pk for pk, *_ in rows])
    dates = {row.object_id: (row.starts_at, row.ends_at) for row in versions.order_by("history_id")}
    clients = _known_then(Client, [client for _, client, *_ in rows], written, "name")
    names = _known_then(Package, [package for _, _, package, _ in rows], written, "name")
    found = []
    for pk, client, package, _ in rows:
        starts_at, ends_at = dates[pk]
        found.append(
            {
                "id": pk,
                "client": clients.get(client, {}).get("name"),
                "package": names.get(package, {}).get("name"),
                "starts_at": for_programs(starts_at),
                "ends_at": for_programs(ends_at) if ends_at else None,
            }
        )
    return found, f"{found[0]['package']} of {found[0]['client']}" if len(found) == 1 else about


def _known_then(tracked, ids, at, *fields):
    """Return {id: {field: value}} of records as they were at ``at``, a timestamp of history rows.

    A later name would tell what happened since, perhaps with another reseller. What history doesn't have is
    as it was last known.
    """
    ids = {pk for pk in ids if pk is not None}
    if not ids:
        return {}
    table, marks = history.TRACKED[tracked]._meta.db_table, ", ".join(["%s"] * len(ids))
    newest = (
        f"SELECT max(history_id) FROM {table} WHERE object_id IN ({marks}) AND at <= %s GROUP BY object_id"
    )
    sql = f"SELECT object_id, {', '.join(fields)} FROM {table} WHERE history_id IN ({newest})"
    known = {pk: dict(zip(fields, row, strict=True)) for pk, *row in _query(sql, [*ids, at])}
    return history.last_known(tracked, ids - known.keys(), *fields) | known


def _query(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
