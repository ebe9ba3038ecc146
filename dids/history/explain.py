"""One sentence for the status of each number: since when, for what cause, by whom, what comes next."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connections
from django.utils import timezone

from audit.models import Change
from dids.labels import Names
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DIDHistory

OUTSIDE = "something outside the application"
_TAILS = {
    Change.Kind.MASS_EDIT: " in a mass edit",
    Change.Kind.IMPORT: " by an import",
    Change.Kind.UNDO: " by an undo",
}


class Start(NamedTuple):
    """The version by which a number came to its stored status, what it was before, and of its change what
    is told; ``kind`` and what follows are None where it belongs to no change."""

    object_id: int
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


def explain(dids, now=None):
    """{pk: sentence} for DIDs fetched by ``for_table``; at most six queries, however many there are.

    Moments are told in the active time zone, to the day, and to the minute within a day from now. An
    overdue Hold is told as over. What neither a person nor the system did is said to come from
    outside the application; a number without history gets a sentence without a cause.
    """
    dids, now = list(dids), now or timezone.now()
    starts = _starts([did.pk for did in dids])
    former = [starts[did.pk] for did in dids if did.pk in starts and did.status in st.FREE]
    names = Names(
        accounts={start.old_account for start in former},
        client_packages={start.old_package for start in former},
    )
    return {did.pk: _sentence(did, starts.get(did.pk), names, now) for did in dids}


def day(moment, now):
    """ "3 Nov 2026", with the time of day when it is less than a day from ``now``."""
    near = abs(now - moment) < timedelta(days=1)
    local = timezone.localtime(moment)
    # Not date_format: for the hundreds of moments of a page it takes ten times as long.
    return f"{local.day} {local:%b %Y, %H:%M}" if near else f"{local.day} {local:%b %Y}"


def actor_name(change):
    """Who made the change, as a word in a sentence; ``change`` has actor_kind and actor_name."""
    return {
        Change.Actor.SYSTEM: "the system",
        Change.Actor.TOKEN: f"API token {change.actor_name}",
    }.get(change.actor_kind, change.actor_name)


def _starts(pks):
    """{pk: Start}.

    One window over the numbers' versions, on the index (object_id, history_id). To have this statement
    written anew for each page took longer than the database takes for it.
    """
    if not pks:
        return {}
    with connections[DIDHistory.objects.db].cursor() as cursor:
        cursor.execute(_STARTS.format(", ".join(["%s"] * len(pks))), pks)
        # The last one of each number stays.
        return {pk: Start(pk, _moment(at), *rest) for pk, at, *rest in cursor}


_STARTS = """
    SELECT object_id, version.at, event, status, old_status, old_operator, old_account, old_package,
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


def _moment(at):
    """A moment as the database gives it: SQLite knows no time zones and keeps UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _sentence(did, start, names, now):
    if holds.is_over(did.hold_until, now):
        client = did.last_client
        cause, since, status = f"its hold after use by {client} was over", did.hold_until, did.after_hold
    else:
        status = did.status
        since = start and start.at
        cause = start and _cause(did, start, names)
    word = {st.HOLD: "On hold", st.ARCHIVE: "Archived"}.get(status, st.LABELS[status])
    head = f"{word} since {day(since, now)} because {cause}" if since else word
    return f"{head}; {_next(did, status, now)}."


def _cause(did, start, names):
    """Why the number came to its status: a clause that follows "because"."""
    source, target = start.old_status, start.status
    if start.kind is None:
        return f"{OUTSIDE} {_verb(start, _client(did, start, names))}"
    actor = actor_name(start)
    client = _client(did, start, names)
    tail = _TAILS.get(start.kind, "")
    if source in st.IN_USE and target not in st.IN_USE:
        straight = "" if target == st.HOLD else ", without days of hold"
        if start.kind == Change.Kind.PACKAGE:
            return f"{_package(did, start, names)} {_package_stopped(start, actor)}{straight}"
        put = f"put it on hold after use by {client}" if target == st.HOLD else f"took it from {client}"
        return f"{actor} {put}{tail}{straight}"
    if source == st.HOLD and target in st.FREE and start.actor_kind == Change.Actor.SYSTEM:
        return f"its hold after use by {client} was over"
    return f"{actor} {_verb(start, client)}{tail}"


def _verb(start, client):
    source, target = start.old_status, start.status
    if start.event == "+":
        return "created it"
    if target == st.BLOCKED:
        return "blocked it"
    if target == st.HOLD:
        return f"put it on hold after use by {client}"
    if target == st.ACTIVE:
        if source == st.BLOCKED:
            return "unblocked it"
        return f"gave it back to {client}" if source == st.HOLD else f"assigned it to {client}"
    if source == st.HOLD:
        return f"ended its hold after use by {client}"
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
    # The client under another operator may be another reseller's.
    known = start.old_account and start.old_operator == did.operator_id
    return names.client(start.old_account) if known else "its client"


def _package(did, start, names):
    if did.status in st.HELD:
        return f"package {did.package_name} of {did.last_client}"
    if not start.old_package or start.old_operator != did.operator_id:
        return "its package"
    return f"package {names.package(start.old_package)} of {names.client(start.old_account)}"


def _package_stopped(start, actor):
    return "ended" if json.loads(start.data).get("cause") == "ended" else f"was switched off by {actor}"


def _next(did, status, now):
    """What happens next, and when."""
    if status == st.HOLD:
        return f"becomes {st.LABELS[did.after_hold]} on {day(did.hold_until, now)}"
    if status == st.ACTIVE:
        return f"goes on Hold when {_package_end(did, now)}"
    if status == st.BLOCKED:
        return f"unreachable until it is unblocked, goes on Hold when {_package_end(did, now)}"
    return {
        st.RESERVED: "not for sale until it is put in stock",
        st.INSTOCK: "can be assigned to a client",
        st.ARCHIVE: "out of use until it is restored",
    }[status]


def _package_end(did, now):
    name, ends_at = f"package {did.package_name}", did.package_ends_at
    if ends_at is None:
        return f"{name} is switched off"
    if ends_at <= now:
        return f"the worker comes by, because {name} ended on {day(ends_at, now)}"
    return f"{name} ends on {day(ends_at, now)}"
