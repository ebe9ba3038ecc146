"""Carry out a request once, however often a program sends it: ``Idempotency-Key`` on every POST.

The key is inserted in the transaction that carries out the request, and the answer is written in it too. So a
second request with the same key gets the same answer, also when the process that carried out the first one
was killed before it could send it. If both come at the same time, the second waits for the first.

Only requests that were carried out are kept: one that was refused has written nothing and is tried again.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse

from api.problems import ProblemError, error, invalid
from didmgmt.faults import is_transient
from didmgmt.form_tokens import insert_key
from didmgmt.models import SentRequest

HEADER = "Idempotency-Key"
LONGEST = 255  # characters of a key
KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Cache-Control")
RETRY_AFTER = 2  # seconds


def once(
    operation: Callable[..., HttpResponse], *, hidden: tuple[str, ...] = ()
) -> Callable[..., HttpResponse]:
    """Let an operation, which returns a rendered response, be carried out once for each key.

    ``hidden``: members of its answer that are secrets: they are not stored, and null in a repeated answer.
    """

    @wraps(operation)
    def carried_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get(HEADER, "")
        if not key:
            return operation(request, *args, **kwargs)
        if len(key) > LONGEST or not (key.isascii() and key.isprintable()):
            sentence = f"A key has 1 to {LONGEST} printable ASCII characters, such as a UUID."
            raise invalid([error(HEADER, key[:LONGEST], sentence)])
        stored = SentRequest(key=_sender(request, key), digest=_digest(request))
        with transaction.atomic():
            if not _insert(stored):
                return _repeated(SentRequest.objects.get(key=stored.key), stored.digest)
            response = operation(request, *args, **kwargs)
            _keep(stored, response, hidden)
        return response

    carried_out.once = True  # type: ignore[attr-defined]
    return carried_out


def once_without(*hidden: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Return ``once`` for an operation whose answer has secrets in the members ``hidden``."""
    return partial(once, hidden=hidden)


def _sender(request: Any, key: str) -> str:
    """Return the SHA-256 of who sent the key: two tokens of a person may use the same one."""
    token = getattr(request.user, "token", None)
    return _sha256(f"{request.user.pk}\0{token.pk if token else ''}\0{key}".encode())


def _digest(request: HttpRequest) -> str:
    """Return the SHA-256 of a request: of its body, or of the digest of a body received into a file."""
    received = getattr(request, "received", None)
    body = received.digest.encode() if received else request.body
    return _sha256(f"{request.method}\0{request.get_full_path()}\0".encode() + body)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _insert(stored: SentRequest) -> bool:
    """Insert the key; return False if another request has been carried out with it."""
    row = {"key": stored.key, "digest": stored.digest, "status_code": 0, "headers": "{}", "body": ""}
    try:
        return insert_key(SentRequest._meta.db_table, **row)
    except OperationalError as fault:
        # SQLite has one lock for all writers, so waiting in vain doesn't tell who has it.
        if connection.vendor == "sqlite" or not is_transient(fault):
            raise
        sentence = f"Another request with this {HEADER} is still being carried out. Send it again later."
        headers = {"Retry-After": str(RETRY_AFTER)}
        raise ProblemError(409, "in_progress", sentence, headers=headers) from fault


def _keep(stored: SentRequest, response: HttpResponse, hidden: tuple[str, ...]) -> None:
    """Write the answer next to the key; undo both, and all that was written, if the request was refused."""
    if response.status_code >= 400:
        transaction.set_rollback(True)
        return
    kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = response.content.decode()
    if hidden:
        body = json.dumps(json.loads(body) | dict.fromkeys(hidden), ensure_ascii=False)
    SentRequest.objects.filter(key=stored.key).update(
        status_code=response.status_code, headers=kept, body=body
    )


def _repeated(first: SentRequest, digest: str) -> HttpResponse:
    if first.digest != digest:
        sentence = (
            f"This {HEADER} was used for another request. Send the same method, address and body again, or"
            " take a new key."
        )
        raise ProblemError(422, "key_used", sentence, errors=[error(HEADER, None, sentence, "key_used")])
    return HttpResponse(
        first.body, status=first.status_code, headers=first.headers | {"Idempotent-Replayed": "true"}
    )
