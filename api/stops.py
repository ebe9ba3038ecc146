"""Stop and start packages, and answer with what became of their numbers."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from api.fields import MAYBE_MOMENT, MAYBE_TEXT, TEXT, moment
from api.resources import Resource
from api.writes import saved
from dids.models import ClientPackage
from dids.models.number_previews import HoldPreview, Resumption
from dids.packages import Stop, reopened

_COUNT = {"type": "integer"}
HELD: dict[str, Any] = {
    "held": {
        "type": "array",
        "description": "The numbers that went on Hold, by what they have in common",
        "items": {
            "type": "object",
            "properties": {
                "was": TEXT,
                "hold_days": _COUNT,
                "hold_until": MAYBE_MOMENT,
                "after_hold": TEXT,
                "count": _COUNT,
            },
        },
    },
    "clients": {
        "type": "array",
        "description": "The clients that lost numbers, the most first",
        "items": {
            "type": "object",
            "properties": {"id": _COUNT, "name": TEXT, "package": MAYBE_TEXT, "count": _COUNT},
        },
    },
    "more_clients": {**_COUNT, "description": "How many further clients lost numbers"},
}
RETURNED: dict[str, Any] = {
    "returned": {
        "type": "object",
        "description": "How many numbers returned from Hold, by status",
        "additionalProperties": _COUNT,
    },
    "stay": {
        "type": "array",
        "description": "The numbers that stay on Hold, by reason; `numbers` names some of them",
        "items": {
            "type": "object",
            "properties": {
                "code": TEXT,
                "why": TEXT,
                "count": _COUNT,
                "numbers": {"type": "array", "items": TEXT},
            },
        },
    },
}


def stop(request: HttpRequest, resource: Resource, action: Stop, pk: int) -> HttpResponse:
    """Carry out ``action`` and answer with the record, and with the holds of the numbers by group."""
    preview = action.preview(request.user)
    sentence, result = action.run(request.user, preview)
    held = _held(preview) if result else _held(None)
    return saved(request, resource, pk, sentence, **held)


def reopen(request: HttpRequest, resource: Resource, record: Any) -> HttpResponse:
    """Reopen a closed client or restore an archived package, and answer with it."""
    was_closed = ClientPackage.reopen(record, by=request.user)
    return saved(request, resource, record.pk, reopened(record, was_closed))


def _held(preview: HoldPreview | None) -> dict[str, Any]:
    """Return the numbers that went on Hold, by what they have in common, and the clients that lost them."""
    if preview is None:
        return {"held": [], "clients": [], "more_clients": 0}
    groups = [
        {
            "was": group.status,
            "hold_days": group.days,
            "hold_until": moment(group.ends),
            "after_hold": group.after_hold,
            "count": group.count,
        }
        for group in preview.groups
    ]
    losses = preview.losses
    clients = [
        {"id": one.pk, "name": one.client, "package": one.package or None, "count": one.count}
        for one in (*losses.first, *losses.others)
    ]
    return {"held": groups, "clients": clients, "more_clients": losses.unlisted}


def returned(result: Resumption) -> dict[str, int]:
    """Return {status: how many numbers returned to it from Hold}."""
    return {status: count for status, count in result.returned.items() if count}


def stay(result: Resumption) -> list[dict[str, Any]]:
    """Return the numbers that stay on Hold, by reason; ``numbers`` names some of them."""
    return [
        {"code": one.code.replace(" ", "_"), "why": one.why, "count": one.count, "numbers": one.sample}
        for one in result.stay
    ]
