"""Refusals for programs: problem details in JSON (RFC 9457), instead of the pages that people get."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

PREFIX = "/api/"
TYPE = "application/problem+json"


def is_for_program(request: HttpRequest) -> bool:
    """Return whether a request came to the API, which never answers with a page."""
    return request.path.startswith(PREFIX)


def problem(
    status: int,
    code: str,
    sentence: str,
    *,
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """Return a response with ``sentence`` for people and ``code`` for programs.

    ``errors``: {pointer, value, sentence, code} of each invalid value; ``members``: further facts.
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": sentence,
    } | members
    if errors:
        body["errors"] = [*errors]
    return HttpResponse(
        json.dumps(body, ensure_ascii=False, default=str), content_type=TYPE, status=status, headers=headers
    )
