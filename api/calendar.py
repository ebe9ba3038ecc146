"""What will happen to numbers by itself, by day."""

import hashlib
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from ninja import Router
from pydantic import Field

from api.access import TokenAuth, needs_scope
from api.facts import parameters
from api.fields import ID, answer
from api.inputs import Body
from api.problems import ProblemError, errors_of, invalid, refuse_unknown, unknown_parameters
from didmgmt import clock
from didmgmt.replica import may_lag
from dids.exports.upcoming import ICAL, ical
from dids.forms.upcoming import SPAN_MOST, SPAN_USUAL, SpanForm
from dids.lifecycle import statuses as st
from dids.upcoming import DAYS_AHEAD, KINDS, Upcoming
from staff.scopes import OF_FEEDS

router = Router(tags=["Calendar"])


class AddressAuth(TokenAuth):
    """Authenticate by a token in the address, for calendar programs, which send no headers.

    Logs have only its key, see ``didmgmt.logs``. As others see addresses, a token that may do more than read
    the calendar is refused. Days are those of the owner’s time zone.
    """

    def __call__(self, request: HttpRequest) -> Any:
        user = self.admit(request, f"Bearer {request.resolver_match.kwargs['token']}")  # type: ignore[union-attr]
        if user.token.scopes != OF_FEEDS:
            sentence = "This token may do more than read the calendar, so it isn’t accepted in an address."
            raise ProblemError(403, "forbidden", f"{sentence} Make a feed on the page Calendar.")
        timezone.activate(user.time_zone)
        return user


class Outcome(Body):
    """How many numbers get a status."""

    status: str = Field(json_schema_extra={"enum": [*st.LABELS]}, examples=["instock"])
    count: int = Field(examples=[83])


class Event(Body):
    """What of one kind happens on a day."""

    day: str = Field(
        description="A day in UTC", json_schema_extra={"format": "date"}, examples=["2026-11-30"]
    )
    kind: str = Field(
        description="Follow-on holds are those that package ends begin",
        json_schema_extra={"enum": [*KINDS]},
        examples=["hold_ends"],
    )
    numbers: int = Field(description="How many numbers get another status", examples=[102])
    outcomes: list[Outcome]
    events: int = Field(description="How many reservations or packages it is; 0 for holds", examples=[0])


class Calendar(Body):
    """What happens on the days ``first`` to ``last`` if nobody interferes; empty days are left out."""

    first: str = Field(json_schema_extra={"format": "date"}, examples=["2026-11-30"])
    last: str = Field(json_schema_extra={"format": "date"}, examples=["2027-01-13"])
    items: list[Event]


_DAY = {"type": "string", "format": "date"}


@router.get(
    "/calendar",
    operation_id="get_calendar",
    url_name="get_calendar",
    summary="What will happen by itself",
    response=Calendar,
    openapi_extra=parameters(
        **{
            "from": (
                _DAY,
                f"The first day, in UTC: today or later, at most {DAYS_AHEAD} days ahead; today without it",
            )
        },
        to=(_DAY, f"The last day, at most {SPAN_MOST} days in all; {SPAN_USUAL} days without it"),
        reseller=(ID, "The id of a reseller; not for a token of one"),
    ),
)
@needs_scope("calendar", "read")
@may_lag
def get_calendar(request: HttpRequest) -> HttpResponse:
    """Return by day how many holds, reservations and packages end, what numbers become, and what starts.

    Counted is what follows from the inventory as it is now; what people and programs do until then is not.
    """
    user: Any = request.user
    now = clock.now()
    form = SpanForm(request.GET, by=user, today=timezone.localtime(now).date())
    if errors := unknown_parameters(request.GET, form.fields):
        raise invalid(errors)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, request.GET, "?"))
    chosen = form.cleaned_data
    found = Upcoming(user, chosen["from"], chosen["to"], now=now, reseller=chosen.get("reseller"))
    items = [
        {
            "day": one.day.isoformat(),
            "kind": one.kind,
            "numbers": one.numbers,
            "outcomes": [
                {"status": status, "count": count} for status, count in one.outcomes.most_common() if count
            ],
            "events": one.events,
        }
        for one in found.entries.values()
    ]
    return answer({"first": chosen["from"].isoformat(), "last": chosen["to"].isoformat(), "items": items})


@router.get(
    "/calendar/{token}.ics",
    auth=AddressAuth(),
    operation_id="get_calendar_feed",
    url_name="calendar_feed",
    include_in_schema=False,
)
@needs_scope("calendar", "read")
@may_lag
def get_calendar_feed(request: HttpRequest, token: str) -> HttpResponse:  # noqa: ARG001 - read by AddressAuth
    """Send the calendar of the next days in iCal (RFC 5545): an all-day event for each kind of a day."""
    refuse_unknown(request.GET, ())
    user: Any = request.user
    now = clock.now()
    today = timezone.localtime(now).date()
    upcoming = Upcoming(user, today, today + timedelta(days=SPAN_MOST - 1), now=now)
    page = request.build_absolute_uri(reverse("calendar:calendar"))
    body = ical(upcoming, feed=user.token.key, page=page).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    response = HttpResponse(body, content_type=ICAL, headers=headers)
    return get_conditional_response(request, etag=etag, response=response) or response
