"""Jobs on numbers: create, edit, delete, assign and move many, and export them to a workbook.

A job handles one chunk at a time with the same method of ``DIDQuerySet`` that a request uses for few numbers.
All chunks of a job are one change, and their results add up to one ``Result``.

Selected numbers are handled in the order of their ids; the cursor is the last id handled. "All that match" is
evaluated once, when a worker starts or continues the job, as its owner sees the inventory then, and without
numbers created after the job was queued. The ids are kept in memory, 8 bytes each: running the search again
for each chunk would take quadratic time.
"""

from array import array
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Max
from django.http import QueryDict
from django.urls import reverse

import audit
from audit import history
from audit.models import Change
from clients.models import Account
from didmgmt import clock, form_tokens
from didmgmt.models import StoredSearch
from didmgmt.streams import stream
from didmgmt.text import count_noun, shorten
from dids.exports.rows import listing_rows_in_chunks, rows_in_chunks
from dids.exports.workbook import write_workbook
from dids.imports.rows import RowsJob, rows_result
from dids.lifecycle import statuses as st
from dids.lifecycle.result import KEPT, Result
from dids.lists.changed import changed_url
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID, AgeingRule, ClientPackage, DIDQuerySet
from dids.models.ageing import JOB_KIND, RAISED_TO, edited_data, override_data
from dids.models.number_writes import CHUNK
from dids.numbering.ranges import Numbers
from jobs.kinds import JobError, JobKind, register
from jobs.models import Job
from operators.models import Operator

GONE = "deleted, or no longer visible to you, since you selected them"
LEFT = "no longer with this client; find them in the DID list"
LABEL_MAX = Job._meta.get_field("label").max_length


def _save_chunk(job, change, result, count, cursor):
    """Keep on ``job`` what the chunk has done; a change that wrote nothing was not saved either."""
    total = Result.from_json(job.result)
    total.add(result)
    for code, refusal in result.refusals.items():
        _store_refused(job, total.refusals[code], refusal.numbers)
    job.change = change if change.pk else None
    job.result, job.cursor = total.as_json(), {"after": cursor}
    job.done += count


def _store_refused(job, refusal, numbers):
    """Store refused ``numbers`` of a chunk for the job's owner, up to ``KEPT`` for each reason."""
    if new := numbers[: KEPT - refusal.listed]:
        refusal.stored = StoredSearch.objects.extend(job.actor, f"{job.pk} {refusal.code}", ",".join(new))
        refusal.listed += len(new)


def result_of(job):
    """Return the ``Result`` so far of a job that writes numbers; None for any other job."""
    if isinstance(job.job_kind, RowsJob):
        return rows_result(job)
    return Result.from_json(job.result) if isinstance(job.job_kind, (CreateJob, _WriteJob)) else None


def refused_numbers(job):
    """Yield (``Refusal``, number) for the refused numbers of a job, up to ``KEPT`` for each reason."""
    result = result_of(job) or Result()
    for refusal in result.refusals.values():
        numbers = refusal.numbers
        if refusal.stored:
            numbers = StoredSearch.objects.text_of(job.actor, refusal.stored).split(",")
        yield from ((refusal, number) for number in numbers)


def _refused_lists(job):
    """Return [(label, URL)] of the lists of the numbers that were refused, one for each reason."""
    lists = []
    for refusal in Result.from_json(job.result).refusals.values():
        if refusal.listed:
            part = "" if refusal.listed == refusal.count else f"{refusal.listed:,} of "
            # A single number would be searched for as a part of numbers.
            query = {"list": refusal.stored} if refusal.listed > 1 else {"q": f"={refusal.numbers[0]}"}
            label = f"Show {part}the {refusal.count:,} refused: {refusal.why}"
            lists.append((label, f"{reverse('dids:list')}?{urlencode(query)}"))
    return lists


class CreateJob(JobKind):
    name, label = "create", "New DIDs"

    def run(self, job):
        with job.file.open("rb") as file:
            numbers = Numbers(line.decode().split() for line in file)
        left = numbers.after(job.cursor.get("after", ""))
        while chunk := list(islice(left, job.at_once(CHUNK))):
            # Checked for each chunk: the operator may be deleted, or the right revoked, while the job runs.
            operator = Operator.objects.visible_to(job.actor).filter(pk=job.params["operator"]).first()
            if operator is None:
                raise JobError(f"Operator {job.params['operator_name']} no longer exists.")
            if not job.actor.has_perm("dids.add_did"):
                raise JobError("You no longer have permission to create numbers. Ask a supervisor.")
            label = f"New DIDs for {operator}"
            with audit.change(Change.Kind.CREATE, by=job.actor, label=label, resume=job.change) as change:
                result = DID.objects.create_numbers(
                    chunk, operator=operator, by=job.actor, **job.params["fields"]
                )
            _save_chunk(job, change, result, len(chunk), chunk[-1])
            yield

    def sentence(self, job):
        return Result.from_json(job.result).sentence("created") if job.done else ""

    def refused_lists(self, job):
        return _refused_lists(job)

    def url(self, job):
        return changed_url(job.change_id)


def submit_create(user, numbers, *, operator, **fields):
    """Queue and return a job that creates ``numbers``, a ``Numbers`` of any size.

    ``fields``: as for ``DIDQuerySet.create_numbers``, JSON-serialisable.
    """
    return Job.objects.submit(
        kind=CreateJob.name,
        owner=user,
        label=f"New DIDs: {numbers.count:,} for {operator}"[:LABEL_MAX],
        total=numbers.count,
        params={"operator": operator.pk, "operator_name": str(operator), "fields": fields},
        content="".join(f"{low} {high}\n" for low, high in numbers.ranges).encode(),
    )


class _WriteJob(JobKind):
    """Base class: one write to selected numbers, chunk by chunk."""

    def change(self, job):
        """Return the kind and the label of the change that all chunks belong to."""
        raise NotImplementedError

    def write(self, job, dids):
        """Write the numbers ``dids`` of one chunk; return the ``Result``."""
        raise NotImplementedError

    def verb(self, job):
        """Return the past participle for the result: "changed"."""
        raise NotImplementedError

    def prepare(self, job):
        job.selected = _selected_ids(job)

    def run(self, job):
        kind, label = self.change(job)
        data = override_data(job.params.get("override"), job.actor)
        ids, start = job.selected, 0
        while chunk := ids[start : start + job.at_once(CHUNK)]:
            start += len(chunk)  # of an array: Django would look at each id of a list
            with audit.change(kind, by=job.actor, label=label, data=data, resume=job.change) as change:
                result = self.write(job, DID.objects.visible_to(job.actor).filter(pk__among=chunk))
            if missing := len(chunk) - result.selected:
                deleted = _deleted_numbers(job.actor, chunk, change)
                result.refuse("gone", GONE, missing, deleted)
            _save_chunk(job, change, result, len(chunk), chunk[-1])
            yield

    def sentence(self, job):
        return Result.from_json(job.result).sentence(self.verb(job)) if job.done else ""

    def refused_lists(self, job):
        return _refused_lists(job)

    def url(self, job):
        return changed_url(job.change_id)


def _selected_ids(job):
    """Return the ids still to be handled, as an ascending array."""
    after = job.cursor.get("after", 0)
    if "ids" in job.params:
        return array("q", sorted(pk for pk in job.params["ids"] if pk > after))
    dids = DID.objects.visible_to(job.actor)
    filterset = DIDFilter(QueryDict(job.params["query"]), dids, user=job.actor)
    if not filterset.is_valid():
        raise JobError(
            "The search names something that no longer exists, so the job can’t continue."
            " Search and select again."
        )
    found = filterset.qs.filter(pk__gt=after, pk__lte=job.params["newest"]).order_by("pk")
    return array("q", stream(found.values_list("pk", flat=True)))


def _deleted_numbers(user, ids, change):
    """Return the numbers among ``ids`` that were deleted by another change than ``change``."""
    rows = history.visible_to(DID, user).filter(object_id__in=ids, event="-")
    if change.pk:
        rows = rows.exclude(change=change)
    return list(rows.order_by("number").values_list("number", flat=True))


def _submit(kind, label, user, selection, *, result=None, **params):
    if selection.ids:
        selected = {"ids": [int(key) for key in selection.ids.split(",")]}
    else:
        newest = selection.queryset.aggregate(newest=Max("pk"))["newest"]
        selected = {"query": selection.query, "newest": newest}
    result = result or Result()
    with transaction.atomic():
        job = Job.objects.submit(
            kind=kind.name,
            owner=user,
            label=f"{label[:150]}: {count_noun(selection.count, 'number')}",
            total=selection.count,
            params=params | selected,
        )
        for refusal in result.refusals.values():
            _store_refused(job, refusal, refusal.numbers)
        if result.refusals:
            job.result = result.as_json()
            job.save(update_fields=["result"])
    return job


class EditJob(_WriteJob):
    name, label = "edit", "Mass edit"

    def change(self, job):
        return Change.Kind.MASS_EDIT, mass_edit_label(job.params["fields"])

    def write(self, job, dids):
        return dids.edit(by=job.actor, **job.params["fields"])

    def verb(self, job):
        return "changed"


def submit_edit(user, selection, fields, missing=None):
    """Queue and return a mass edit of a ``Selection``; ``fields`` as for ``DIDQuerySet.edit``.

    ``missing``: a ``Result`` that counts listed numbers which are not in the inventory.
    """
    return _submit(EditJob, EditJob.label, user, selection, result=missing, fields=fields)


def mass_edit_label(fields):
    """Describe the ``fields`` of ``DIDQuerySet.edit``: "Mass edit: Status In Stock, Tag + gold"."""
    return f"Mass edit: {edit_words(fields)}"


def edit_words(fields):
    """Describe the ``fields`` of ``DIDQuerySet.edit``: "Status In Stock, Tag + gold"."""
    parts = []
    for name, label in (("status", "Status"), ("after_hold", "After Hold")):
        if name in fields:
            parts.append(f"{label} {st.LABELS[fields[name]]}")
    if "hold_days" in fields:
        days = fields["hold_days"]
        parts.append("Hold days cleared" if days is None else f"Hold days {days}")
    for name, sign in (("tags", ""), ("add_tags", "+ "), ("remove_tags", "− ")):
        if name in fields:
            tags = ", ".join(fields[name])
            parts.append(f"Tag {sign}{tags}" if tags else "Tag cleared")
    if "notes" in fields:
        parts.append(f"Notes “{shorten(fields['notes'])}”" if fields["notes"] else "Notes cleared")
    return ", ".join(parts)


class DeleteJob(_WriteJob):
    name, label = "delete", "Delete"

    def change(self, job):
        return Change.Kind.DELETE, "Deleted"

    def write(self, job, dids):
        return dids.delete_unused(by=job.actor)

    def verb(self, job):
        return "deleted"

    def url(self, job):
        return ""


def submit_delete(user, selection, missing=None):
    """Queue and return a deletion of the numbers of a ``Selection``; ``missing``: see ``submit_edit``."""
    return _submit(DeleteJob, DeleteJob.label, user, selection, result=missing)


class _ClientJob(_WriteJob):
    """Base class: a write to numbers of one client."""

    url_label = "Show the client’s numbers"

    def url(self, job):
        return reverse("clients:dids", args=[job.params["client"]])


class AssignJob(_ClientJob):
    name, label = "assign", "Assign"

    def change(self, job):
        return Change.Kind.ASSIGN, str(job)

    def write(self, job, dids):
        # Checked for each chunk: both may be deleted, or hidden from the owner, while the job runs.
        given = ClientPackage.objects.visible_to(job.actor).select_related("package", "client")
        client_package = given.filter(pk=job.params["client_package"]).first()
        account = Account.objects.visible_to(job.actor).filter(pk=job.params["account"]).first()
        if client_package is None or account is None:
            raise JobError("The client’s package or account no longer exists.")
        return dids.assign(client_package, account, by=job.actor, override=job.params.get("override", ""))

    def verb(self, job):
        return job.params["verb"]


def submit_assign(user, selection, client_package, account, missing=None, override=""):
    """Queue and return a job that assigns the numbers of a ``Selection`` to ``account``.

    ``missing``: a ``Result`` that counts pasted numbers which are not in the inventory. ``override``: see
    ``DIDQuerySet.assign``.
    """
    return _submit(
        AssignJob,
        f"Assign to {account}",
        user,
        selection,
        result=missing,
        client_package=client_package.pk,
        account=account.pk,
        client=client_package.client_id,
        verb=assigned_verb(client_package, account),
        override=override,
    )


def assigned_verb(client_package, account):
    """Return how the result of an assignment is described, in a job as in a request."""
    return f"assigned to {account} under package {client_package.package}"


@dataclass(frozen=True)
class ClientMove:
    """A move of numbers that clients have.

    ``sources``: the statuses from which it is offered. ``rights``: any of them is enough to offer it; the
    lifecycle checks the one that each number needs. ``verb``: the past participle for the result. ``effect``:
    what it means for calls, a sentence.
    """

    label: str
    icon: str
    sources: tuple
    kind: str
    write: Callable
    verb: str
    rights: tuple
    effect: str = ""

    def may(self, user):
        return any(user.has_perm(f"dids.{right}") for right in self.rights)


CLIENT_MOVES = {
    "activate": ClientMove(
        label="Activate",
        icon="player-play",
        sources=(st.BLOCKED, st.HOLD),
        kind=Change.Kind.ASSIGN,
        write=DIDQuerySet.activate,
        verb="activated",
        rights=("block_did", "assign_did"),
    ),
    "block": ClientMove(
        label="Block",
        icon="ban",
        sources=(st.ACTIVE,),
        kind=Change.Kind.BLOCK,
        write=DIDQuerySet.block,
        verb="blocked",
        rights=("block_did",),
        effect="Unreachable until unblocked.",
    ),
    "hold": ClientMove(
        label="Hold",
        icon="player-pause",
        sources=st.IN_USE,
        kind=Change.Kind.HOLD,
        write=DIDQuerySet.hold,
        verb="put on Hold",
        rights=("hold_did",),
        effect="Unreachable now.",
    ),
    "release": ClientMove(
        label="End hold",
        icon="arrow-back-up",
        sources=(st.HOLD,),
        kind=Change.Kind.END_HOLD,
        write=DIDQuerySet.end_hold,
        verb="released from Hold",
        rights=("end_hold_did",),
    ),
}


# By their names in the API, which moves numbers of any client
MOVES = {
    "block": CLIENT_MOVES["block"],
    "unblock": ClientMove(
        label="Unblock",
        icon="player-play",
        sources=(st.BLOCKED,),
        kind=Change.Kind.UNBLOCK,
        write=DIDQuerySet.unblock,
        verb="unblocked",
        rights=("block_did",),
    ),
    "hold": CLIENT_MOVES["hold"],
    "end_hold": CLIENT_MOVES["release"],
    "end_reservation": ClientMove(
        label="End reservation",
        icon="arrow-back-up",
        sources=(st.RESERVED,),
        kind=Change.Kind.END_RESERVATION,
        write=DIDQuerySet.end_reservation,
        verb="put in stock",
        rights=("change_did",),
    ),
}


class AnyMoveJob(_WriteJob):
    """One of ``moves``, for numbers of any client."""

    name, label = "any move", "Move"
    moves = MOVES

    def change(self, job):
        move = self.moves[job.params["move"]]
        return move.kind, move.label

    def write(self, job, dids):
        return self.moves[job.params["move"]].write(dids, by=job.actor)

    def verb(self, job):
        return self.moves[job.params["move"]].verb


class MoveJob(AnyMoveJob, _ClientJob):
    """One of ``CLIENT_MOVES``; refuses numbers that have left the client since they were selected."""

    name, label = "move", "Client’s numbers"
    moves = CLIENT_MOVES

    def write(self, job, dids):
        held = dids.held_by([job.params["client"]])
        kept = list(held.values_list("pk", flat=True))
        left = list(dids.exclude(pk__among=kept).order_by("number").values_list("number", flat=True))
        result = super().write(job, held)
        if left:
            result.refuse("left", LEFT, len(left), left)
        return result


def submit_move(user, selection, move, client):
    """Queue and return a move of numbers of ``client``; ``move`` is a key of ``CLIENT_MOVES``."""
    return _submit(MoveJob, CLIENT_MOVES[move].label, user, selection, move=move, client=client.pk)


def submit_any_move(user, selection, move, missing=None):
    """Queue and return a move of selected numbers; ``move`` is a key of ``MOVES``.

    ``missing``: see ``submit_edit``.
    """
    return _submit(AnyMoveJob, MOVES[move].label, user, selection, result=missing, move=move)


class ExportJob(JobKind):
    name, label = "export", "Export"
    writes = False

    def run(self, job):
        if not job.actor.has_perm("dids.export_did"):
            raise JobError("You no longer have permission to export numbers. Ask an administrator.")
        if "ids" in job.params:
            ids = [int(key) for key in job.params["ids"].split(",")]
            dids = DID.objects.visible_to(job.actor).filter(pk__in=ids).order_by("number")
            rows = rows_in_chunks(dids, clock.now())
        else:
            listing = did_listing(QueryDict(job.params["address"]), job.actor)
            if not listing.valid:
                raise JobError(" ".join(["The search is no longer valid.", *listing.errors]))
            rows = listing_rows_in_chunks(listing, clock.now())
        return write_workbook(rows, job)

    def sentence(self, job):
        return f"{count_noun(job.done, 'number')} written." if job.state == Job.State.DONE else ""


def submit_export(user, selected, count, name):
    """Queue and return a job that writes a workbook called ``name``, which its page offers.

    ``selected``: {"address": the query string of the list} or {"ids": "1,2,3"}, for ``count`` numbers.
    """
    return Job.objects.submit(
        kind=ExportJob.name,
        owner=user,
        label=f"Export {name}"[:LABEL_MAX],
        total=count,
        params=selected | {"name": name},
    )


@dataclass(frozen=True)
class RuleAct:
    """What is done to a minimum hold. ``done``, ``waits``: how the rule is afterwards, and until then."""

    label: str
    done: str
    waits: str


RULE_ACTS = {
    "accept": RuleAct("accepted", "in force: {days}", "not in force"),
    "change": RuleAct("changed", "{days}", "not changed"),
    "remove": RuleAct("removed", "removed", "not removed"),
}


class MinimumJob(JobKind):
    """Accept, change or remove a minimum hold whose prefix has many numbers on Hold.

    At every commit each hold lasts at least the minimum in force, so that reads are right without the job:
    a lower minimum is in force when the job is queued, a higher one after the holds have been moved. Sales
    follow the higher one meanwhile (``dids.models.ageing.for_sales``). Holds that begin meanwhile are moved
    in the transaction that puts the rule into force; one more pass moves those whose transactions ended with
    it.
    """

    name, label, unit, url_label = JOB_KIND, "Minimum hold", "holds", "Show the rules"

    def prepare(self, job):
        on_hold = self._rule(job).holds().filter(pk__gt=job.cursor.get("after", 0)).order_by("pk")
        job.selected = array("q", stream(on_hold.values_list("pk", flat=True)))

    def run(self, job):
        ids, start = job.selected, 0
        while chunk := ids[start : start + job.at_once(CHUNK)]:
            start += len(chunk)
            rule = self._rule(job)
            rules = None if job.cursor.get("settled") else rule.rules_with(self._days(job))
            self._move(job, DID.objects.filter(pk__among=chunk), rules)
            job.cursor = job.cursor | {"after": chunk[-1]}
            job.done += len(chunk)
            yield
        if not job.cursor.get("settled"):
            self.settle(job, self._rule(job))
            yield
        self._move(job, self._rule(job).holds().filter(hold_from__gte=job.created_at))
        yield

    def _rule(self, job):
        """Return the rule, also after the job has removed it. Checked for each chunk, as is the right."""
        actor = job.actor
        if actor.reseller_id or not actor.has_perm("dids.change_ageingrule"):
            raise JobError("You no longer have permission to change minimum holds. Ask an administrator.")
        rule = AgeingRule.objects.filter(pk=job.params["rule"]).first()
        if rule is None and not job.cursor.get("settled"):
            raise JobError(f"The minimum hold of +{job.params['prefix']} has been removed in the meantime.")
        return rule or AgeingRule(prefix=job.params["prefix"])

    def _days(self, job):
        return None if job.params["act"] == "remove" else job.params["days"]

    @contextmanager
    def _change(self, job):
        """Let all that is written be the one change of the job."""
        label, data = str(job), edited_data(job.params["edited"])
        kind = Change.Kind.AGEING_RULE
        with audit.change(kind, by=job.actor, label=label, data=data, resume=job.change) as change:
            yield
        job.change = change if change.pk else None

    def _move(self, job, holds, rules=None):
        with self._change(job):
            moved = holds.recompute_hold_ends(by=audit.SYSTEM, every=True, rules=rules).done
        job.result = job.result | {"moved": job.result.get("moved", 0) + moved}

    def settle(self, job, rule):
        """Do to the rule what was asked for, and move the holds begun since the job was queued.

        Not only those since it was started: it may be continued long after a failure.
        """
        act = job.params["act"]
        values = {"fields": job.params["fields"]} if act == "change" else {}
        with self._change(job):
            moved = getattr(rule, act)(by=job.actor, since=job.created_at, **values)
        if moved is not None:  # else the rule has just been removed
            job.result = job.result | {"moved": job.result.get("moved", 0) + moved}
            job.cursor = job.cursor | {"settled": True}

    def sentence(self, job):
        if "moved" not in job.result:
            return ""
        act, moved = RULE_ACTS[job.params["act"]], job.result["moved"]
        state = act.done if job.cursor.get("settled") else act.waits
        state = state.format(days=count_noun(job.params["days"], "day"))
        return f"The minimum hold of +{job.params['prefix']} is {state}.{hold_ends_moved(moved)}"

    def url(self, job):
        return reverse("rules:list")


def hold_ends_moved(count):
    """Return the sentence about holds that a minimum has moved, after a blank; "" for none."""
    return f" {count_noun(count, 'hold')} {'ends' if count == 1 else 'end'} at another time." if count else ""


def submit_minimum(user, rule, act, fields=None):
    """Queue and return a job that does ``act``, a key of ``RULE_ACTS``, to ``rule``.

    A minimum that does not rise is changed at once, before the job moves the holds. ``fields``: the new
    values of a change.
    """
    fields = fields or {}
    days = fields.get("days", rule.days)
    raised_to = rule.raised_to(None if act == "remove" else days)
    with form_tokens.atomic():
        job = Job.objects.submit(
            kind=MinimumJob.name,
            owner=user,
            label=f"Minimum hold of {rule} {RULE_ACTS[act].label}: {days} days",
            total=rule.holds().count(),
            params={
                "rule": rule.pk,
                "prefix": rule.prefix,
                "act": act,
                "days": days,
                "fields": fields,
                "edited": rule.edited(fields),
            }
            | ({} if raised_to is None else {RAISED_TO: raised_to}),
        )
        if raised_to is None:
            MinimumJob().settle(job, rule)
            job.save(update_fields=["cursor", "result", "change"])
    return job


for _kind in (CreateJob, EditJob, DeleteJob, AssignJob, MoveJob, AnyMoveJob, ExportJob, MinimumJob):
    register(_kind())
