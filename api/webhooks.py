"""Webhooks: the endpoints, what was sent to them, and sending it again."""

import json
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.debug import sensitive_variables
from ninja import Router, Schema
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

from api.access import found, needs, needs_scope, with_id
from api.bulk import Queued, queued
from api.facts import answers_with, answers_with_list, conditional
from api.fields import (
    MAYBE_MOMENT,
    MAYBE_TEXT,
    MOMENT,
    TEXT,
    WHOLE,
    Field,
    Fields,
    answer,
    moment,
    named,
    reference,
)
from api.idempotency import once, once_without
from api.inputs import Body, check, sent
from api.lists import list_answer
from api.problems import ProblemError, error, errors_of, invalid
from api.records import record_answer, record_fields
from api.resources import Resource
from api.writes import documented, documented_deletion, done, locked, saved
from events import endpoints
from events.catalogue import TYPES
from events.forms import DeliveryFilter, EndpointForm, ReplayForm
from events.models import Delivery, Endpoint
from events.replaying import ALL, NOT_DELIVERED, events_between

router = Router(tags=["Webhooks"])
may_view, may_change = needs("events.view_endpoint"), needs("events.change_endpoint")

_AT = "2026-03-02T14:31:07.240000Z"
_TYPES = {"type": "array", "items": {"type": "string", "enum": [*TYPES]}}
_SECRET: dict[str, Any] = {
    **MAYBE_TEXT,
    "description": "The secret that signs, shown this once: null if the request is repeated with its key",
    "examples": ["whsec_…"],
}
_NO_UNDO: dict[str, Any] = {**MAYBE_TEXT, "description": "Null: changes of webhooks are edited, not undone"}
_ATTEMPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "at": MOMENT,
        "status": {"type": ["integer", "null"], "description": "Null without an answer"},
        "text": {**TEXT, "description": "The answer in short, or why there is none"},
        "body": {**TEXT, "description": "The first 2,048 bytes of the answer"},
        "took": {"type": "number", "description": "Seconds"},
    },
}

WEBHOOK = Fields(
    "Webhook",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 4),
        Field(
            "url",
            lambda row: row.shown_url,
            TEXT,
            "Where events are posted, without the query of the address, which may hold a secret",
            "https://billing.example/hooks/did",
        ),
        Field(
            "has_query", lambda row: "?" in row.url, {"type": "boolean"}, "Whether the URL has a query", False
        ),
        Field("description", lambda row: row.description, TEXT, "What it is for", "Billing"),
        Field("types", lambda row: row.types, _TYPES, "The types of events that it gets", ["did.assigned"]),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller and row.reseller.name),
            reference(maybe=True),
            "The reseller whose events it gets; null for those of all",
            None,
        ),
        Field("active", lambda row: row.active, {"type": "boolean"}, "Whether events are sent", True),
        Field(
            "state",
            lambda row: row.state,
            {"type": "string", "enum": ["new", "on", "failing", "paused", "disabled"]},
            "Its state; “new” before anything was sent",
            "on",
        ),
        Field("reason", lambda row: row.reason, TEXT, "Why it is disabled", ""),
        Field(
            "disabled_at",
            lambda row: moment(row.disabled_at),
            MAYBE_MOMENT,
            "When it was paused or disabled; null for an active one",
            None,
        ),
        Field(
            "failing_since",
            lambda row: moment(row.failing_since),
            MAYBE_MOMENT,
            "When the first try since the last success failed",
            None,
        ),
        Field("error", lambda row: row.error, TEXT, "Why the last try failed", ""),
        Field("sent", lambda row: row.sent, WHOLE, "How many events were delivered", 912),
        Field(
            "created_at",
            lambda row: moment(row.created_at),
            MOMENT,
            "When it was created",
            _AT,
        ),
    ],
)
DELIVERY = Fields(
    "Delivery",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 5120),
        Field(
            "event",
            lambda row: row.event_id,
            TEXT,
            "The id of the event, as `webhook-id`",
            "msg_kX3vC1yqN8bJw0Z",
        ),
        Field("type", lambda row: row.event.type, TEXT, "The type of the event", "did.assigned"),
        Field("about", lambda row: row.event.about, TEXT, "What it is about, in short", "442071838750"),
        Field("created_at", lambda row: moment(row.event.created_at), MOMENT, "When the event was made", _AT),
        Field(
            "state",
            lambda row: row.state,
            {"type": "string", "enum": [*map(str, Delivery.State.values)]},
            "Whether it waits for a try, was delivered or is given up",
            "delivered",
        ),
        Field("tries", lambda row: row.tries, WHOLE, "How often it was tried since it was sent last", 1),
        Field("next_try_at", lambda row: moment(row.next_try_at), MAYBE_MOMENT, "The next try", None),
        Field(
            "attempts",
            lambda row: [_attempt(entry) for entry in row.log],
            {"type": "array", "items": _ATTEMPT},
            "The last tries, oldest first",
            [{"at": _AT, "status": 200, "text": "200 OK", "body": "", "took": 0.2}],
            usual=False,
        ),
        Field(
            "payload",
            lambda row: json.loads(row.event.body),
            {"type": "object"},
            "What is posted",
            {"type": "did.assigned", "timestamp": _AT, "data": {"count": 1}},
            usual=False,
        ),
    ],
)
WEBHOOKS = Resource(
    endpoints.ENDPOINTS,
    WEBHOOK,
    "webhook",
    "webhooks",
    may_view,
    version_of=lambda pk: Endpoint.objects.values_list("last_change", flat=True).get(pk=pk),
)
WEBHOOKS.register(router)


def _attempt(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"at": moment(parse_datetime(entry["at"]))}


class WebhookBody(Body):
    """A new webhook, or what an edit changes."""

    url: StrictStr | None = Member(
        None,
        description="Where events are posted: https://, a host name, and no user name or password",
        examples=["https://billing.example/hooks/did"],
    )
    description: StrictStr = Member("", description="What it is for; up to 200 characters")
    types: list[StrictStr] = Member(
        [], description="The types of events that it gets", examples=[["did.assigned"]]
    )
    reseller: StrictInt | None = Member(None, description="The id of a reseller, for its events alone")


class Replay(Body):
    """A time span of events."""

    since: StrictStr = Member(description="The start", examples=["2026-03-02T14:00Z"])
    until: StrictStr = Member(description="The end, exclusive", examples=["2026-03-02T15:00Z"])
    only: StrictStr = Member(
        NOT_DELIVERED,
        description="Those that were not delivered, or all",
        json_schema_extra={"enum": [NOT_DELIVERED, ALL]},
    )
    dry_run: StrictBool = Member(False, description="Answer how many there are, and send nothing")


class Replayed(Schema):
    """How many events are sent again."""

    sentence: str = Member(examples=["12 events will be sent again."])
    count: int = Member(examples=[12])
    dry_run: bool


# --- endpoints


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Create a webhook",
    **documented(WEBHOOKS, 201, done="Secret", undo_url=_NO_UNDO, secret=_SECRET),
)
@may_change
@once_without("secret")
@sensitive_variables("secret")
def create_webhook(request: HttpRequest, body: WebhookBody) -> HttpResponse:
    """Create a webhook. The answer has its secret, which can’t be shown again."""
    endpoint, _ = _filled(Endpoint(), body, request.user)
    secret, sentence = endpoints.create(endpoint, by=request.user)
    return _with_secret(request, endpoint.pk, sentence, secret, is_new=True)


@router.patch(
    "/webhooks/{pk}",
    operation_id="edit_webhook",
    summary="Edit a webhook",
    **documented(WEBHOOKS, undo_url=_NO_UNDO),
)
@may_change
@conditional
def edit_webhook(request: HttpRequest, pk: int, body: WebhookBody) -> HttpResponse:
    """Change what the body names. For another reseller it starts again without what it got before."""
    with transaction.atomic():
        endpoint, fields = _filled(locked(request, WEBHOOKS, pk), body, request.user)
        return _saved(request, pk, endpoints.edit(endpoint, fields, by=request.user))


def _filled(endpoint: Endpoint, body: WebhookBody, user: Any) -> tuple[Endpoint, list[str]]:
    """Return the endpoint as the body says, unsaved, and the fields that change."""
    given = sent(body, WebhookBody)
    if user.reseller_id and given.get("reseller", user.reseller_id) != user.reseller_id:
        sentence = f"You have access to {user.reseller} only. Leave “reseller” out."
        raise invalid([error("#/reseller", given["reseller"], sentence, "invalid_choice")])
    blank = EndpointForm(instance=endpoint, by=user)
    shown = {name: blank.get_initial_for_field(field, name) for name, field in blank.fields.items()}
    data = {name: "" if value is None else value for name, value in (shown | given).items()}
    form = EndpointForm(data, instance=endpoint, by=user)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, given, "#/"))
    return form.save(commit=False), form.changed_data


@router.delete(
    "/webhooks/{pk}",
    operation_id="delete_webhook",
    summary="Delete a webhook",
    **documented_deletion(),
)
@may_change
@needs_scope("webhooks", "admin")
@conditional
def delete_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a webhook: nothing more is sent to it, and what was sent to it is gone."""
    with transaction.atomic():
        endpoint = locked(request, WEBHOOKS, pk)
        endpoint.remove(by=request.user)
        return answer(done(request, endpoint.deleted_sentence) | {"undo_url": None})


@router.post(
    "/webhooks/{pk}/secret",
    operation_id="replace_secret_of_webhook",
    summary="Replace the secret of a webhook",
    **documented(WEBHOOKS, done="Secret", undo_url=_NO_UNDO, secret=_SECRET),
)
@may_change
@once_without("secret")
@sensitive_variables("secret")
def replace_secret_of_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the secret. Both sign for 24 hours, so that the receiver can replace its own meanwhile."""
    with transaction.atomic():
        secret, sentence = endpoints.replace_secret(locked(request, WEBHOOKS, pk), by=request.user)
        return _with_secret(request, pk, sentence, secret)


@router.post(
    "/webhooks/{pk}/pause",
    operation_id="pause_webhook",
    summary="Pause a webhook",
    **documented(WEBHOOKS, undo_url=_NO_UNDO),
)
@may_change
@once
def pause_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop sending. What waits is sent when it is resumed; what happens meanwhile is not, so replay it."""
    return _switch(request, pk, endpoints.pause)


@router.post(
    "/webhooks/{pk}/resume",
    operation_id="resume_webhook",
    summary="Resume a webhook",
    **documented(WEBHOOKS, undo_url=_NO_UNDO),
)
@may_change
@once
def resume_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Send to a paused or disabled webhook again, first what waits."""
    return _switch(request, pk, endpoints.resume)


def _switch(request: HttpRequest, pk: int, act: Any) -> HttpResponse:
    with transaction.atomic():
        _, sentence = act(locked(request, WEBHOOKS, pk), by=request.user)
        return _saved(request, pk, sentence)


def _saved(request: HttpRequest, pk: int, sentence: str, **facts: Any) -> HttpResponse:
    return saved(request, WEBHOOKS, pk, sentence, undo_url=None, **facts)


@sensitive_variables("secret")
def _with_secret(request: HttpRequest, pk: int, sentence: str, secret: str, **facts: Any) -> HttpResponse:
    response = _saved(request, pk, sentence, secret=secret, **facts)
    response.headers["Cache-Control"] = "no-store"
    return response


# --- deliveries


@router.get(
    "/webhooks/{pk}/deliveries",
    operation_id="deliveries_of_webhook",
    url_name="deliveries_of_webhook",
    summary="List what was sent to a webhook",
)
@answers_with_list(DELIVERY, DeliveryFilter, ["created"], default="-created")
@may_view
def deliveries_of_webhook(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return a page of the deliveries to a webhook, newest first; `fields` adds payloads and tries."""
    endpoint = _endpoint(request, pk)
    return list_answer(
        request,
        DeliveryFilter,
        lambda query: endpoints.deliveries(endpoint, query, request.user),
        DELIVERY,
        lambda listing, keys, _names: _in_order(listing, keys),
    )


def _in_order(listing: Any, keys: list[int]) -> list[Delivery]:
    by_key = {delivery.pk: delivery for delivery in listing.fetched(keys)}
    return [by_key[key] for key in keys if key in by_key]


@router.get(
    "/webhooks/{pk}/deliveries/{delivery}",
    operation_id="get_delivery",
    url_name="get_delivery",
    summary="Read what was sent to a webhook",
)
@answers_with(DELIVERY)
@may_view
def get_delivery(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    """Return one delivery, with what is posted, and the answers of the last tries."""
    names = record_fields(request, DELIVERY)
    return record_answer(request, DELIVERY, _delivery(_endpoint(request, pk), delivery), None, names)


def _endpoint(request: HttpRequest, pk: int) -> Endpoint:
    visible = with_id(endpoints.ENDPOINTS.visible_to(request.user), pk)
    endpoint: Endpoint = found(visible.first(), f"webhook {pk}")
    return endpoint


def _delivery(endpoint: Endpoint, pk: int) -> Delivery:
    sent_to_it = with_id(endpoint.deliveries.select_related("event", "endpoint"), pk)
    delivery: Delivery = found(sent_to_it.first(), f"delivery {pk}")
    return delivery


# --- sending


_SENT: dict[str, Any] = {
    "type": "object",
    "title": "SentDelivery",
    "required": ["sentence", "delivery"],
    "properties": {"sentence": TEXT, "delivery": {"$ref": "#/components/schemas/Delivery"}},
}


def _sending(sentence: str) -> dict[str, Any]:
    """Return the keyword arguments of an operation that answers with a delivery on its way."""
    example = {"sentence": sentence, "delivery": DELIVERY.example() | {"state": "waiting", "tries": 0}}
    content = {"application/json": {"schema": _SENT, "example": example}}
    described = {"description": "It is on its way; its address is in `Location`", "content": content}
    return {"response": {202: None}, "openapi_extra": {"responses": {202: described}}}


@router.post(
    "/webhooks/{pk}/test",
    operation_id="test_webhook",
    summary="Send a test to a webhook",
    **_sending("A test is on its way."),
)
@may_change
@once
def test_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an event that tells of nothing. Ask at the address in ``Location`` for the answer."""
    endpoint = _endpoint(request, pk)
    try:
        delivery, sentence = endpoints.test(endpoint)
    except endpoints.InactiveError as refusal:
        raise _inactive(endpoint, refusal) from None
    return _on_its_way(delivery, sentence)


@router.post(
    "/webhooks/{pk}/deliveries/{delivery}/replay",
    operation_id="replay_delivery",
    summary="Send an event again",
    **_sending("msg_kX3vC1yqN8bJw0Z will be sent again."),
)
@may_change
@once
def replay_delivery(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    """Send an event again, with its first id, as if it had not been tried."""
    endpoint = _endpoint(request, pk)
    try:
        sentence = endpoints.replay_one(_delivery(endpoint, delivery))
    except endpoints.InactiveError as refusal:
        raise _inactive(endpoint, refusal) from None
    return _on_its_way(_delivery(endpoint, delivery), sentence)


def _on_its_way(delivery: Delivery, sentence: str) -> HttpResponse:
    (record,) = DELIVERY.objects([delivery], DELIVERY.usual)
    headers = {"Location": reverse("api:get_delivery", args=[delivery.endpoint_id, delivery.pk])}
    return answer({"sentence": sentence, "delivery": record}, status=202, headers=headers)


def _inactive(endpoint: Endpoint, refusal: endpoints.InactiveError) -> ProblemError:
    (record,) = WEBHOOK.objects([endpoint], WEBHOOK.usual)
    return ProblemError(409, "inactive", str(refusal), current=record)


@router.post(
    "/webhooks/{pk}/replay",
    operation_id="replay_webhook",
    summary="Send the events of a time span again",
    response={200: Replayed, 202: Queued},
)
@may_change
@once
def replay_webhook(request: HttpRequest, pk: int, body: Replay) -> HttpResponse:
    """Send what happened in a time span again, oldest first, with the first ids.

    Up to 10,000 events are made due at once; more become a job, to be read at the address in ``Location``.
    """
    endpoint = _endpoint(request, pk)
    form = ReplayForm(sent(body, Replay) | {"only": body.only})
    check(form)
    span = [form.cleaned_data[name] for name in ("since", "until", "only")]
    events = events_between(endpoint, *span)
    count = events.count()
    sentence = endpoints.counted(count)
    if count and not body.dry_run:
        try:
            job, sentence = endpoints.replay_span(endpoint, events, span, count, by=request.user)
        except endpoints.InactiveError as refusal:
            raise _inactive(endpoint, refusal) from None
        if job:
            return queued(job)
    return answer({"sentence": sentence, "count": count, "dry_run": body.dry_run})
