"""What is recorded of numbers: their history, who had them when, and why they are as they are."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from ninja import Router
from pydantic import Field

import sheets
from api.access import found, needs
from api.dids import read_address
from api.facts import parameters
from api.fields import TEXT, Named, answer, component_reference, moment, named
from api.inputs import Body
from api.lists import MOST, USUAL, next_url, read_limit
from api.problems import error, errors_of, invalid, refuse_unknown, unknown_parameters
from api.streams import CSV, JSON, NDJSON, accepted, csv_answer, ndjson_answer, streamed_answers
from audit import history
from didmgmt import clock
from didmgmt.text import parse_whole, shorten
from dids.exports import ownership as ownership_rows
from dids.forms.past import WhoHadItForm
from dids.history.explain import explain
from dids.history.ownership import (
    ABSENT,
    DELETED,
    FREE,
    NEVER,
    ON_HOLD,
    UNKNOWN,
    USED,
    periods_of,
    who_had_each,
)
from dids.history.timeline import other_lives, timeline
from dids.models import DID, DIDHistory
from dids.numbering.ranges import too_many
from dids.numbering.search import MAX_LISTED, parse_list

router = Router(tags=["History"])
LIVES_MOST = 100  # deletions of the same digits among which the newest visible one is looked for
ONLY = ("", "status")
LINE_END = re.compile("\r\n|\r|\n")
STATES = {
    USED: "in_use",
    ON_HOLD: "on_hold",
    FREE: "unassigned",
    ABSENT: "absent",
    DELETED: "deleted",
    NEVER: "never",
    UNKNOWN: "unknown",
}


class Difference(Body):
    """The old and new text of a field; "" is empty."""

    field: str = Field(examples=["status"])
    old: str = Field(examples=["In Stock"])
    new: str = Field(examples=["Active"])


class HistoryEntry(Body):
    """A write to a number. ``change`` is null without one, or if you may not open it."""

    at: datetime
    event: Literal["created", "changed", "deleted"]
    actor: str = Field(examples=["clara.okafor"])
    action: str = Field(examples=["Assign"])
    change: int | None
    differences: list[Difference]


class EarlierLife(Body):
    """An earlier life of the same digits, under another id."""

    id: int
    deleted_at: datetime


class History(Body):
    """A page of the writes to a number, newest first; ``next`` is the URL of the next page."""

    id: int
    number: str = Field(examples=["442071838750"])
    items: list[HistoryEntry]
    next: str | None
    other_lives: list[EarlierLife]


class Boundary(Body):
    """What began or ended a period; ``exactly`` is false if it may have been earlier."""

    at: datetime
    exactly: bool
    actor: str = Field(examples=["clara.okafor"])
    action: str = Field(examples=["Assign"])
    change: int | None


class Held(Body):
    """Who had a number, and from when until when.

    ``names_then`` has the names at that time of what has another name now.
    """

    client: Named | None
    account: Named | None
    client_package: Named | None
    names_then: dict[Literal["client", "account", "package"], str]
    began: Boundary | None
    ended: Boundary | None


class OwnershipPeriod(Held):
    """A period of use, or of a Hold after it."""

    state: Literal["in_use", "on_hold"]


class OwnershipPeriods(Body):
    """Periods of a number, newest first. ``more``: there are older ones, which aren't listed."""

    id: int
    number: str = Field(examples=["442071838750"])
    items: list[OwnershipPeriod]
    more: bool


class Explanation(Body):
    """A sentence that explains the status of a number."""

    id: int
    number: str = Field(examples=["442071838750"])
    sentence: str = Field(examples=["Active since 2 March 2026."])


class Ownership(Held):
    """The state of a number at a time; ``note`` says in words what the other members don't."""

    number: str = Field(examples=["442071838750"])
    at: datetime
    state: Literal["in_use", "on_hold", "unassigned", "absent", "deleted", "never", "unknown"]
    status: str | None
    note: str


class Ownerships(Body):
    """The result of each look-up, in the order of the request."""

    items: list[Ownership]


def life_of(address: str, user: Any) -> tuple[int, str]:
    """Return (id, number) of the number at an address, also of one that was deleted or has left the reseller.

    Raises Http404 if the user may see nothing of it. At most three queries.
    """
    by, key = read_address(address)
    existing = DID.objects.filter(**{by: key})
    if life := existing.visible_to(user).values_list("pk", "number").first():
        return life
    if by == "pk":
        ids = [key]
    else:
        deleted = DIDHistory.objects.filter(event="-", number=key).order_by("-history_id")
        ids = [
            *existing.values_list("pk", flat=True),
            *deleted.values_list("object_id", flat=True)[:LIVES_MOST],
        ]
    rows = history.visible_to(DID, user).filter(object_id__in=ids).order_by("-history_id")
    newest: tuple[int, str] | None = rows.values_list("object_id", "number").first()
    if newest is None:
        raise Http404(f"There is no number {shorten(address)}.")
    return newest


@router.get(
    "/dids/{number}/history",
    operation_id="did_history",
    summary="Read the history of a number",
    response=History,
    openapi_extra=parameters(
        limit=({"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}, "Most writes of a page"),
        after=(TEXT, "Where the page begins. Take the URL in `next` instead of making one"),
        only=({"type": "string", "enum": ["status"]}, "Only what changed the status"),
    ),
)
@needs("dids.view_did")
def did_history(request: HttpRequest, number: str) -> HttpResponse:
    """Return the writes to a number, newest first, with the old and new text of each field.

    Also of one that was deleted or has left your reseller. ``only=status``: only those that created or
    deleted it or changed its status.
    """
    errors = unknown_parameters(request.GET, ["limit", "after", "only"])
    limit = read_limit(request.GET, errors)
    after, only = (request.GET.get(name, "").strip() for name in ("after", "only"))
    before = parse_whole(after) if after else None
    if after and before is None:
        sentence = "This is not a cursor of this list. Take the address in “next” as it is, or leave it out."
        errors.append(error("?after", after, sentence, "cursor"))
    if only not in ONLY:
        errors.append(error("?only", only, f"“{shorten(only)}” is not a valid value of “only”. Use status."))
    if errors:
        raise invalid(errors)
    pk, digits = life_of(number, request.user)
    entries, older = timeline(pk, request.user, before=before, size=limit, only_status=bool(only))
    body = {
        "id": pk,
        "number": digits,
        "items": [_entry(one) for one in entries],
        "next": next_url(request, str(older)) if older else None,
        "other_lives": [
            {"id": life.object_id, "deleted_at": moment(life.at)}
            for life in other_lives(pk, digits, request.user)
        ],
    }
    return answer(body)


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "at": moment(entry.at),
        "event": {"+": "created", "~": "changed", "-": "deleted"}[entry.event],
        "actor": entry.actor,
        "action": entry.label,
        "change": entry.change,
        "differences": [one._asdict() for one in entry.differences],
    }


@router.get(
    "/dids/{number}/ownership",
    operation_id="did_ownership",
    summary="Read who had a number",
    response=OwnershipPeriods,
)
@needs("dids.view_did", "audit.view_change")
def did_ownership(request: HttpRequest, number: str) -> HttpResponse:
    """Return the periods in which clients used a number or it was on Hold after use, newest first.

    ``more``: there are older ones, which aren't listed.
    """
    refuse_unknown(request.GET)
    pk, digits = life_of(number, request.user)
    periods, more = periods_of(digits, request.user)
    items = [{"state": STATES[one.kind]} | _holder(one) | _span(one) for one in periods]
    return answer({"id": pk, "number": digits, "items": items, "more": more})


@router.get(
    "/dids/{number}/explain",
    operation_id="explain_did",
    summary="Explain the status of a number",
    response=Explanation,
)
@needs("dids.view_did")
def explain_did(request: HttpRequest, number: str) -> HttpResponse:
    """Return a sentence: since when it has its status, why, by whom, and what happens next.

    Times are in UTC.
    """
    refuse_unknown(request.GET)
    by, key = read_address(number)
    dids = DID.objects.visible_to(request.user).for_table(clock.now()).filter(**{by: key})
    did = found(dids.first(), f"number {shorten(number)}")
    sentence = explain([did], request.user)[did.pk]
    return answer({"id": did.pk, "number": did.number, "sentence": sentence})


def _holder(period: Any) -> dict[str, Any]:
    """Return who had a number; ``…_then`` is the name at that time where it is another one now."""
    holder = {
        "client": named(period.client_id, period.client),
        "account": named(period.account, period.account_name),
        "client_package": named(period.client_package, period.package),
    }
    then = {"client": period.client_then, "account": period.account_then, "package": period.package_then}
    return holder | {"names_then": {name: text for name, text in then.items() if text}}


def _span(period: Any) -> dict[str, Any]:
    return {"began": _boundary(period and period.began), "ended": _boundary(period and period.ended)}


def _boundary(one: Any) -> dict[str, Any] | None:
    """Return what began or ended a period; ``exactly`` is false if it may have been earlier."""
    if one is None:
        return None
    return {
        "at": moment(one.at),
        "exactly": one.cause != "first known",
        "actor": one.actor,
        "action": one.action,
        "change": one.change.pk if one.change else None,
    }


# --- who had it ---------------------------------------------------------------------------------------


class NumberAt(Body):
    """A number, or a range, at a time of its own."""

    number: str = Field(description="The number, in any notation", examples=["+44 20 7183 8750"])
    at: str | None = Field(None, description="The time, such as 2026-05-03T14:03:27Z")


class WhoHadIt(Body):
    """Numbers and times to look up."""

    numbers: list[str | NumberAt] = Field(
        description=f"Up to {MAX_LISTED:,} numbers or ranges", examples=[["442071838750"]]
    )
    at: str | None = Field(None, description="The time for all without one of their own; now by default")


@router.post(
    "/who-had-it",
    operation_id="who_had_it",
    summary="Look up who had numbers at a time",
    response=Ownerships,
    openapi_extra=streamed_answers(CSV, NDJSON, line=component_reference(Ownership.__name__)),
)
@needs("audit.view_change", "dids.view_did")
def who_had_it(request: HttpRequest, body: WhoHadIt) -> HttpResponseBase:
    """Return who had each number at its time, in the order of the request; changes nothing."""
    wanted = accepted(request)
    asked = _read(body)
    results = zip(asked, who_had_each(asked, request.user), strict=True)
    if wanted == CSV:
        rows = (ownership_rows.row(one, at, moment) for (_, at), one in results)
        return csv_answer(request, sheets.write(chain([ownership_rows.HEADER], rows)))
    items = (_ownership(one, at) for (_, at), one in results)
    return answer({"items": [*items]}) if wanted == JSON else ndjson_answer(request, items)


def _read(body: WhoHadIt) -> list[tuple[str, datetime]]:
    """Return the distinct pairs of number and time; raise ProblemError with the sentences of the screen."""
    texts = [one if isinstance(one, str) else one.number for one in body.numbers]
    data = QueryDict(mutable=True)
    data["numbers"], data["at"] = "\n".join(texts), body.at or ""
    form = WhoHadItForm(data)
    errors = _number_errors(form, texts)
    errors += [one for one in errors_of(form.errors, {"at": body.at}, "#/") if one["pointer"] != "#/numbers"]
    times = {}
    for place, one in enumerate(body.numbers):
        if isinstance(one, NumberAt) and one.at is not None:
            try:
                times[place] = form.fields["at"].clean(one.at) or clock.now()
            except ValidationError as refusal:
                pointer, code = f"#/numbers/{place}/at", refusal.code or "invalid"
                errors += [error(pointer, one.at, text, code) for text in refusal.messages]
    if errors:
        raise invalid(errors)
    at = form.cleaned_data["at"]
    if not times:
        return [(number, at) for number in form.cleaned_data["numbers"]]
    return list(_pairs(texts, times, at))


def _number_errors(form: WhoHadItForm, texts: list[str]) -> list[dict[str, Any]]:
    """Return an error for each entry that can't be read, at its place in the list."""
    if "numbers" not in form.errors:
        return []
    if not form.refused:
        return [error("#/numbers", None, str(text)) for text in form.errors["numbers"]]
    places = [place for place, text in enumerate(texts) for _ in LINE_END.split(text)]
    # The form drops blank lines before the first number.
    places = places[len(places) - len(LINE_END.split("\n".join(texts).lstrip())) :]
    return [
        error(f"#/numbers/{places[one.line - 1]}" if one.line else "#/numbers", one.text, str(one))
        for one in form.refused
    ]


def _pairs(texts: list[str], times: dict[int, datetime], at: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the distinct pairs of entries with times of their own; raise ProblemError for too many."""
    seen: set[tuple[str, datetime]] = set()
    for place, text in enumerate(texts):
        then = times.get(place, at)
        for number in parse_list(text, MAX_LISTED)[0]:
            if (number, then) not in seen:
                seen.add((number, then))
                yield number, then
        if len(seen) > MAX_LISTED:
            raise invalid([error("#/numbers", None, too_many(len(seen), MAX_LISTED))])


def _ownership(one: Any, at: datetime) -> dict[str, Any]:
    period = one.dated
    return {
        "number": one.number,
        "at": moment(at),
        "state": STATES[one.kind],
        "status": one.period.status_key or None,
        **_holder(one.period),
        **_span(period),
        "note": one.note,
    }
