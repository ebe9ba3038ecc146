"""Explain the status of numbers in one sentence each: since when, why, by whom, and what happens next."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connections
from django.utils import timezone

from audit import history
from audit.models import Change
from didmgmt import clock
from dids.labels import Names
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DID, DIDHistory

OUTSIDE = "something outside the application"
_TAILS = {
    Change.Kind.MASS_EDIT: " in a mass edit",
    Change.Kind.IMPORT: " by an import",
    Change.Kind.UNDO: " by an undo",
}


class StatusStart(NamedTuple):
    """The version that gave a number its stored status, with values of the version before and of its change.

    ``kind`` and the fields after it are None for a write outside the application.
    """

    object_id: int
    history_id: int
    at: datetime
    event: str
    status: str
    old_status: str | None
    old_operator: int | None
    old_account: int | None
    old_package: int | None
    kind: str | None
    data: str | None
    actor_kind: str | None
    actor_name: str | None


def explain(dids, viewer, now=None):
    """Return {pk: sentence} for DIDs fetched with ``for_table``; at most eight queries.

    Times are in the active time zone, to the day, and to the minute if less than a day from now. An overdue
    Hold counts as ended. A number without history gets a sentence without a reason, and so does one that got
    its status before it came to the reseller that ``viewer`` is bound to.
    """
    dids, now = list(dids), now or clock.now()
    starts = _starts([did.pk for did in dids])
    if viewer.reseller_id and starts:
        rows = history.visible_to(DID, viewer).filter(pk__in=[start.history_id for start in starts.values()])
        seen = set(rows.values_list("pk", flat=True))
        starts = {pk: start for pk, start in starts.items() if start.history_id in seen}
    former = [starts[did.pk] for did in dids if did.pk in starts and did.status in st.FREE]
    names = Names(
        viewer,
        accounts={start.old_account for start in former},
        client_packages={start.old_package for start in former},
        reservations={did.reservation_id for did in dids} - {None},
    )
    return {did.pk: _sentence(did, starts.get(did.pk), names, now) for did in dids}


def format_day(at, now):
    """Return a date such as "3 Nov 2026", with the time of day if it is less than a day from ``now``."""
    is_near = abs(now - at) < timedelta(days=1)
    local = timezone.localtime(at)
    # date_format takes ten times as long, and a page shows hundreds of dates.
    return f"{local.day} {local:%b %Y, %H:%M}" if is_near else f"{local.day} {local:%b %Y}"


def actor_name(change):
    """Return who made the change, for a sentence; None was made outside the application."""
    if change is None:
        return OUTSIDE
    return "the system" if change.actor_kind == Change.Actor.SYSTEM else change.who


def _starts(pks):
    """Return {pk: StatusStart}.

    One window function over the numbers' versions, read from the index (object_id, history_id). Raw SQL,
    because compiling the queryset took longer than running the query.
    """
    if not pks:
        return {}
    with connections[DIDHistory.objects.db].cursor() as cursor:
        cursor.execute(_STARTS.format(", ".join(["%s"] * len(pks))), pks)
        # Rows are oldest first, so the last one of each number remains.
        return {pk: StatusStart(pk, key, _aware(at), *rest) for pk, key, at, *rest in cursor}


_STARTS = """
    SELECT object_id, history_id, version.at, event, status,
           old_status, old_operator, old_account, old_package,
           made.kind, made.data, made.actor_kind, made.actor_name
    FROM (
        SELECT object_id, history_id, at, event, status, change_id,
               LAG(status) OVER versions AS old_status,
               LAG(operator_id) OVER versions AS old_operator,
               LAG(account_id) OVER versions AS old_account,
               LAG(client_package_id) OVER versions AS old_package
        FROM dids_didhistory WHERE object_id IN ({})
        WINDOW versions AS (PARTITION BY object_id ORDER BY history_id)
    ) AS version
    LEFT JOIN audit_change AS made ON made.id = change_id
    WHERE event = '+' OR status <> old_status
    ORDER BY history_id
"""


def _aware(at):
    """Return a timestamp of a raw query with its time zone; SQLite stores naive UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _sentence(did, start, names, now):
    if did.status == st.RESERVED and holds.is_over(did.hold_until, now):
        whom = names.reserved_for(did.reservation_id)
        reason, since, status = f"its reservation for {whom} ended", did.hold_until, st.INSTOCK
    elif holds.is_over(did.hold_until, now):
        client = did.last_client
        reason, since, status = f"its Hold after use by {client} ended", did.hold_until, did.after_hold
    else:
        status = did.status
        since = start and start.at
        reason = start and _reason(did, start, names)
    word = {st.HOLD: "On Hold", st.ARCHIVE: "Archived"}.get(status, st.LABELS[status])
    head = f"{word} since {format_day(since, now)} because {reason}" if since else word
    return f"{head}; {_next(did, status, now)}."


def _reason(did, start, names):
    """Return the clause after "because"."""
    source, target = start.old_status, start.status
    if start.kind is None:
        return f"{OUTSIDE} {_verb(start, _client(did, start, names))}"
    actor = _actor(start)
    subject = f"{actor}," if start.actor_kind == Change.Actor.TOKEN else actor
    client = _client(did, start, names)
    tail = _TAILS.get(start.kind, "")
    if source in st.IN_USE and target not in st.IN_USE:
        without_hold = "" if target == st.HOLD else ", with no hold days"
        if start.kind == Change.Kind.PACKAGE:
            return f"{_package(did, start, names)} {_package_stopped(start, actor)}{without_hold}"
        put = f"put it on Hold after use by {client}" if target == st.HOLD else f"took it from {client}"
        return f"{subject} {put}{tail}{without_hold}"
    if source == st.HOLD and target in st.FREE and start.actor_kind == Change.Actor.SYSTEM:
        return f"its Hold after use by {client} ended"
    if start.event != "+" and target == st.RESERVED and did.reservation_id:
        return f"{subject} reserved it for {names.reservation(did.reservation_id)}{tail}"
    if source == st.RESERVED and start.kind == Change.Kind.END_RESERVATION:
        is_system = start.actor_kind == Change.Actor.SYSTEM
        return "its reservation ended" if is_system else f"{subject} ended its reservation"
    return f"{subject} {_verb(start, client)}{tail}"


def _verb(start, client):
    source, target = start.old_status, start.status
    if start.event == "+":
        return "created it"
    if target == st.BLOCKED:
        return "blocked it"
    if target == st.HOLD:
        return f"put it on Hold after use by {client}"
    if target == st.ACTIVE:
        if source == st.BLOCKED:
            return "unblocked it"
        return f"gave it back to {client}" if source == st.HOLD else f"assigned it to {client}"
    if source == st.HOLD:
        return f"ended its Hold after use by {client}"
    if source in st.IN_USE:
        return f"took it from {client}"
    if target == st.ARCHIVE:
        return "archived it"
    if source == st.ARCHIVE:
        return "restored it from the archive"
    return "reserved it" if target == st.RESERVED else "put it in stock"


def _client(did, start, names):
    if did.status in st.HELD:
        return did.last_client
    # An account under another operator may belong to another reseller.
    known = start.old_account and start.old_operator == did.operator_id
    return names.client(start.old_account) if known else "its client"


def _package(did, start, names):
    if did.status in st.HELD:
        return f"package {did.package_name} of {did.last_client}"
    if not start.old_package or start.old_operator != did.operator_id:
        return "its package"
    return f"package {names.package(start.old_package)} of {names.client(start.old_account)}"


def _actor(start):
    if start.actor_kind == Change.Actor.TOKEN:
        return f"{start.actor_name}, token of {json.loads(start.data)['owner']}"
    return "the system" if start.actor_kind == Change.Actor.SYSTEM else start.actor_name


def _package_stopped(start, actor):
    return "ended" if json.loads(start.data).get("cause") == "ended" else f"was switched off by {actor}"


def _next(did, status, now):
    """Return the clause that says what happens next, and when."""
    if status == st.HOLD:
        becomes = f"becomes {st.LABELS[did.after_hold]} on {format_day(did.hold_until, now)}"
        if not did.resumes_as:
            return becomes
        return f"{becomes}, or {st.LABELS[did.resumes_as]} again if the package is activated before then"
    if status == st.RESERVED and did.hold_until:
        return f"becomes In Stock on {format_day(did.hold_until, now)}"
    if status == st.RESERVED and did.reservation_id:
        return "not for sale until the reservation is ended"
    if status == st.ACTIVE:
        return f"goes on Hold when {_package_end(did, now)}"
    if status == st.BLOCKED:
        return f"unreachable until it is unblocked, goes on Hold when {_package_end(did, now)}"
    return {
        st.RESERVED: "not for sale until it is put in stock",
        st.INSTOCK: "can be assigned to a client",
        st.ARCHIVE: "not in use until it is restored",
    }[status]


def _package_end(did, now):
    name, ends_at = f"package {did.package_name}", did.package_ends_at
    if ends_at is None:
        return f"{name} is switched off"
    if ends_at <= now:
        return f"the worker next runs, because {name} ended on {format_day(ends_at, now)}"
    return f"{name} ends on {format_day(ends_at, now)}"
