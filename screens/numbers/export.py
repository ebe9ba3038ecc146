"""Export of numbers to a file: all that match the list, one page of it, or the selected ones."""

import math
from itertools import chain

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from didmgmt import clock
from didmgmt.addresses import go_to
from didmgmt.listing import Selection
from didmgmt.text import shorten
from dids.exports import rows as export_rows
from dids.exports.workbook import XLSX_AT_ONCE
from dids.job_kinds import submit_export
from dids.lists.as_of import SECONDS, PastListing, TooLongError, time_limit
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID
from screens.downloads import OF_EXPORTS, download, file_name, format_of, list_query

SCOPES = ("list", "page")  # the parts of a list that an address exports


@require_http_methods(["GET", "POST"])
@permission_required("dids.export_did", raise_exception=True)
def did_export(request):
    """Export the list in the URL, with ``scope=page`` its page alone, or the selection of a POST.

    A POST with ``scope=list`` exports the list, too. Only a POST starts the job that writes a large workbook.
    """
    if format_of(request) is None:
        return redirect("dids:list")
    is_selection = request.method == "POST" and request.POST.get("scope") != "list"
    return _export_selection(request) if is_selection else _export_list(request)


@require_safe
@permission_required("dids.view_did", raise_exception=True)
def did_missing(request):
    """Send the numbers of a pasted list that the list in the URL does not have, with the reason, as CSV."""
    listing = did_listing(request.GET, request.user, request.path)
    if not (listing.valid and listing.filterset.missing):
        return go_to(f"{reverse('dids:list')}?{request.GET.urlencode()}")
    rows = chain([("DID", "State")], listing.filterset.missing.rows())
    return download(request, rows, file_name("missing", None, clock.now()))


def _export_list(request):
    listing = did_listing(request.GET, request.user, request.path, besides=OF_EXPORTS)
    if not listing.valid:
        return go_to(f"{reverse('dids:list')}?{list_query(request)}")  # it shows the errors
    if (scope := request.GET.get("scope")) not in (None, "", *SCOPES):
        messages.error(request, f"There is no part “{shorten(scope)}” of a list. Export the list or a page.")
        return go_to(f"{reverse('dids:list')}?{list_query(request)}")
    if isinstance(listing, PastListing):
        return _export_past_list(request, listing)
    now, filterset = clock.now(), listing.filterset
    if request.GET.get("scope") == "page":
        rows = export_rows.CurrentRows(listing.ordered.filter(pk__in=listing.keys), now)
        return _file(
            request, rows, len(listing.keys), file_name("dids", filterset, now, f"page {listing.page}")
        )
    count = listing.total
    if count.more and format_of(request) == "xlsx":
        count = filterset.exact_total()  # the total of the job’s progress
    rows = export_rows.listing_rows(listing, now)
    source = {"address": list_query(request)}
    return _file(request, rows, count, file_name("dids", filterset, now), source)


def _export_past_list(request, listing):
    """Export the inventory as of a past time, which the name of the file states."""
    is_page = request.GET.get("scope") == "page"
    try:
        with time_limit(SECONDS):
            keys, count = listing.keys if is_page else None, listing.total
    except TooLongError as error:
        messages.error(request, str(error))
        return redirect("dids:list")
    part = f"page {listing.page}" if is_page else ""
    name = file_name("dids_as-of", listing.filterset, listing.time, part)
    if is_page:
        return _file(request, export_rows.past_rows(listing, keys), len(keys), name)
    if count.more and format_of(request) == "xlsx":
        count = XLSX_AT_ONCE + 1  # the job counts them as it writes
    rows = export_rows.listing_rows(listing, clock.now())
    return _file(request, rows, count, name, {"address": list_query(request)})


def _export_selection(request):
    inventory = DID.objects.visible_to(request.user)
    selection = Selection.read(request.POST, inventory, DIDFilter, user=request.user, limit=math.inf)
    if selection.error:
        messages.error(request, selection.error)
        return go_to(f"{reverse('dids:list')}?{selection.query}")
    if selection.note:
        messages.warning(request, selection.note)
    part = "" if selection.filterset else f"{selection.count} selected"
    source = {"address": selection.query} if selection.filterset else {"ids": selection.ids}
    now = clock.now()
    missing = export_rows.missing_rows(selection.filterset) if selection.filterset else ()
    rows = export_rows.CurrentRows(selection.queryset.order_by("number"), now, missing)
    return _file(request, rows, selection.count, file_name("dids", selection.filterset, now, part), source)


def _file(request, rows, count, name, source=None):
    """Send ``rows`` as a file; a job writes a large workbook, reading the rows from ``source``."""
    file_format = format_of(request)
    if file_format == "xlsx" and count > XLSX_AT_ONCE:
        if request.method != "POST":
            messages.error(
                request,
                f"A workbook of more than {XLSX_AT_ONCE:,} numbers is written in the background. Start it"
                " with the button “as Excel” under Export DIDs.",
            )
            return go_to(f"{reverse('dids:list')}?{list_query(request)}")
        return redirect(submit_export(request.user, source, count, f"{name}.xlsx"))
    return download(request, rows, name, file_format)
