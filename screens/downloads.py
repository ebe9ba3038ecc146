"""Send rows as a file: CSV as a stream, or a workbook."""

import tempfile

from django.contrib import messages
from django.http import FileResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify

import sheets
from didmgmt.text import shorten
from dids.exports.workbook import XLSX

NAME_MAX = 80  # characters of a file name, without its timestamp


def format_of(request):
    """Return "csv" (the default) or "xlsx"; None, with a message, for any other format."""
    wanted = (request.POST or request.GET).get("format") or "csv"
    if wanted in ("csv", "xlsx"):
        return wanted
    messages.error(request, f"There is no export format “{shorten(wanted)}”. Choose csv or xlsx.")
    return None


def download(rows, name, file_format="csv"):
    """Send ``rows``, header first, as a file: CSV as a stream, a workbook when it is complete.

    Times are in the user's time zone.
    """
    if file_format == "csv":
        return StreamingHttpResponse(
            _in_zone(timezone.get_current_timezone(), sheets.write(rows)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": content_disposition_header(True, f"{name}.csv")},
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
    for _ in sheets.write_workbook(rows, file):
        pass
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)


def _in_zone(zone, chunks):
    """Activate the time zone for each chunk: a stream is read after the request, which deactivates it."""
    while True:
        with timezone.override(zone):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def file_name(what, filterset, now, part=""):
    """Return a name made of ``what``, the filter, the ``part`` of the matches, and the time."""
    conditions = [f"{label} {shown}" for *_, label, shown in filterset.described()] if filterset else []
    name = "_".join([what, *filter(None, map(slugify, [*conditions, part]))])[:NAME_MAX].rstrip("_-")
    return f"{name}_{timezone.localtime(now):%Y-%m-%d_%H%M}"
