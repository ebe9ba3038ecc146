"""Long work on numbers as jobs: making many, changing many, deleting many, writing many to a workbook.

Each step does one chunk by the same method of ``DIDQuerySet`` that the screens call for few numbers; all
chunks of a job are one change. What is told at the end is the same ``Result``.

Selected numbers are taken in the order of their ids, and the cursor is the last id done. "All that match" is
asked once, when a worker begins or goes on, as the job's owner sees the inventory then, and ends at the
newest number that was there when it was asked for: what comes in later was not meant. The ids are kept in
8 bytes each; to search anew for each chunk would cost the square of the numbers.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.files.base import ContentFile
from django.db.models import Max
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

import audit
from audit.models import Change
from clients.models import Account, counted
from didmgmt.text import shorten
from dids.exports.rows import listing_rows, rows_in_chunks
from dids.exports.workbook import write_workbook
from dids.lifecycle import statuses as st
from dids.lifecycle.result import Result
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID, ClientPackage, DIDQuerySet
from dids.models.number_writes import CHUNK
from dids.numbering.ranges import Numbers
from jobs.kinds import JobFailed, Kind, register
from jobs.models import Job
from operators.models import Operator

SHOWN_RANGES = 1  # ranges that the address of a list can show


def submit_create(user, numbers, *, operator, **fields):
    """Queue a job that makes ``numbers`` (a ``Numbers`` of any size); returns it.

    ``fields`` as for ``DIDQuerySet.create_numbers``, JSON-able.
    """
    ranges = numbers.ranges
    job = Job(
        kind="create",
        owner=user,
        label=f"New DIDs: {numbers.count:,} for {operator}"[:200],
        total=numbers.count,
        params={"operator": operator.pk, "operator_name": str(operator), "fields": fields},
    )
    if len(ranges) <= SHOWN_RANGES:
        job.params["range"] = ranges[0]
    lines = "".join(f"{low} {high}\n" for low, high in ranges)
    job.file.save(f"{job.pk}.txt", ContentFile(lines.encode()))
    job.queue()
    return job


def submit_edit(user, selection, fields):
    """Queue a mass edit of a ``Selection``; ``fields`` as for ``DIDQuerySet.edit``, JSON-able."""
    return _submit("edit", "Mass edit", user, selection, fields=fields)


def submit_delete(user, selection):
    return _submit("delete", "Delete", user, selection)


def submit_assign(user, selection, client_package, account, missing=None):
    """Queue the giving of a ``Selection``'s numbers; ``missing``: a Result of those that aren't there."""
    return _submit(
        "assign",
        f"Assign to {account}",
        user,
        selection,
        result=missing,
        client_package=client_package.pk,
        account=account.pk,
        client=client_package.client_id,
        words=f"assigned to {account} by {client_package.package}",
    )


def submit_move(user, selection, move, client):
    """Queue a move of numbers of ``client``; ``move``: a key of ``CLIENT_MOVES``."""
    return _submit("move", CLIENT_MOVES[move].label, user, selection, move=move, client=client.pk)


def submit_export(user, asked, count, name):
    """Queue a job that writes a workbook of that ``name``; its page offers the file.

    ``asked``: {"address": the list's query string} or {"ids": "1,2,3"}, of which there are ``count``.
    """
    job = Job.objects.create(
        kind="export", owner=user, label=f"Export {name}"[:200], total=count, params=asked | {"name": name}
    )
    job.queue()
    return job


def _submit(kind, label, user, selection, *, result=None, **params):
    chosen = {"ids": [int(key) for key in selection.ids.split(",")]} if selection.ids else {}
    if not chosen:
        newest = selection.queryset.aggregate(newest=Max("pk"))["newest"]
        chosen = {"query": selection.query, "newest": newest}
    job = Job.objects.create(
        kind=kind,
        owner=user,
        label=f"{label[:150]}: {selection.count:,} numbers",
        total=selection.count,
        params=params | chosen,
        result=result.as_json() if result else {},
    )
    job.queue()
    return job


def _chosen(job):
    """The numbers that the job was asked for, as its owner sees them now, in the order of ids."""
    seen = DID.objects.visible_to(job.owner)
    if "ids" in job.params:
        return seen.filter(pk__in=job.params["ids"]).order_by("pk")
    filterset = DIDFilter(QueryDict(job.params["query"]), seen, user=job.owner)
    if not filterset.is_valid():
        raise JobFailed(
            "What the search names is not there any more, so it can't go on. Search again and select anew."
        )
    return filterset.qs.filter(pk__lte=job.params["newest"]).order_by("pk")


def _add(job, result, count):
    total = Result.from_json(job.result)
    total.add(result)
    job.result = total.as_json()
    job.done += count


def _create(job):
    with job.file.open("rb") as file:
        numbers = Numbers(line.decode().split() for line in file)
    for chunk in numbers.chunks(CHUNK, job.cursor.get("after", "")):
        # Asked for each time: somebody may delete the operator, or take it away from the owner's sight.
        operator = Operator.objects.visible_to(job.owner).filter(pk=job.params["operator"]).first()
        if operator is None:
            raise JobFailed(f"Operator {job.params['operator_name']} is not there any more.")
        if not job.owner.has_perm("dids.add_did"):
            raise JobFailed("You don't have the right to create numbers any more; ask a supervisor.")
        with audit.change(
            Change.Kind.CREATE, by=job.owner, label=f"New DIDs for {operator}", resume=job.change
        ) as change:
            made = DID.objects.create_numbers(chunk, operator=operator, by=job.owner, **job.params["fields"])
        _keep(job, change)
        _add(job, made, len(chunk))
        job.cursor = {"after": chunk[-1]}
        yield


def _edit(job):
    fields = job.params["fields"]
    yield from _each_chunk(
        job,
        Change.Kind.MASS_EDIT,
        lambda dids: dids.edit(by=job.owner, **fields),
        mass_edit_label(fields),
    )


def mass_edit_label(fields):
    """What ``DIDQuerySet.edit`` is told to set, in words: "Mass edit: Status In Stock, Tag + gold"."""
    words = []
    for name, label in (("status", "Status"), ("after_hold", "After Hold")):
        if name in fields:
            words.append(f"{label} {st.LABELS[fields[name]]}")
    if "hold_days" in fields:
        days = fields["hold_days"]
        words.append("Hold days cleared" if days is None else f"Hold days {days}")
    for name, sign in (("tags", ""), ("add_tags", "+ "), ("remove_tags", "− ")):
        if name in fields:
            tags = ", ".join(fields[name])
            words.append(f"Tag {sign}{tags}" if tags else "Tag cleared")
    if "notes" in fields:
        words.append(f"Notes “{shorten(fields['notes'])}”" if fields["notes"] else "Notes cleared")
    return f"Mass edit: {', '.join(words)}"


def _delete(job):
    yield from _each_chunk(job, Change.Kind.DELETE, lambda dids: dids.delete_unused(by=job.owner), "Deleted")


def _assign(job):
    def write(dids):
        # Asked for each time: somebody may take them away, or out of the owner's sight.
        given = ClientPackage.objects.visible_to(job.owner).select_related("package", "client")
        client_package = given.filter(pk=job.params["client_package"]).first()
        account = Account.objects.visible_to(job.owner).filter(pk=job.params["account"]).first()
        if client_package is None or account is None:
            raise JobFailed("The client's package or account is not there any more.")
        return dids.assign(client_package, account, by=job.owner)

    yield from _each_chunk(job, Change.Kind.ASSIGN, write, str(job))


def _move(job):
    move = CLIENT_MOVES[job.params["move"]]

    def write(dids):
        return move.write(dids.held_by([job.params["client"]]), by=job.owner)

    yield from _each_chunk(job, move.kind, write, move.label)


@dataclass(frozen=True)
class ClientMove:
    """What a client's numbers can be told on its DIDs tab.

    ``sources``: the statuses that it is offered for. ``rights``: any of these is enough to try; which one a
    number takes, the model asks.
    """

    label: str
    icon: str
    sources: tuple
    kind: str
    write: Callable
    did: str
    rights: tuple

    def may(self, user):
        return any(user.has_perm(f"dids.{right}") for right in self.rights)


CLIENT_MOVES = {
    "activate": ClientMove(
        "Activate",
        "player-play",
        (st.BLOCKED, st.HOLD),
        Change.Kind.ASSIGN,
        DIDQuerySet.activate,
        "activated",
        ("block_did", "assign_did"),
    ),
    "block": ClientMove(
        "Block", "ban", (st.ACTIVE,), Change.Kind.BLOCK, DIDQuerySet.block, "blocked", ("block_did",)
    ),
    "hold": ClientMove(
        "Hold",
        "player-pause",
        st.IN_USE,
        Change.Kind.HOLD,
        DIDQuerySet.hold,
        "put on Hold",
        ("hold_did",),
    ),
    "release": ClientMove(
        "End hold",
        "arrow-back-up",
        (st.HOLD,),
        Change.Kind.END_HOLD,
        DIDQuerySet.end_hold,
        "released from Hold",
        ("end_hold_did",),
    ),
}


def _each_chunk(job, kind, write, label):
    rest = _chosen(job).filter(pk__gt=job.cursor.get("after", 0)).values_list("pk", flat=True)
    every = array("q", rest.iterator(chunk_size=CHUNK))
    for start in range(0, len(every), CHUNK):
        ids = every[start : start + CHUNK].tolist()
        with audit.change(kind, by=job.owner, label=label, resume=job.change) as change:
            result = write(DID.objects.visible_to(job.owner).filter(pk__among=ids))
        _keep(job, change)
        _add(job, result, len(ids))
        job.cursor = {"after": ids[-1]}
        yield


def _export(job):
    if not job.owner.has_perm("dids.export_did"):
        raise JobFailed("You don't have the right to export numbers any more; ask an administrator.")
    if "ids" in job.params:
        ids = [int(key) for key in job.params["ids"].split(",")]
        dids = DID.objects.visible_to(job.owner).filter(pk__in=ids).order_by("number")
        rows = rows_in_chunks(dids, timezone.now())
    else:
        listing = did_listing(QueryDict(job.params["address"]), job.owner)
        if not listing.valid:
            raise JobFailed(" ".join(["The search can't be read any more.", *listing.errors]))
        rows = listing_rows(listing, timezone.now(), in_chunks=True)
    yield from write_workbook(rows, job)


def _exported(job):
    if job.state != Job.State.DONE:
        return ""  # half a workbook is none
    return f"{counted(job.done, 'number')} written."


def _keep(job, change):
    """A change that wrote nothing has left no trace; the next chunk begins one."""
    job.change = change if change.pk else None


def _told(did):
    return lambda job: Result.from_json(job.result).sentence(did) if job.done else ""


def _list_url(job):
    """The list that shows the numbers: of a range made, or of what was searched for."""
    if "range" in job.params:
        query = urlencode({"q": "-".join(job.params["range"])})
    else:
        query = job.params.get("query") or "sort=-id"
    return f"{reverse('dids:list')}?{query}"


def _client_url(job):
    return reverse("clients:dids", args=[job.params["client"]])


CREATE = register(Kind("create", "New DIDs", _create, _told("created"), url=_list_url))
EDIT = register(Kind("edit", "Mass edit", _edit, _told("changed"), url=_list_url))
EXPORT = register(Kind("export", "Export", _export, _exported, inside=False))
ASSIGN = register(
    Kind(
        "assign",
        "Assign",
        _assign,
        lambda job: _told(job.params["words"])(job),
        url=_client_url,
        url_label="Show the client's numbers",
    )
)
MOVE = register(
    Kind(
        "move",
        "Client's numbers",
        _move,
        lambda job: _told(CLIENT_MOVES[job.params["move"]].did)(job),
        url=_client_url,
        url_label="Show the client's numbers",
    )
)
DELETE = register(Kind("delete", "Delete", _delete, _told("deleted"), url=_list_url))
