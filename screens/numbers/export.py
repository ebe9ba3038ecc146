"""Numbers as a file: those of the list's address, those of its page, or those selected."""

import math
import tempfile

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods

import sheets
from didmgmt.addresses import go_to
from didmgmt.listing import Selection
from didmgmt.text import shorten
from dids.exports import rows as export_rows
from dids.exports.workbook import XLSX, XLSX_AT_ONCE
from dids.job_kinds import submit_export
from dids.lists.as_of import SECONDS, PastListing, TooLong, within
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID

NAMED = 80  # characters of the filter that a file's name tells


@require_http_methods(["GET", "POST"])
@permission_required("dids.export_did", raise_exception=True)
def did_export(request):
    """A GET takes the list's own parameters, and ``scope=page`` for its page alone; ``format``: csv, xlsx."""
    if format_of(request) is None:
        return redirect("dids:list")
    return _of_selection(request) if request.method == "POST" else _of_address(request)


def _of_address(request):
    listing = did_listing(request.GET, request.user, request.path)
    if not listing.valid:
        return go_to(f"{reverse('dids:list')}?{request.GET.urlencode()}")  # where the errors are shown
    if isinstance(listing, PastListing):
        return _of_moment(request, listing)
    now, filterset = timezone.now(), listing.filterset
    if request.GET.get("scope") == "page":
        rows = export_rows.rows(listing.ordered.filter(pk__in=listing.keys), now)
        return _file(
            request, rows, len(listing.keys), file_name("dids", filterset, now, f"page {listing.page}")
        )
    count = listing.total
    if count.more and format_of(request) == "xlsx":
        count = filterset.exact_total()  # a job says how many of how many
    asked = {"address": request.GET.urlencode()}
    return _file(
        request, export_rows.listing_rows(listing, now), count, file_name("dids", filterset, now), asked
    )


def _of_moment(request, listing):
    """The file's name tells that moment in place of now."""
    of_page = request.GET.get("scope") == "page"
    try:
        with within(SECONDS):
            keys, count = listing.keys if of_page else None, listing.total
    except TooLong as error:
        messages.error(request, str(error))
        return redirect("dids:list")
    part = f"page {listing.page}" if of_page else ""
    name = file_name("dids_as-of", listing.filterset, listing.moment, part)
    if of_page:
        return _file(request, export_rows.past_rows(listing, keys), len(keys), name)
    if count.more and format_of(request) == "xlsx":
        count = XLSX_AT_ONCE + 1  # a worker counts them as it goes on
    return _file(request, export_rows.past_rows(listing), count, name, {"address": request.GET.urlencode()})


def _of_selection(request):
    inventory = DID.objects.visible_to(request.user)
    selection = Selection.read(request.POST, inventory, DIDFilter, user=request.user, limit=math.inf)
    if selection.error:
        messages.error(request, selection.error)
        return go_to(f"{reverse('dids:list')}?{selection.query}")
    if selection.note:
        messages.warning(request, selection.note)
    part = "" if selection.filterset else f"{selection.count} selected"
    asked = {"address": selection.query} if selection.filterset else {"ids": selection.ids}
    now = timezone.now()
    rows = export_rows.rows(selection.queryset.order_by("number"), now)
    return _file(request, rows, selection.count, file_name("dids", selection.filterset, now, part), asked)


def _file(request, rows, count, name, asked=None):
    """``rows`` as a file; a large workbook is left to a worker, who finds them again by ``asked``."""
    format = format_of(request)
    if format == "xlsx" and count > XLSX_AT_ONCE:
        return redirect(submit_export(request.user, asked, count, f"{name}.xlsx"))
    return download(rows, name, format)


def format_of(request):
    """ "csv", which is the default, or "xlsx"; None for any other, which the person then has been told."""
    wanted = (request.POST or request.GET).get("format") or "csv"
    if wanted in ("csv", "xlsx"):
        return wanted
    messages.error(request, f"“{shorten(wanted)}” is no format to export; there are csv and xlsx.")
    return None


def download(rows, name, format="csv"):
    """``rows``, header first, as the file ``name``: CSV in a stream, a workbook at once.

    Either way rows are made in the time zone that the person has now.
    """
    if format == "csv":
        return StreamingHttpResponse(
            _in_zone(timezone.get_current_timezone(), sheets.write(rows)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": content_disposition_header(True, f"{name}.csv")},
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 the response closes it
    for _ in sheets.write_workbook(rows, file):
        pass
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)


def _in_zone(zone, chunks):
    """A stream is read when the request is over, and its time zone with it."""
    while True:
        with timezone.override(zone):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def file_name(what, filterset, now, part=""):
    """Tells what is in the file, its filter, if any, its ``part`` of what matches, and the moment."""
    asked = [f"{label} {shown}" for *_, label, shown in filterset.described()] if filterset else []
    name = "_".join([what, *filter(None, map(slugify, [*asked, part]))])[:NAMED].rstrip("_-")
    return f"{name}_{timezone.localtime(now):%Y-%m-%d_%H%M}"
