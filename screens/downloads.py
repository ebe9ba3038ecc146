"""Send rows as a file: CSV as a stream, or a workbook."""

import tempfile

from django.contrib import messages
from django.http import FileResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify

import sheets
from didmgmt.downloads import streamed, take_slots
from didmgmt.text import shorten
from dids.exports.rows import as_csv
from dids.exports.workbook import XLSX

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

    Times are in the user's time zone. Raises LimitError, see ``didmgmt.downloads``.
    """
    if file_format == "csv":
        named = {"Content-Disposition": content_disposition_header(True, f"{name}.csv")}
        return streamed(request, as_csv(rows), "text/csv; charset=utf-8", headers=named)
    written = take_slots(request)
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
        for _ in sheets.write_workbook(rows, file):
            pass
    finally:
        written()
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)


def file_name(what, filterset, now, part=""):
    """Return a name made of ``what``, the filter, the ``part`` of the matches, and the time."""
    described = filterset.described() if filterset else []
    conditions = [
        f"{label} {shown}" if relation in ("", "is", "any of") else f"{label} {relation} {shown}"
        for *_, label, relation, shown in described
    ]
    name = "_".join([what, *filter(None, map(slugify, [*conditions, part]))])[:NAME_MAX].rstrip("_-")
    return f"{name}_{timezone.localtime(now):%Y-%m-%d_%H%M}"
