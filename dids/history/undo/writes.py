"""Write the undo of one chunk, each verdict with one statement."""

from array import array

from django.db import connection
from django.db.models import F

from audit import history
from clients.models import Client, Package
from dids.history.undo.chunk import IN_PLACE, id_list, is_one_of, restored_value
from dids.history.undo.verdicts import UNDONE, taken_reason
from dids.labels import ReservationNames
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Reservation
from dids.models.ageing import for_sales, minimum_days
from dids.models.hold_days import hold_end
from dids.models.locks import lock_in_order
from dids.models.number_reads import any_hold_over

# The condition for a history row ``own`` in a chunk's range
_IN_RANGE = "own.change_id = %(change)s AND own.history_id > %(after)s AND own.history_id <= %(last)s"


def lock(chunk):
    """Lock the chunk's client packages, then its objects, until the transaction ends.

    The ids are read first: for a subquery PostgreSQL would scan the whole table.
    """
    if connection.features.has_select_for_update:
        if chunk.model is DID:
            lock_in_order(ClientPackage.objects.filter(pk__in=_given_ids(chunk)))
        lock_in_order(_touched(chunk))
    chunk.read_clock()
    if chunk.model is DID and any_hold_over(chunk.now):
        _touched(chunk).release_overdue(chunk.now, at=chunk.undo.now)


def lock_all(parents, numbers):
    """Lock everything that chunks of parents and one of numbers touch, but the numbers themselves.

    ``parents``: chunks in the lock order, that of client packages last.
    """
    if not connection.features.has_select_for_update:
        return
    for chunk in parents:
        ids = _touched_ids(chunk)
        if chunk.model is ClientPackage:
            ids.extend(_given_ids(numbers))
        if ids:
            lock_in_order(chunk.model.objects.filter(pk__in=ids))


def _touched(chunk):
    return chunk.model.objects.filter(pk__among=_touched_ids(chunk))


def _touched_ids(chunk):
    found = chunk.fetch_all(f"SELECT DISTINCT own.object_id FROM {chunk.history_table} own WHERE {_IN_RANGE}")
    return array("q", (pk for (pk,) in found))


def _given_ids(chunk):
    """Return the client packages in which numbers may take a place again; PostgreSQL only.

    LATERAL looks up each number's version before once, and reads it there.
    """
    found = chunk.fetch_all(
        f"""
        SELECT DISTINCT prior.client_package_id
        FROM {chunk.history_table} own CROSS JOIN LATERAL (
            SELECT earlier.status, earlier.client_package_id FROM {chunk.history_table} earlier
            WHERE earlier.object_id = own.object_id AND earlier.history_id < own.history_id
            ORDER BY earlier.history_id DESC LIMIT 1
        ) prior
        WHERE {_IN_RANGE} AND own.event <> '+' AND prior.status IN {IN_PLACE}
        """
    )
    return [pk for (pk,) in found]


def delete(chunk, ids):
    """Delete what the change created."""
    chunk.params["ids"] = id_list(ids)
    chunk.execute(f"DELETE FROM {chunk.table} WHERE {is_one_of('id', 'ids')} AND {_bounds('id', ids)}")


def update(chunk, prior_ids, columns):
    """Restore ``columns`` from the prior rows. Fewer are faster: SQLite writes every index of a column."""
    chunk.params["prior"] = id_list(prior_ids)
    values = ", ".join(f"{column} = {restored_value(chunk.model, column)}" for column in sorted(columns))
    chunk.execute(
        f"""
        UPDATE {chunk.table} AS live SET {values}
        FROM {chunk.history_table} prior
        WHERE live.id = prior.object_id
          AND {is_one_of("prior.history_id", "prior")} AND {_bounds("prior.history_id", prior_ids)}
        """
    )


def rest(ids):
    """Let the restored holds of these numbers last at least the minimum of today.

    That of sales: a job that raises one has read its holds before, and these were none.
    """
    if ids and (rules := for_sales()):
        days = sorted({0, *(rule.days for rule in rules)})
        least = hold_end(F("hold_from"), minimum_days(rules), days)
        DID.objects.filter(pk__among=ids, status=st.HOLD, hold_until__lt=least).update(hold_until=least)


def create(chunk, group):
    """Create what the change deleted, with its old ids.

    Return {verdict: ids} of rows that could not be created because another transaction was faster.
    """
    chunk.params["prior"] = id_list(group.prior_ids)
    created = chunk.execute(
        f"""
        INSERT INTO {chunk.table} (id, {", ".join(chunk.columns)})
        SELECT prior.object_id, {", ".join(restored_value(chunk.model, c) for c in chunk.columns)}
        FROM {chunk.history_table} prior
        WHERE {is_one_of("prior.history_id", "prior")}
        ORDER BY prior.{"number" if chunk.model is DID else "object_id"}
        ON CONFLICT DO NOTHING
        """
    )
    if created == len(group.ids):
        return {}
    change = connection.audit_change.pk
    ours = chunk.history_model.objects.filter(change=change, event="+", object_id__in=group.ids)
    missed = set(group.ids) - set(ours.values_list("object_id", flat=True))
    existing = set(chunk.model.objects.filter(pk__in=missed).values_list("pk", flat=True))
    return {UNDONE: existing, taken_reason(chunk.model): missed - existing}


def names(model, ids, viewer):
    """Return the names of objects in the order of ``ids``, as ``history.last_known`` tells them."""
    if model is DID:
        known = history.last_known(DID, ids, "number", viewer=viewer)
        return [known[pk]["number"] for pk in ids if pk in known]
    if model is ClientPackage:
        known = history.last_known(ClientPackage, ids, "client_id", "package_id", viewer=viewer)
        clients = {row["client_id"] for row in known.values()}
        packages = {row["package_id"] for row in known.values()}
        clients = history.last_known(Client, clients, "name", viewer=viewer)
        packages = history.last_known(Package, packages, "name", viewer=viewer)
        return [
            f"{packages[known[pk]['package_id']]['name']} of {clients[known[pk]['client_id']]['name']}"
            for pk in ids
            if pk in known
        ]
    if model is Reservation:
        reservations = ReservationNames(ids, viewer)
        return [reservations.title(pk) for pk in ids if pk in reservations]
    known = history.last_known(model, ids, "name", viewer=viewer)
    return [known[pk]["name"] for pk in ids if pk in known]


def _bounds(column, ids):
    """Return SQL for the range of ids, without which PostgreSQL would scan the whole table."""
    return f"{column} BETWEEN {min(ids):d} AND {max(ids):d}"
