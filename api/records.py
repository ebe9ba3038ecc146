"""Single records: their entity tags, and requests that depend on them."""

import hashlib
import re
from typing import Any

from django.http import HttpRequest, HttpResponse

from api.fields import Fields, answer
from api.problems import ProblemError, error, invalid, refuse_unknown

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_VERSION = re.compile(r"[0-9]{1,18}")


def record_answer(
    request: HttpRequest, fields: Fields, row: Any, version: int | None, names: tuple[str, ...] | None = None
) -> HttpResponse:
    """Answer with a record, or 304 if the client has it already.

    The entity tag begins with ``version``, the id of the record's newest history row, which conditional
    writes compare. A digest follows, because names of related records and the time change an answer as well.
    """
    (record,) = fields.objects([row], names or fields.usual)
    response = answer(record)
    tag = f"{version or 0}-{hashlib.sha256(response.content).hexdigest()[:16]}"
    if tag in tags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
        del response.headers["Content-Type"]  # it has no content
    response.headers["ETag"] = f'"{tag}"'
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def record_fields(request: HttpRequest, fields: Fields) -> tuple[str, ...]:
    """Return the fields that a request for a single record names, all by default."""
    refuse_unknown(request.GET, ["fields"], many=["fields"])
    try:
        return fields.read(",".join(request.GET.getlist("fields") or fields.all))
    except LookupError as refusal:
        sentence = str(refusal.args[0])
        raise invalid([error("?fields", request.GET["fields"], sentence, "unknown_field")]) from None


def tags(header: str) -> list[str]:
    """Return the entity tags of a header without quotes; compression makes them weak, which is ignored."""
    return _TAG.findall(header)


def expected_version(request: HttpRequest) -> int | None:
    """Return the version that If-Match asks for, None without the header or for “*”.

    Raises ProblemError if the header is no entity tag of ours.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    versions = {tag.partition("-")[0] for tag in tags(header)}
    if len(versions) != 1 or not _VERSION.fullmatch(version := versions.pop()):
        sentence = "Send the ETag of the record as it is, or leave If-Match out."
        raise invalid([error("If-Match", header, sentence)])
    return int(version)


def changed(state: Any, current: int | None) -> ProblemError:
    """Return the refusal of a write that expected another version; ``state``: the record as it is now."""
    sentence = "The record has changed since you read it. Read it again, then decide."
    headers = {"ETag": f'"{current or 0}"'}
    return ProblemError(412, "changed", sentence, headers=headers, current=state)
