"""The content of events: JSON objects below ``LARGEST`` bytes."""

import json

from django.urls import reverse

from didmgmt.clock import now
from didmgmt.dates import for_programs

LARGEST = 20_000  # bytes
LISTED = 100  # numbers or packages, up to which an event names them


def body_of(name, at, data):
    """Return the text that is posted; a list in ``data`` is left out if it would make it too large."""
    body = _json(name, at, data)
    if len(body.encode()) > LARGEST:
        body = _json(name, at, {key: value for key, value in data.items() if not isinstance(value, list)})
    return body


def _json(name, at, data):
    return json.dumps({"type": name, "timestamp": for_programs(at), "data": data}, ensure_ascii=False)


def of_change(change, count):
    """Return what every event of a change has. ``count``: how many objects the event is about."""
    return {
        "change": change.pk,
        "action": change.kind,
        "by": change.who,
        "count": count,
    }


def of_job(job):
    """Return what an event tells of a job that has ended."""
    return {
        "job": str(job.pk),
        "kind": job.kind,
        "label": str(job),
        "by": job.requested_by,
        "state": job.state,
        "result": job.sentence,
        "change": job.change_id,
        "path": reverse("jobs:detail", args=[job.pk]),
    }


def of_low_stock(level):
    """Return what an event tells of a ``StockLevel`` that the stock has fallen below, ``with_stock``."""
    subject = {"id": level.operator_id, "name": level.operator.name} if level.operator_id else level.subject
    return {
        "level": level.pk,
        level.of: subject,
        "reseller": level.reseller and level.reseller.name,
        "minimum": level.minimum,
        "in_stock": level.in_stock,
        "path": f"{reverse('dids:list')}?{level.address}",
    }


def of_test():
    """Return the content of a test."""
    return {"sentence": "This is a test. Nothing has changed.", "sent": for_programs(now())}
