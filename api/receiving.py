"""Receive the body of a request into a temporary file, in flat memory."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.base import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest, HttpResponse

import sheets
from api.problems import ProblemError, error
from api.streams import CSV, NDJSON
from didmgmt.limits import reading_file
from didmgmt.text import shorten
from dids.imports.limits import import_limits

BLOCK = 1 << 16  # bytes
TYPES = (CSV, NDJSON)


@dataclass
class Received:
    """The body of a request: its ``Content-Type``, and its content unpacked.

    ``digest``: the SHA-256 of the type and the content, whose gzip archives differ from time to time.
    ``size``: bytes of the content, and ``lines``: how many it has, of which a cell may hold several.
    """

    content_type: str
    file: Any  # a Django File
    digest: str
    size: int
    lines: int


def receives_rows(operation: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Receive the body of a request into ``request.received`` before the operation, and delete it afterwards.

    Raises ProblemError for a type that is not read and for a body that is too large, and LimitError while
    others are being read.
    """

    @wraps(operation)
    def receiving(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        kind = _type_of(request)
        packed = _encoding_of(request) == "gzip"
        _refuse_large(_length_of(request))
        with reading_file(request.user), ExitStack() as opened:
            request.received = _received(request, kind, packed, opened)  # type: ignore[attr-defined]
            return operation(request, *args, **kwargs)

    receiving.receives = True  # type: ignore[attr-defined]
    return receiving


def _type_of(request: HttpRequest) -> str:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type in TYPES and charset.lower().replace("-", "") == "utf8":
        return request.content_type
    sentence = f"This address reads {' and '.join(TYPES)} in UTF-8, and the request has"
    raise _unsupported("Content-Type", request.headers.get("Content-Type", ""), sentence)


def _encoding_of(request: HttpRequest) -> str:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity", "gzip"):
        return encoding
    sentence = "A body is sent as it is or compressed with gzip, and the request has"
    raise _unsupported("Content-Encoding", encoding, sentence)


def _unsupported(header: str, value: str, sentence: str) -> ProblemError:
    sentence = f"{sentence} {f'“{shorten(value)}”' if value else 'none'}."
    errors = [error(header, shorten(value), sentence, "unsupported")]
    return ProblemError(415, "unsupported_type", sentence, errors=errors)


def _length_of(request: HttpRequest) -> int:
    return int(request.META.get("CONTENT_LENGTH") or 0)


def _refuse_large(size: int) -> None:
    if size > settings.UPLOAD_LIMIT:
        most = settings.UPLOAD_LIMIT >> 20
        sentence = (
            f"The body has more than {most:,} MB, the most that is accepted. Send the rows in parts, or"
            " compress them with gzip."
        )
        raise ProblemError(413, "too_large", sentence, limit=settings.UPLOAD_LIMIT)


def _received(request: HttpRequest, kind: str, packed: bool, opened: ExitStack) -> Received:
    # Moved to its place, not copied, when it is stored
    file = opened.enter_context(TemporaryUploadedFile("body", kind, 0, None))
    sent = 0
    while block := request.read(BLOCK):
        sent += len(block)
        _refuse_large(sent)
        file.write(block)
    _refuse_cut_off(sent, _length_of(request))
    file.flush()
    file.size = sent
    content = File(opened.enter_context(_unpacked(file.file)), "body") if packed else file
    content.seek(0)
    digest, size, lines = hashlib.sha256(f"{kind}\0".encode()), 0, _Lines()
    while block := content.read(BLOCK):
        size += len(block)
        digest.update(block)
        lines.add(block)
    content.seek(0)
    return Received(kind, content, digest.hexdigest(), size, lines.count)


def _refuse_cut_off(size: int, length: int) -> None:
    """Refuse a body of which a part is missing: a WSGI server may pass it on when a connection breaks."""
    if size < length:
        sentence = (
            f"The body ends after {size:,} of its {length:,} bytes. Nothing was changed; send it again."
        )
        raise ProblemError(400, "unreadable", sentence)


def _unpacked(file: Any) -> BinaryIO:
    try:
        return sheets.unpack(file, import_limits())
    except sheets.SheetError as refusal:
        raise ProblemError(400, "unreadable", str(refusal)) from None


class _Lines:
    """Count the lines of blocks, whichever of the two characters ends them."""

    def __init__(self) -> None:
        self._feeds = self._returns = 0
        self._last = b""

    def add(self, block: bytes) -> None:
        self._feeds += block.count(b"\n")
        self._returns += block.count(b"\r")
        self._last = block[-1:]

    @property
    def count(self) -> int:
        return max(self._feeds, self._returns) + (self._last not in (b"", b"\n", b"\r"))
