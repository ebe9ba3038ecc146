"""Writes to one number: create, edit, delete, and every move of its life."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router
from pydantic import Field

from api.access import also_needs, check_scope, lacks, needs
from api.dids import did_row
from api.facts import conditional
from api.fields import answer
from api.idempotency import once
from api.inputs import (
    OVERRIDES,
    Assignment,
    DIDEdit,
    NewFields,
    ReservationFields,
    check,
    form_data,
    holder_of,
    members,
    override_of,
    reservation_of,
    reserve_form,
    sent,
)
from api.problems import error, invalid
from api.records import changed, expected_version
from api.results import Written, WrittenDID, refused, state, written
from dids import reservations
from dids.forms.numbers import EditForm, NewForm
from dids.job_kinds import MOVES, assigned_verb
from dids.lifecycle import statuses as st
from dids.lifecycle.result import Result, created_sentence, saved_sentence
from dids.models import DID

router = Router(tags=["Numbers"])
Write = Callable[[Any], Result]


def edit_rights(*targets: str, sources: Iterable[str] = tuple(st.LABELS)) -> dict[str, tuple[str, ...]]:
    """Return {for what: permissions} of edits that move numbers from ``sources`` to ``targets``."""
    labels: dict[str, list[str]] = {}
    for move in st.MOVES.values():
        if move.edit and move.target in targets and move.source in sources:
            of_right = labels.setdefault(move.right, [])
            if st.LABELS[move.source] not in of_right:
                of_right.append(st.LABELS[move.source])
    rights: dict[str, tuple[str, ...]] = {}
    for right, found in labels.items():
        what = f"from {' and '.join(found)}"
        rights[what] = (*rights.get(what, ()), f"dids.{right}")
    return rights


class NewDID(NewFields):
    """A new number."""

    number: str = Field(description="The number, in any notation", examples=["+44 20 7183 8750"])


@router.post("/dids", operation_id="create_did", summary="Create a number", response={201: WrittenDID})
@needs("dids.add_did")
@once
def create_did(request: HttpRequest, body: NewDID) -> HttpResponse:
    """Create one number. For many, send ``create`` to ``/dids/bulk``."""
    data = form_data(members(body, NewFields)) | {"numbers": body.number}
    form = NewForm(data, by=request.user)
    check(form, {"numbers": "number"})
    fields = dict(form.cleaned_data)
    numbers = fields.pop("numbers")
    if numbers.count != 1:
        sentence = f"These are {numbers.count:,} numbers. Name one, or create many with /dids/bulk."
        raise invalid([error("#/number", body.number, sentence, "range")])
    result = create(numbers, form, fields, request.user)
    number = next(iter(numbers))
    sentence = created_sentence(result, fields["operator"])
    dids = DID.objects.visible_to(request.user).filter(number=number)
    if result.refused:
        raise refused(result, sentence, dids, request.user)
    return _answer(request, result, sentence, dids.get().pk, created=True)


def create(numbers: Any, form: NewForm, fields: dict[str, Any], user: Any) -> Result:
    """Create numbers with the cleaned ``fields`` of the form."""
    try:
        with transaction.atomic():
            return DID.objects.create_numbers(numbers, by=user, **fields)
    except IntegrityError:
        # The operator was deleted concurrently: validating again says so.
        form.full_clean()
        check(form, {"numbers": "number"})
        raise


@router.patch("/dids/{number}", operation_id="edit_did", summary="Edit a number", response=WrittenDID)
@needs("dids.view_did")
@also_needs(
    {"for all but the status": ("dids.change_did",)}
    | {f"for a status {what}": rights for what, rights in edit_rights(*st.LABELS).items()}
)
@conditional
def edit_did(request: HttpRequest, number: str, body: DIDEdit) -> HttpResponse:
    """Change what the body names. Send the ETag as ``If-Match`` to refuse an edit of what changed since."""
    may_edit(request.user)
    row = did_row(number, request.user)
    shown = {
        "status": row.status_now,
        "after_hold": row.after_hold,
        "hold_days": row.hold_days,
        "tags": row.tag_label,
        "notes": row.notes,
    }
    data = form_data(sent(body, DIDEdit))
    form = EditForm(data, shown=shown, by=request.user)
    if not form.fields.keys() >= data.keys():
        raise lacks("dids.change_did")
    empty = [name for name in ("status", "after_hold") if name in data and not data[name]]
    if empty:
        raise invalid([error(f"#/{name}", None, "Choose a status, or leave it out.") for name in empty])
    check(form)
    fields = form.touched()
    return _write(
        request,
        number,
        lambda dids: dids.edit(by=request.user, **fields),
        lambda result: _edited(row.number, result, fields),
    )


def _edited(number: str, result: Result, fields: dict[str, Any]) -> str:
    why = "".join(f"Refused: {one.why}." for one in result.refusals.values())
    return why or saved_sentence(number, result, fields)


def may_edit(user: Any) -> None:
    """Raise ProblemError for a user who can edit no number at all."""
    if not any(map(user.has_perm, st.EDIT_RIGHTS)):
        raise lacks("dids.change_did")


@router.delete("/dids/{number}", operation_id="delete_did", summary="Delete a number", response=Written)
@needs("dids.delete_did")
@conditional
def delete_did(request: HttpRequest, number: str) -> HttpResponse:
    """Delete a number that no client has; its history remains."""
    return _write(
        request,
        number,
        lambda dids: dids.delete_unused(by=request.user),
        lambda result: result.sentence("deleted"),
        gone=True,
    )


@router.post(
    "/dids/{number}/assign",
    operation_id="assign_did",
    summary="Assign a number to a client",
    response=WrittenDID,
)
@needs("dids.assign_did")
@also_needs(OVERRIDES)
@once
@conditional
def assign_did(request: HttpRequest, number: str, body: Assignment) -> HttpResponse:
    """Assign a number In Stock to a client’s account. One on Hold returns only to the client that had it."""
    did_row(number, request.user)
    client_package, account = holder_of(body, request.user)
    override = override_of(body, request.user)
    return _write(
        request,
        number,
        lambda dids: dids.assign(client_package, account, by=request.user, override=override),
        lambda result: result.sentence(assigned_verb(client_package, account)),
    )


def _write(
    request: HttpRequest,
    number: str,
    write: Write,
    sentence_of: Callable[[Result], str],
    *,
    gone: bool = False,
) -> HttpResponse:
    """Carry out a write to one number, on condition of ``If-Match``. Raises ProblemError if it is refused.

    ``gone``: there is no number afterwards.
    """
    user, version = request.user, expected_version(request)
    row = did_row(number, user)
    dids = DID.objects.visible_to(user).filter(pk=row.pk)
    with transaction.atomic():
        if version is not None:
            locked = DID.objects.select_for_update(of=("self",)).filter(pk=row.pk)
            if not locked.exists() or did_row(f"id:{row.pk}", user).version != version:
                raise changed(*state(row.pk, user))
        result = write(dids)
    if result.refused:
        raise refused(result, sentence_of(result), dids, user)
    if not result.selected:
        did_row(number, user)  # deleted in the meantime
    return _answer(request, result, sentence_of(result), None if gone else row.pk)


def _answer(
    request: HttpRequest, result: Result, sentence: str, pk: int | None, *, created: bool = False
) -> HttpResponse:
    """Answer with the result and the number as it is now."""
    headers, body = {}, written(result, sentence)
    if pk is not None:
        body["did"], version = state(pk, request.user)
        headers["ETag"] = f'"{version or 0}"'
        if created:
            headers["Location"] = reverse("api:get_did", args=[body["did"]["number"]])
    return answer(body, status=201 if created else 200, headers=headers)


# --- moves that need no more than the number


def _add_move(
    name: str,
    summary: str,
    about: str,
    write: Any,
    sentence: Any,
    right: str,
    rights: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> None:
    """Add the operation ``POST /dids/{number}/{name}``.

    ``right``: the one that it needs; "" for an edit, which needs those of ``rights``, see ``edit_rights``.
    """

    @conditional
    def operation(request: HttpRequest, number: str) -> HttpResponse:
        if not right:
            may_edit(request.user)
        digits = did_row(number, request.user).number
        return _write(
            request,
            number,
            lambda dids: write(dids, by=request.user),
            lambda result: sentence(digits, result),
        )

    operation.__doc__ = about
    if rights:
        also_needs(rights)(operation)
    key = f"{name.replace('-', '_')}_did"
    add = router.post(
        f"/dids/{{number}}/{name}", operation_id=key, url_name=key, summary=summary, response=WrittenDID
    )
    add(needs(right or "dids.view_did")(once(operation)))


def _add_client_move(name: str, summary: str, about: str) -> None:
    move = MOVES[name.replace("-", "_")]
    (right,) = move.rights
    _add_move(
        name,
        summary,
        about,
        move.write,
        lambda _digits, result: result.sentence(move.verb, move.effect),
        f"dids.{right}",
    )


def _add_edit(name: str, summary: str, about: str, *, sources: Iterable[str], **fields: Any) -> None:
    _add_move(
        name,
        summary,
        about,
        lambda dids, by: dids.edit(by=by, **fields),
        lambda digits, result: _edited(digits, result, {"status": fields["status"]}),
        "",
        edit_rights(fields["status"], sources=sources),
    )


_add_client_move("block", "Block a number", "Make an Active number unreachable; its client keeps it.")
_add_client_move("unblock", "Unblock a number", "Make a Blocked number reachable again.")
_add_client_move(
    "hold",
    "Put a number on Hold",
    "Take a number out of use. Its client can have it back until the hold ends.",
)
_add_client_move("end-hold", "End a hold", "Move a number on Hold to its After Hold status now.")


@router.post(
    "/dids/{number}/reserve",
    operation_id="reserve_did",
    url_name="reserve_did",
    summary="Reserve a number",
    response=WrittenDID,
)
@needs("dids.view_did")
@also_needs(edit_rights(st.RESERVED))
@once
@conditional
def reserve_did(request: HttpRequest, number: str, body: ReservationFields | None = None) -> HttpResponse:
    """Keep a number In Stock for a client or a name until a time, which needs reservations:write as well.

    Without a body move a free number to Reserved: it is not for sale, and in no reservation.
    """
    user = request.user
    may_edit(user)
    row = did_row(number, user)
    if body is None or not body.model_fields_set:
        fields = {"status": st.RESERVED}
        return _write(
            request,
            number,
            lambda dids: dids.edit(by=user, **fields),
            lambda result: _edited(row.number, result, fields),
        )
    check_scope(user, "reservations", "write")
    draft = reservation_of(reserve_form(body, user), DID.objects.filter(pk=row.pk), 1)
    return _write(
        request,
        number,
        lambda dids: dids.reserve(draft, by=user),
        lambda result: reservations.reserved_sentence(draft, result),
    )


_add_edit(
    "put-in-stock",
    "Put a number in stock",
    "Move a free number to In Stock.",
    sources=st.LABELS,
    status=st.INSTOCK,
)
_add_edit(
    "archive", "Archive a number", "Move a free number to the archive.", sources=st.LABELS, status=st.ARCHIVE
)
_add_edit(
    "restore",
    "Restore a number from the archive",
    "Move a number in the archive to In Stock.",
    sources=(st.ARCHIVE,),
    status=st.INSTOCK,
    from_archive=True,
)
