"""Send rows as a file: CSV as a stream, or a workbook."""

import tempfile
from functools import cache

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify

import sheets
from didmgmt.limits import LimitError, Slots
from didmgmt.server import WHEN_SENT
from didmgmt.text import shorten
from dids.exports.rows import as_csv
from dids.exports.workbook import XLSX

UNSENT_MOST = 16  # files of a process that clients have not read to their end
NAME_MAX = 80  # characters of a file name, without its timestamp


OF_EXPORTS = ("format", "scope")  # parameters of an export besides those of its list


def list_query(request):
    """Return the query string of the list that an export's address names."""
    query = request.GET.copy()
    for name in OF_EXPORTS:
        query.pop(name, None)
    return query.urlencode()


def format_of(request):
    """Return "csv" (the default) or "xlsx"; None, with a message, for any other format."""
    wanted = (request.POST or request.GET).get("format") or "csv"
    if wanted in ("csv", "xlsx"):
        return wanted
    messages.error(request, f"There is no export format “{shorten(wanted)}”. Choose csv or xlsx.")
    return None


def download(request, rows, name, file_format="csv"):
    """Send ``rows``, header first, as a file: CSV as a stream, a workbook when it is complete.

    Times are in the user's time zone. Raises LimitError if the user is already downloading as many files as
    anyone may at once, or if as many are written or sent as may be by this process. The server keeps what
    is written and not read yet in a temporary file, so a client that reads slowly keeps its place among
    those that are sent, but no thread.
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
    if when_sent:
        when_sent(sent)
    else:
        written = _both(written, sent)
    if file_format == "csv":
        return StreamingHttpResponse(
            _Stream(as_csv(rows), written),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": content_disposition_header(True, f"{name}.csv")},
        )
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
        for _ in sheets.write_workbook(rows, file):
            pass
    finally:
        written()
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)


@cache
def _written():
    """Return the slots of this process for files that are written; half of its threads never write any."""
    return Slots(settings.EXPORTS_AT_ONCE, max(1, settings.WEB_THREADS // 2))


@cache
def _sent():
    """Return the slots of this process for files that are not sent to their end yet."""
    return Slots(settings.EXPORTS_AT_ONCE, UNSENT_MOST)


def _both(one, other):
    def give_back():
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


def file_name(what, filterset, now, part=""):
    """Return a name made of ``what``, the filter, the ``part`` of the matches, and the time."""
    described = filterset.described() if filterset else []
    conditions = [
        f"{label} {shown}" if relation in ("", "is", "any of") else f"{label} {relation} {shown}"
        for *_, label, relation, shown in described
    ]
    name = "_".join([what, *filter(None, map(slugify, [*conditions, part]))])[:NAME_MAX].rstrip("_-")
    return f"{name}_{timezone.localtime(now):%Y-%m-%d_%H%M}"
