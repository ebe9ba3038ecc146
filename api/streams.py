"""Rows without a limit, written while they are sent: CSV, or a JSON object on each line (NDJSON)."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from api.access import lacks
from api.fields import TEXT
from api.problems import ProblemError
from didmgmt.downloads import streamed
from didmgmt.text import shorten

JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
ALL = (JSON, CSV, NDJSON)
CHUNK = 1 << 16  # characters


def accepted(request: HttpRequest, formats: Sequence[str] = ALL) -> str:
    """Return which of ``formats`` the request prefers. Raises ProblemError if it takes none of them."""
    if not request.headers.get("Accept", "").strip():
        return formats[0]
    wanted = request.get_preferred_type(formats)
    if wanted is None:
        sentence = (
            f"This address answers with {', '.join(formats[:-1])} or {formats[-1]}, and the request accepts"
            f" “{shorten(request.headers.get('Accept', ''))}”."
        )
        raise ProblemError(406, "not_acceptable", sentence)
    return wanted


def streamed_answers(*formats: str, line: Mapping[str, Any], example: str = "") -> dict[str, Any]:
    """Return the addition to the document for an operation that also answers with ``formats``.

    ``line``: the schema of a line of NDJSON. ``example``: a line of the first format, for an operation
    without another example.
    """
    content: dict[str, Any] = {one: {"schema": line if one == NDJSON else TEXT} for one in formats}
    if example:
        content[formats[0]]["example"] = example
    refused = {"$ref": "#/components/responses/NotAcceptable"}
    return {"responses": {200: {"content": content}, 406: refused}}


def csv_answer(request: Any, chunks: Iterator[bytes]) -> HttpResponseBase:
    """Stream a CSV file. Raises ProblemError without the right to export, LimitError for too many at once."""
    return _stream(request, chunks, f"{CSV}; charset=utf-8")


def ndjson_answer(request: Any, objects: Iterable[dict[str, Any]]) -> HttpResponseBase:
    """Stream objects as NDJSON; raises what ``csv_answer`` raises."""
    return _stream(request, _lines(objects), NDJSON)


def _stream(request: Any, chunks: Iterator[bytes], content_type: str) -> HttpResponseBase:
    if not request.user.has_perm("dids.export_did"):
        raise lacks("dids.export_did")
    response = streamed(request, chunks, content_type)
    patch_vary_headers(response, ["Accept"])
    return response


def _lines(objects: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    text = ""
    for one in objects:
        text += json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n"
        if len(text) > CHUNK:
            yield text.encode()
            text = ""
    yield text.encode()
