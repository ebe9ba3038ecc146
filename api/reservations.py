"""Reservations: numbers kept for a client or a name until a time."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

from api.access import needs, needs_scope
from api.fields import MAYBE_MOMENT, MOMENT, TEXT, WHOLE, Field, Fields, answer, moment, named, reference
from api.idempotency import once
from api.inputs import Assignment, Body, check, errors_by_name, holder_of
from api.problems import ProblemError, error, invalid
from api.resources import Resource
from api.results import Written, refusals, written
from dids import reservations
from dids.forms.reservations import DATE, NO_END, EndFields, ReserveForm
from dids.job_kinds import assigned_verb
from dids.lifecycle.result import Result
from dids.lists import records
from dids.lists.picks import pick_listed
from dids.models import DID

router = Router(tags=["Reservations"])

RESERVATION = Fields(
    "Reservation",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 41),
        Field(
            "client",
            lambda row: named(row.client_id, row.client and row.client.name),
            reference(maybe=True),
            "The client that the numbers are kept for; null for a name",
            {"id": 9, "name": "Jarrow Dental"},
        ),
        Field("name", lambda row: row.name or None, {"type": ["string", "null"]}, "The name, or null", None),
        Field("purpose", lambda row: row.purpose, TEXT, "What the numbers are kept for", "Offer 20433"),
        Field(
            "ends_at",
            lambda row: moment(row.ends_at),
            MAYBE_MOMENT,
            "When the numbers are In Stock again; null for no end",
            "2026-12-05T23:59:00.000000Z",
        ),
        Field(
            "made_at", lambda row: moment(row.made_at), MOMENT, "Since when", "2026-11-28T09:00:00.000000Z"
        ),
        Field("made_by", lambda row: row.maker, TEXT, "Who made it", "clara.okafor"),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller.name),
            reference(),
            "The reseller of its numbers",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field("numbers", lambda row: row.numbers, WHOLE, "How many numbers it keeps", 20),
    ],
)
RESERVATIONS = Resource(
    records.RESERVATIONS,
    RESERVATION,
    "reservation",
    "reservations",
    needs_scope("reservations", "read"),
    frozenset({"numbers"}),
)
RESERVATIONS.register(router)

_ENDS = "When it ends, such as 2026-12-05T23:59Z; a day alone means 23:59; null for no end"


class ReservationFields(Body):
    """For whom and what numbers are kept, and until when."""

    client: StrictInt | None = Member(None, description="The id of the client, or null for a name")
    name: StrictStr = Member("", description="A name, such as that of a prospect", examples=["Orsini"])
    purpose: StrictStr = Member("", description="What for; required", examples=["Trial"])
    ends_at: StrictStr | None = Member(None, description=_ENDS)


class NewReservation(ReservationFields):
    """Numbers to keep."""

    numbers: list[StrictStr] = Member(
        description="Numbers in any notation, or ranges such as 100-119", examples=[["442071838750"]]
    )
    dry_run: StrictBool = Member(False, description="Only say what would happen")
    expected: StrictInt | None = Member(
        None, ge=0, description="Write nothing unless exactly so many numbers can be reserved"
    )


class NewEnd(Body):
    """Another end."""

    ends_at: StrictStr | None = Member(description=_ENDS)


class Reserved(Written):
    """What a write to a reservation did."""

    dry_run: bool = Member(False, description="Whether nothing was written", examples=[False])
    reservation: dict[str, Any] | None = Member(
        None,
        description="The reservation as it is now; null once it has no numbers",
        examples=[dict(RESERVATION.example())],
    )


def may_write(operation: Any) -> Any:
    """Check the scope, and the right to edit the numbers that are reserved."""
    return needs("dids.change_did")(needs_scope("reservations", "write")(operation))


@router.post(
    "/reservations",
    operation_id="create_reservation",
    summary="Reserve numbers",
    response={200: Reserved, 201: Reserved},
)
@may_write
@once
def create_reservation(request: HttpRequest, body: NewReservation) -> HttpResponse:
    """Reserve numbers In Stock for a client or a name. The others are refused, each with its reason.

    They return to In Stock at the end by themselves. `Location` is the address of the reservation.
    """
    user = request.user
    form = _form(body, user, {"numbers": "\n".join(body.numbers)})
    pick = pick_listed(form.cleaned_data["numbers"], DID.objects.visible_to(user))
    if not pick.count:
        named = pick.missing.refusals["missing"].named
        raise _refused(pick.missing, f"None of these numbers is in the inventory: {named}.")
    draft = form.draft(pick.queryset, pick.count)
    if draft is None:
        raise invalid(errors_by_name(form, {}))
    if body.dry_run:
        result = pick.queryset.preview_reserve(draft, by=user)
        result.add(pick.missing)
        sentence = reservations.reserved_sentence(draft, result)
        return answer(written(result, sentence) | {"change": None, "dry_run": True, "reservation": None})
    result = pick.queryset.reserve(draft, by=user, expected=body.expected)
    rolled_back = body.expected is not None and result.done != body.expected
    result.add(pick.missing)
    sentence = reservations.reserved_sentence(draft, result)
    if rolled_back:
        sentence = f"{result.done:,} can be reserved instead of {body.expected:,}. Nothing was written."
        raise _refused(result, sentence, "unexpected_count")
    if not result.done:
        raise _refused(result, sentence)
    return _answer(request, result, sentence, draft.pk, created=True)


@router.post(
    "/reservations/{pk}/extend",
    operation_id="extend_reservation",
    summary="Change the end of a reservation",
    response=Reserved,
)
@may_write
@once
def extend_reservation(request: HttpRequest, pk: int, body: NewEnd) -> HttpResponse:
    """Set another end of a reservation and its numbers, or none."""
    reservation = RESERVATIONS.row(pk, request.user)
    try:
        result = reservation.end_on(_until(body), by=request.user)
    except ValidationError as refusal:
        raise invalid([error("#/ends_at", body.ends_at, refusal.messages[0], "past")]) from None
    sentence = reservations.extended_sentence(reservation, result)
    if not result.done and not result.unchanged:
        raise _refused(result, sentence, "over")
    return _answer(request, result, sentence, pk)


@router.post(
    "/reservations/{pk}/end",
    operation_id="end_reservation",
    summary="End a reservation",
    response=Reserved,
)
@may_write
@once
def end_reservation(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the numbers of a reservation in stock now."""
    reservation = RESERVATIONS.row(pk, request.user)
    result = reservation.dids.all().end_reservation(by=request.user)
    return _answer(request, result, reservations.ended_sentence(reservation, result), None)


@router.post(
    "/reservations/{pk}/assign",
    operation_id="assign_reservation",
    summary="Assign the numbers of a reservation",
    response=Reserved,
)
@needs("dids.assign_did")
@may_write
@once
def assign_reservation(request: HttpRequest, pk: int, body: Assignment) -> HttpResponse:
    """Assign the numbers to a client’s account. Those that can’t be assigned stay reserved."""
    reservation = RESERVATIONS.row(pk, request.user)
    client_package, account = holder_of(body, request.user)
    result = reservation.dids.all().assign_reserved(client_package, account, by=request.user)
    sentence = result.sentence(assigned_verb(client_package, account))
    if not result.done:
        raise _refused(result, sentence)
    return _answer(request, result, sentence, pk if reservation.dids.exists() else None)


def _form(body: ReservationFields, user: Any, data: dict[str, str]) -> ReserveForm:
    """Return the valid form of the screen; raise ProblemError for invalid values."""
    has_client = body.client is not None
    if has_client and body.name.strip():
        sentence = "Name a client or a name, not both."
        raise invalid([error("#/name", body.name, sentence, "both")])
    data |= {
        "whom": ReserveForm.CLIENT if has_client else ReserveForm.NAME,
        "client": str(body.client) if has_client else "",
        "name": body.name,
        "purpose": body.purpose,
        "ends": NO_END if body.ends_at is None else DATE,
        "ends_at": body.ends_at or "",
    }
    form = ReserveForm(data, by=user, is_selected=False)
    check(form)
    return form


def _until(body: NewEnd) -> Any:
    """Return the end that the body names, None for no end."""
    if body.ends_at is None:
        return None
    form = EndFields({"ends": DATE, "ends_at": body.ends_at})
    check(form)
    return form.cleaned_data["until"]


def _refused(result: Result, sentence: str, code: str = "") -> ProblemError:
    """Return the refusal of a write that reserved or assigned nothing."""
    code = code or next(iter(result.refusals), "refused")
    status = 403 if code == "right" or code.endswith(":right") else 409
    return ProblemError(status, code.replace(" ", "_"), sentence, refusals=refusals(result))


def _answer(
    request: HttpRequest, result: Result, sentence: str, pk: int | None, *, created: bool = False
) -> HttpResponse:
    """Answer with the result and the reservation as it is now."""
    body, headers = written(result, sentence) | {"dry_run": False, "reservation": None}, {}
    if pk is not None:
        row = RESERVATIONS.row(pk, request.user)
        (body["reservation"],) = RESERVATION.objects([row], RESERVATION.usual)
        headers["ETag"] = f'"{RESERVATIONS.version(pk) or 0}"'
        if created:
            headers["Location"] = reverse("api:get_reservation", args=[pk])
    return answer(body, status=201 if created else 200, headers=headers)
