"""Files that are written while they are sent: how many at once, and in which time zone."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from didmgmt.limits import LimitError, Slots
from didmgmt.server import WHEN_SENT

UNSENT_MOST = 16  # files of a process that clients have not read to their end


def streamed(
    request: HttpRequest,
    chunks: Iterator[bytes],
    content_type: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> StreamingHttpResponse:
    """Return a response that sends ``chunks``, a generator. Raises LimitError, see ``take_slots``."""
    stream = _Stream(chunks, take_slots(request))
    return StreamingHttpResponse(stream, content_type=content_type, headers=headers)


def take_slots(request: HttpRequest) -> Callable[[], None]:
    """Return what to call when a file has been written.

    Raises LimitError if the user is already downloading as many files as anyone may at once, or if as many
    are written or sent as may be by this process. The server keeps what is written and not read yet in a
    temporary file, so a client that reads slowly keeps its place among those that are sent, but no thread.
    """
    key = str(request.user.pk)
    written, sent = _written().take_one(key), _sent().take_one(key)
    if not (written and sent):
        for give_back in filter(None, (written, sent)):
            give_back()
        raise LimitError(
            f"You are already downloading {settings.EXPORTS_AT_ONCE} files, or others keep the server busy"
            " with theirs. Try again when one has finished.",
            retry_after=10,
        )
    when_sent = request.META.get(WHEN_SENT)
    if when_sent is None:
        return _both(written, sent)
    when_sent(sent)
    return written


@cache
def _written() -> Slots:
    """Return the slots of this process for files that are written; half of its threads never write any."""
    return Slots(settings.EXPORTS_AT_ONCE, max(1, settings.WEB_THREADS // 2))


@cache
def _sent() -> Slots:
    """Return the slots of this process for files that are not sent to their end yet."""
    return Slots(settings.EXPORTS_AT_ONCE, UNSENT_MOST)


def _both(one: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def give_back() -> None:
        one()
        other()

    return give_back


class _Stream:
    """Chunks of a file, each made in the time zone that was current at first.

    A stream is read after the request, which deactivates the time zone. ``closed`` is called at its end.
    """

    def __init__(self, chunks, closed):
        self._chunks, self._closed = chunks, closed
        self._zone = timezone.get_current_timezone()

    def __iter__(self):
        return self

    def __next__(self):
        with timezone.override(self._zone):
            return next(self._chunks)

    def close(self):
        self._chunks.close()
        self._closed()

    __del__ = close  # a response that nobody has read
