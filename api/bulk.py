"""Writes to many numbers: a list, a range, or all that match a filter; many of them by a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from ninja import Router, Schema
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from api.access import also_needs, check_scope, lacks, needs
from api.dids import NOT_TAKEN
from api.fields import answer
from api.idempotency import once
from api.inputs import (
    ENDS,
    OVERRIDE_REASON,
    Assignment,
    Body,
    NewFields,
    ReservationFields,
    check,
    form_data,
    holder_of,
    override_of,
    reservation_of,
    reserve_form,
    sent,
)
from api.moves import create, edit_rights, may_edit
from api.problems import ProblemError, error, errors_of, invalid
from api.results import Counts, RefusedFor, Written, counts, refusals, written
from audit.models import Change
from didmgmt.parameters import OF_LISTS
from didmgmt.text import count_noun, parse_whole, shorten
from dids.forms.numbers import MassEditForm, NewForm
from dids.job_kinds import (
    MOVES,
    assigned_verb,
    mass_edit_label,
    submit_any_move,
    submit_assign,
    submit_create,
    submit_delete,
    submit_edit,
)
from dids.lifecycle import statuses as st
from dids.lifecycle.result import Result, created_sentence
from dids.lists.filters import DIDFilter
from dids.lists.picks import MISSING, PICK_LIMIT, Pick, pick_listed, pick_matching, reuse_warning
from dids.models import DID, DIDQuerySet
from dids.numbering.normalise import NumberError
from dids.numbering.ranges import Numbers, read_ranges
from dids.numbering.search import parse_search
from dids.reservations import reserved_sentence
from jobs.models import SMALL, Job

router = Router(tags=["Numbers"])

_EDITS: dict[str, dict[str, Any]] = {
    "reserve": {"status": st.RESERVED},
    "put_in_stock": {"status": st.INSTOCK},
    "archive": {"status": st.ARCHIVE},
    "restore": {"status": st.INSTOCK, "from_archive": True},
}
_TAKES: dict[str, frozenset[str]] = {
    "create": frozenset(NewFields.model_fields),
    "edit": frozenset({"status", "after_hold", "hold_days", "tags", "add_tags", "remove_tags", "notes"}),
    "assign": frozenset(Assignment.model_fields),
    "reserve": frozenset(ReservationFields.model_fields),
}
ACTIONS: list[Any] = ["create", "edit", "assign", *MOVES, *_EDITS, "delete"]
_NEEDS = {
    "create": ("dids.add_did",),
    "edit": (*sorted(st.EDIT_RIGHTS),),
    "assign": ("dids.assign_did",),
    **{name: tuple(f"dids.{right}" for right in move.rights) for name, move in MOVES.items()},
    **{f"reserve, put_in_stock, archive {what}": rights for what, rights in edit_rights(*st.FREE).items()},
    "restore": ("dids.restore_did",),
    "delete": ("dids.delete_did",),
}
OF_ALL = frozenset({"action", "numbers", "range", "filter", "expected", "dry_run"})


class Bulk(Body):
    """An action, the numbers that it applies to, and what the action needs to know."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "archive", "filter": {"status": ["instock"]}, "expected": 1200, "dry_run": True}
            ]
        }
    )
    action: str = Field(description="What to do", json_schema_extra={"enum": ACTIONS}, examples=["edit"])
    numbers: list[str] | None = Field(
        None, description="Numbers in any notation, or ids as in id:17", examples=[["442071838750"]]
    )
    range: str | None = Field(
        None, description="All numbers from the first to the last of a range", examples=["4420000-4420999"]
    )
    filter: dict[str, Any] | None = Field(
        None, description="Parameters of the list of numbers", examples=[{"status": ["instock"]}]
    )
    expected: StrictInt | None = Field(
        None, ge=0, description="Refuse the request if another number of numbers is selected"
    )
    dry_run: StrictBool = Field(False, description="Answer what would be done, and do nothing")
    operator: StrictInt | None = Field(None, description="create: the id of the operator")
    client: StrictInt | None = Field(None, description="assign, reserve: the id of the client")
    name: str | None = Field(None, description="reserve: a name instead of a client")
    purpose: str | None = Field(None, description="reserve: what for, which makes a reservation")
    ends_at: str | None = Field(None, description=f"reserve: {ENDS[0].lower()}{ENDS[1:]}")
    client_package: StrictInt | None = Field(None, description="assign: the id of the client’s package")
    account: StrictInt | None = Field(None, description="assign: the id of the client’s account")
    override_reason: str | None = Field(None, description=f"assign: {OVERRIDE_REASON}")
    status: str | None = Field(None, description="create, edit: the status")
    after_hold: str | None = Field(None, description="create, edit: the status after a hold")
    hold_days: StrictInt | None = Field(None, description="create, edit: 0 to 365; null inherits")
    tags: list[str] | None = Field(None, description="create, edit: the tags, which replace others")
    add_tags: list[str] | None = Field(None, description="edit: tags to add")
    remove_tags: list[str] | None = Field(None, description="edit: tags to remove")
    notes: str | None = Field(None, description="create, edit: the notes")


@dataclass
class _Action:
    """How an action is rehearsed, done at once, and left to a job.

    ``preview``, ``write``: take the selected numbers. ``submit``: takes a ``Pick``. ``sentence``: of the
    result. ``warn``: returns a warning about the picked numbers in a rehearsal.
    """

    preview: Callable[[Any], Result]
    write: Callable[[Any], Result]
    submit: Callable[[Pick], Job]
    sentence: Callable[[Result], str]
    warn: Callable[[Pick], str] = lambda _pick: ""


class WrittenMany(Written):
    """What a write to many numbers did."""

    reservation: int | None = Field(None, description="reserve: the id of the reservation that was made")


class Rehearsed(Schema):
    """What an action would do."""

    dry_run: bool
    selected: int = Field(description="How many numbers are selected")
    result: Counts
    refusals: list[RefusedFor]
    warning: str = Field("", description="What to consider, such as recent clients of the numbers")


class QueuedJob(Schema):
    id: UUID = Field(examples=["0197f3a2-5a64-7c3e-9d2b-6f1c2a4e8b90"])
    label: str = Field(examples=["Mass edit: 3,000 numbers"])
    state: str = Field(json_schema_extra={"enum": [*map(str, Job.State.values)]}, examples=["queued"])
    url: str = Field(examples=["/api/v1/jobs/0197f3a2-5a64-7c3e-9d2b-6f1c2a4e8b90"])


class Queued(Schema):
    """The job that does it, whose URL is in ``Location`` too."""

    job: QueuedJob


@router.post(
    "/dids/bulk",
    operation_id="bulk_dids",
    url_name="bulk_dids",
    summary="Change many numbers",
    response={200: WrittenMany | Rehearsed, 202: Queued},
)
@needs("dids.view_did")
@also_needs(_NEEDS)
@once
def bulk_dids(request: HttpRequest, body: Bulk) -> HttpResponse:
    """Create, edit, assign, move or delete many numbers in one change.

    Up to 2,000 are done at once; more become a job, to be read at the address in ``Location``. A reservation
    takes up to 10,000, at once, and needs reservations:write as well.
    """
    _check_members(body)
    if body.action == "create":
        return _create(body, request.user)
    if body.action == "reserve" and body.model_fields_set & _TAKES["reserve"]:
        return _reserve(body, request.user)
    action = _action(body, request.user)
    pick = _pick(body, request.user)
    _check_expected(body, pick.count)
    if body.dry_run:
        result = action.preview(pick.queryset)
        result.add(pick.missing)
        return _rehearsed(result, pick.count, action.warn(pick))
    if pick.count > SMALL:
        return queued(action.submit(pick))
    result = action.write(pick.queryset)
    result.add(pick.missing)
    return answer(written(result, action.sentence(result)))


def _check_members(body: Bulk) -> None:
    """Raise ProblemError unless the body has a known action, what it takes, and one way to name numbers."""
    if body.action not in ACTIONS:
        sentence = f"There is no action “{shorten(body.action)}”. Use one of {', '.join(ACTIONS)}."
        raise invalid([error("#/action", shorten(body.action), sentence, "unknown_action")])
    unused = body.model_fields_set - OF_ALL - _TAKES.get(body.action, frozenset())
    errors = [
        error(f"#/{name}", None, f"The action “{body.action}” takes no “{name}”. Leave it out.", "unused")
        for name in Bulk.model_fields
        if name in unused
    ]
    ways = [name for name in ("numbers", "range", "filter") if getattr(body, name) is not None]
    if body.action == "create" and "filter" in ways:
        errors.append(error("#/filter", None, "New numbers are named by “numbers” or “range”.", "unused"))
    elif len(ways) != 1:
        errors.append(error("#", None, "Name the numbers by one of “numbers”, “range” and “filter”."))
    if errors:
        raise invalid(errors)


def _check_expected(body: Bulk, count: int) -> None:
    if body.expected is not None and body.expected != count:
        sentence = (
            f"You expected {count_noun(body.expected, 'number')}, but selected {count:,}. Nothing was"
            " changed: check which numbers they are."
        )
        raise ProblemError(409, "unexpected_count", sentence, expected=body.expected, selected=count)


def _rehearsed(result: Result, selected: int, warning: str = "") -> HttpResponse:
    body = {"dry_run": True, "selected": selected, "result": counts(result), "refusals": refusals(result)}
    return answer(body | ({"warning": warning} if warning else {}))


def queued(job: Job) -> HttpResponse:
    """Answer with a job that has just been submitted."""
    body = queued_job(job)
    return answer({"job": body}, status=202, headers={"Location": body["url"]})


def queued_job(job: Job) -> dict[str, Any]:
    """Return a ``QueuedJob`` as JSON."""
    url = reverse("api:get_job", args=[job.pk])
    return {"id": str(job.pk), "label": str(job), "state": job.state, "url": url}


# --- creating


def _create(body: Bulk, user: Any) -> HttpResponse:
    if not user.has_perm("dids.add_did"):
        raise lacks("dids.add_did")
    way = "range" if body.numbers is None else "numbers"
    text = body.range if body.numbers is None else "\n".join(body.numbers)
    defaults = {"status": st.INSTOCK, "after_hold": st.INSTOCK}
    data = defaults | form_data(sent(body, NewFields)) | {"numbers": text or ""}
    form = NewForm(data, by=user)
    check(form, {"numbers": way})
    fields = dict(form.cleaned_data)
    numbers = fields.pop("numbers")
    _check_expected(body, numbers.count)
    if body.dry_run:
        return _rehearsed(DID.objects.preview_create(numbers), numbers.count)
    if numbers.count > SMALL:
        return queued(submit_create(user, numbers, **fields))
    result = create(numbers, form, fields, user)
    return answer(written(result, created_sentence(result, fields["operator"])))


# --- reserving


def _reserve(body: Bulk, user: Any) -> HttpResponse:
    may_edit(user)
    check_scope(user, "reservations", "write")
    form = reserve_form(body, user)
    pick = _pick(body, user)
    _check_expected(body, pick.count)
    if not pick.count:
        found = pick.missing
        return _rehearsed(found, 0) if body.dry_run else answer(written(found, found.sentence("reserved")))
    numbers: Any = pick.queryset
    draft = reservation_of(form, numbers, pick.count)
    if body.dry_run:
        result = numbers.preview_reserve(draft, by=user)
        result.add(pick.missing)
        return _rehearsed(result, pick.count)
    result = numbers.reserve(draft, by=user)
    result.add(pick.missing)
    return answer(written(result, reserved_sentence(draft, result)) | {"reservation": draft.pk})


# --- what is done


def _action(body: Bulk, user: Any) -> _Action:
    """Return what the body asks for. Raises ProblemError for invalid members and for a missing right."""
    if body.action in MOVES:
        return _move(body.action, user)
    if body.action == "assign":
        return _assignment(body, user)
    if body.action == "delete":
        if not user.has_perm("dids.delete_did"):
            raise lacks("dids.delete_did")
        return _Action(
            preview=lambda dids: dids.preview_delete(by=user),
            write=lambda dids: dids.delete_unused(by=user),
            submit=lambda pick: submit_delete(user, pick, pick.missing),
            sentence=lambda result: result.sentence("deleted"),
        )
    may_edit(user)
    fields = _EDITS.get(body.action) or _edited_fields(body, user)
    return _Action(
        preview=lambda dids: dids.preview_edit(by=user, **fields),
        write=lambda dids: dids.edit(
            by=user, kind=Change.Kind.MASS_EDIT, label=mass_edit_label(fields), **fields
        ),
        submit=lambda pick: submit_edit(user, pick, fields, pick.missing),
        sentence=lambda result: result.sentence("changed"),
    )


_PREVIEWS = {
    "end_hold": DIDQuerySet.preview_end_hold,
    "end_reservation": DIDQuerySet.preview_end_reservation,
}


def _move(name: str, user: Any) -> _Action:
    move = MOVES[name]
    if name == "end_reservation":
        check_scope(user, "reservations", "write")
    if not move.may(user):
        raise lacks(f"dids.{move.rights[0]}")
    target = {"block": st.BLOCKED, "unblock": st.ACTIVE, "hold": st.HOLD}.get(name)
    return _Action(
        preview=lambda dids: (
            dids.preview_edit(by=user, status=target) if target else _PREVIEWS[name](dids, by=user)
        ),
        write=lambda dids: move.write(dids, by=user),
        submit=lambda pick: submit_any_move(user, pick, name, pick.missing),
        sentence=lambda result: result.sentence(move.verb, move.effect),
    )


def _assignment(body: Bulk, user: Any) -> _Action:
    if not user.has_perm("dids.assign_did"):
        raise lacks("dids.assign_did")
    holder, override = holder_of(body, user), override_of(body, user)
    return _Action(
        preview=lambda dids: dids.preview_assign(*holder, by=user, override=override),
        write=lambda dids: dids.assign(*holder, by=user, override=override),
        submit=lambda pick: submit_assign(user, pick, *holder, pick.missing, override),
        sentence=lambda result: result.sentence(assigned_verb(*holder)),
        warn=lambda pick: reuse_warning(pick, holder[0].client, user, None),
    )


def _edited_fields(body: Bulk, user: Any) -> dict[str, Any]:
    """Return the arguments of ``DIDQuerySet.edit`` that the form for many numbers makes of the body."""
    names = body.model_fields_set & _TAKES["edit"]
    of_tags = sorted(name for name in names if name.endswith("tags"))
    if not names:
        raise invalid([error("#", None, "Name at least one field to change.")])
    if len(of_tags) > 1:
        raise invalid([error(f"#/{of_tags[1]}", None, "Use one of “tags”, “add_tags” and “remove_tags”.")])
    data = form_data({name: getattr(body, name) for name in names})
    data |= {f"change_{name}": "on" for name in names if name not in of_tags}
    if of_tags:
        actions = {"tags": MassEditForm.REPLACE, "add_tags": MassEditForm.ADD}
        data |= {"change_tags": "on", "tags": data.pop(of_tags[0])}
        data["tag_action"] = actions.get(of_tags[0], MassEditForm.REMOVE)
    form = MassEditForm(data, by=user)
    check(form, {"tags": of_tags[0]} if of_tags else {})
    return form.touched()


# --- which numbers


def _pick(body: Bulk, user: Any) -> Pick:
    visible = DID.objects.visible_to(user)
    if body.numbers is not None:
        return _listed(body.numbers, visible)
    if body.range is not None:
        return pick_matching(_filterset(_range(body.range), visible, user, "#/range"))
    filterset = _filterset(_query(body.filter or {}), visible, user, "#/filter/")
    if body.expected is None and not _narrows(filterset, user):
        sentence = "This filter selects all numbers. Send how many you expect, to confirm it."
        raise invalid([error("#/expected", None, sentence, "required")])
    return pick_matching(filterset)


def _narrows(filterset: DIDFilter, user: Any) -> bool:
    """Return whether a filter has a value that may leave numbers out; a user’s only reseller doesn’t."""
    return bool({*filterset.parameters()} - ({"reseller"} if user.reseller_id else set()))


def _listed(entries: list[str], visible: Any) -> Pick:
    """Pick the visible numbers of a list; entries that are no number are errors."""
    errors, numbers, ids = [], Numbers(), []
    if len(entries) > PICK_LIMIT:
        sentence = f"These are {len(entries):,} entries; at most {PICK_LIMIT:,} are read at once."
        raise invalid([error("#/numbers", None, f"{sentence} Use a range or a filter.", "too_many")])
    if not entries:
        raise invalid([error("#/numbers", None, "Name at least one number.", "required")])
    found = []
    for place, entry in enumerate(entries):
        if entry.startswith("id:"):
            if pk := parse_whole(entry[3:]):
                ids.append(pk)
                continue
            errors.append(error(f"#/numbers/{place}", shorten(entry), "An id is a whole number: id:17."))
            continue
        of_entry = Numbers()
        found += read_ranges(entry, of_entry)
        errors += [
            error(f"#/numbers/{place}", shorten(entry), problem.reason, "number")
            for problem in of_entry.errors
        ]
    if errors:
        raise invalid(errors)
    numbers.add(found)
    if numbers.count + len(ids) > PICK_LIMIT:
        sentence = f"These are {numbers.count:,} numbers; at most {PICK_LIMIT:,} can be listed."
        raise invalid([error("#/numbers", None, f"{sentence} Use a range or a filter.", "too_many")])
    listed = pick_listed(numbers, visible)
    if not ids:
        return listed
    known = set(visible.filter(pk__among=ids).order_by().values_list("pk", flat=True))
    if gone := [f"id:{pk}" for pk in dict.fromkeys(ids) if pk not in known]:
        listed.missing.refuse("missing", MISSING, len(gone), gone)
    known |= set(map(int, filter(None, listed.ids.split(","))))
    return Pick.of(sorted(known), listed.missing)


def _range(text: str) -> QueryDict:
    """Return the search for a range of numbers."""
    sentence = "Enter a range as its first and its last number, such as 4420000-4420999."
    try:
        search = parse_search(text)
    except NumberError as refusal:
        sentence, search = str(refusal), None
    if search is None or search.kind != "range":
        raise invalid([error("#/range", shorten(text), sentence, "range")])
    query = QueryDict(mutable=True)
    query["q"] = text
    return query


def _query(parameters: Mapping[str, Any]) -> QueryDict:
    """Return the members of a filter as the parameters of the list."""
    query, errors = QueryDict(mutable=True), []
    for name, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        if name in NOT_TAKEN or name in OF_LISTS:
            errors.append(error(f"#/filter/{name}", None, "A selection has no such filter.", "unused"))
        elif all(isinstance(one, (str, int)) for one in values):
            query.setlist(name, [str(one) for one in values])
        else:
            errors.append(error(f"#/filter/{name}", None, "Send text, a whole number, or a list of them."))
    if errors:
        raise invalid(errors)
    return query


def _filterset(query: QueryDict, visible: Any, user: Any, pointer: str) -> DIDFilter:
    filterset = DIDFilter(query, visible, user=user)
    if not filterset.is_valid():
        errors = errors_of(filterset.errors, filterset.data, pointer)
        if pointer == "#/range":
            errors = [one | {"pointer": pointer} for one in errors]
        raise invalid(errors)
    return filterset
