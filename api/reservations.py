"""Reservations: numbers kept for a client or a name until a time."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

from api.access import also_needs, needs, needs_scope
from api.fields import MAYBE_MOMENT, MOMENT, TEXT, WHOLE, Field, Fields, answer, moment, named, reference
from api.idempotency import once
from api.inputs import (
    ENDS,
    OVERRIDES,
    Assignment,
    Body,
    ReservationFields,
    check,
    holder_of,
    override_of,
    reservation_of,
    reserve_form,
)
from api.problems import ProblemError, error, invalid
from api.resources import Resource
from api.results import Written, refusals, written
from didmgmt import clock
from didmgmt.text import BIGGEST, count_noun
from dids import reservations
from dids.forms.reservations import DATE, MOST, EndFields
from dids.job_kinds import assigned_verb
from dids.lifecycle.result import Result
from dids.lists import records
from dids.lists.picks import pick_listed
from dids.models import DID, Reservation
from dids.models.reservations import check_end

router = Router(tags=["Reservations"])
MOST_AT_ONCE = 200  # reservations that are extended together

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

    ends_at: StrictStr | None = Member(description=ENDS)


class NewEnds(NewEnd):
    """Another end of several reservations."""

    reservations: list[StrictInt] = Member(
        min_length=1, max_length=MOST_AT_ONCE, description="Their ids", examples=[[41, 42]]
    )
    dry_run: StrictBool = Member(False, description="Only say what would happen")


class Extended(Written):
    """What an extension of several reservations did."""

    dry_run: bool = Member(description="Whether nothing was written", examples=[False])


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
    form = reserve_form(body, user, "\n".join(body.numbers))
    pick = pick_listed(form.cleaned_data["numbers"], DID.objects.visible_to(user))
    if not pick.count:
        named = pick.missing.refusals["missing"].named
        raise _refused(pick.missing, f"None of these numbers is in the inventory: {named}.")
    draft = reservation_of(form, pick.queryset, pick.count)
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
    "/reservations/extend",
    operation_id="extend_reservations",
    summary="Change the end of several reservations",
    response=Extended,
)
@may_write
@once
def extend_reservations(request: HttpRequest, body: NewEnds) -> HttpResponse:
    """Set another end of reservations and their numbers, or none, in one change.

    If one of them is over or isn’t yours, nothing is written. Together they keep at most 10,000 numbers.
    """
    user, until, ids = request.user, _until(body), sorted({*body.reservations})
    known = Reservation.objects.visible_to(user).filter(pk__in=[pk for pk in ids if 0 < pk <= BIGGEST])
    running = known.running(clock.now())
    if gone := {*ids} - {*running.values_list("pk", flat=True)}:
        sentence = "This reservation is over, or you don’t have access to it. Leave it out."
        raise invalid(
            [
                error(f"#/reservations/{place}", pk, sentence, "missing")
                for place, pk in enumerate(body.reservations)
                if pk in gone
            ]
        )
    numbers = DID.objects.filter(reservation__in=ids)
    if (count := numbers.count()) > MOST:
        sentence = f"They keep {count:,} numbers; at most {MOST:,} are written at once. Extend them in parts."
        raise invalid([error("#/reservations", None, sentence, "too_many")])
    try:
        check_end(until, clock.now())
        if body.dry_run:
            result = numbers.preview_reserve_until(ids, until, by=user)
        else:
            label = f"End of {count_noun(len(ids), 'reservation')} changed"
            result = running.end_on(until, by=user, label=label)
    except ValidationError as refusal:
        raise invalid([error("#/ends_at", body.ends_at, refusal.messages[0], "past")]) from None
    sentence = reservations.all_extended_sentence(len(ids), until, result)
    if not result.done and not result.unchanged:
        raise _refused(result, sentence, "over")
    return answer(written(result, sentence) | {"dry_run": body.dry_run})


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
@also_needs(OVERRIDES)
@may_write
@once
def assign_reservation(request: HttpRequest, pk: int, body: Assignment) -> HttpResponse:
    """Assign the numbers to a client’s account. Those that can’t be assigned stay reserved."""
    reservation = RESERVATIONS.row(pk, request.user)
    client_package, account = holder_of(body, request.user)
    override = override_of(body, request.user)
    numbers = reservation.dids.all()
    result = numbers.assign_reserved(client_package, account, by=request.user, override=override)
    sentence = result.sentence(assigned_verb(client_package, account))
    if not result.done:
        raise _refused(result, sentence)
    return _answer(request, result, sentence, pk if reservation.dids.exists() else None)


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
