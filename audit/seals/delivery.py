"""Deliver seals to places outside of the database, where its owner can't change them.

A place is a file (SEAL_LOG), a web address (SEAL_WEBHOOK) or mail addresses (SEAL_MAIL). Each gets every seal
at least once, in order. What could not be delivered is tried again every minute.
"""

import json
import logging
import socket
from collections.abc import Callable
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.core.mail import EmailMessage

from audit.models import Seal, SealDelivery
from audit.seals.log import append, as_lines, entry
from didmgmt.clock import database_now

BATCH = 100  # seals in one request or mail; a chain that is new to a place takes several
RETRY_AFTER = timedelta(minutes=1)
TIMEOUT = 10  # seconds

Entries = list[dict[str, Any]]

log = logging.getLogger(__name__)


def places() -> dict[str, Callable[[Entries], None]]:
    """Return {name: function that sends entries} of the configured places.

    The log is a place of its own on each host, so that every host's file is complete.
    """
    found: dict[str, Callable[[Entries], None]] = {
        f"log {socket.gethostname()} {settings.SEAL_LOG}"[:200]: _log
    }
    if settings.SEAL_WEBHOOK:
        found["webhook"] = _post
    if settings.SEAL_MAIL:
        found["mail"] = _mail
    return found


def deliver_seals() -> int:
    """Send each place the seals that it has not got; return how many were delivered.

    A place that fails keeps no other one waiting. One query a place if nothing is due.
    """
    newest = Seal.objects.order_by("-number").values_list("number", "digest").first()
    delivered = 0
    for name, send in places().items():
        delivery, _ = SealDelivery.objects.get_or_create(place=name)
        if (newest or (0, "")) != (delivery.number, delivery.digest):
            delivered += _deliver(delivery, send)
    return delivered


def _deliver(delivery: SealDelivery, send: Callable[[Entries], None]) -> int:
    """Make one attempt, unless another worker is making one or one has failed within ``RETRY_AFTER``."""
    now = database_now()
    if delivery.tried_at and now - RETRY_AFTER < delivery.tried_at <= now:
        return 0
    turn = SealDelivery.objects.filter(pk=delivery.pk)
    if not turn.filter(number=delivery.number, tried_at=delivery.tried_at).update(tried_at=now):
        return 0
    # A seal that was delivered but is no longer there was replaced, so the whole chain is sent again.
    intact = Seal.objects.filter(number=delivery.number, digest=delivery.digest).exists()
    due = Seal.objects.filter(number__gt=delivery.number if intact else 0).order_by("number")[:BATCH]
    entries = [entry(seal) for seal in due]
    try:
        if entries:
            send(entries)
    except (OSError, HTTPException) as error:
        log.warning("Seals can’t be delivered to %s; trying again: %s", delivery, error)
        turn.update(error=str(error)[:200], failing_since=delivery.failing_since or now)
        return 0
    sent = {key: entries[-1][key] for key in ("number", "digest")} if entries else {"number": 0, "digest": ""}
    turn.update(**sent, tried_at=None, error="", failing_since=None)
    return len(entries)


def _log(entries: Entries) -> None:
    append(settings.SEAL_LOG, entries)


class _NoRedirects(HTTPRedirectHandler):
    """Make a redirect an error: urllib would follow it by a GET without the seals."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(entries: Entries) -> None:
    request = Request(  # noqa: S310 - settings allow http and https only
        settings.SEAL_WEBHOOK,
        data=json.dumps({"seals": entries}).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "didmgmt"},
    )
    with build_opener(_NoRedirects).open(request, timeout=TIMEOUT) as response:
        response.read(1)


def _mail(entries: Entries) -> None:
    first, last = entries[0]["number"], entries[-1]["number"]
    numbers = f"Seal {last}" if first == last else f"Seals {first} to {last}"
    body = (
        "History of DID Management was sealed. Keep this mail; its lines can be saved to a file and compared"
        f" by: manage.py verify_history --log FILE\n\n{as_lines(entries)}"
    )
    EmailMessage(f"{numbers} of DID Management", body, to=settings.SEAL_MAIL).send()
