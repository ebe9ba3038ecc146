"""Numbers as a file: those of the list's address, those of its page, or those selected."""

import math

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods

from didmgmt.listing import Selection, described
from dids import sheets
from dids.filters import DIDFilter
from dids.models import DID
from dids.resources import DIDResource
from dids.views.inventory import did_listing

NAMED = 80  # characters of the filter that a file's name tells


@require_http_methods(["GET", "POST"])
@permission_required("dids.export_did", raise_exception=True)
def did_export(request):
    """A GET takes the list's own parameters, and ``scope=page`` for its page alone."""
    return _of_selection(request) if request.method == "POST" else _of_address(request)


def _of_address(request):
    listing = did_listing(request)
    if not listing.valid:
        return redirect(f"{reverse('dids:list')}?{request.GET.urlencode()}")  # where the errors are shown
    if request.GET.get("scope") == "page":
        dids = listing.ordered.filter(pk__in=listing.keys)
        return _file(dids, listing.filterset, f"page {listing.page}")
    return _file(listing.ordered, listing.filterset)


def _of_selection(request):
    inventory = DID.objects.visible_to(request.user)
    selection = Selection.from_request(request, inventory, DIDFilter, limit=math.inf)
    if selection.error:
        messages.error(request, selection.error)
        return redirect(f"{reverse('dids:list')}?{selection.query}")
    if selection.note:
        messages.warning(request, selection.note)
    part = "" if selection.filterset else f"{selection.count} selected"
    return _file(selection.queryset.order_by("number"), selection.filterset, part)


def _file(dids, filterset, part=""):
    """The name of the file tells its filter, if any, its ``part`` of what matches, and the moment."""
    now = timezone.now()
    asked = [f"{label} {shown}" for *_, label, shown in described(filterset)] if filterset else []
    name = "_".join(["dids", *filter(None, map(slugify, [*asked, part]))])[:NAMED].rstrip("_-")
    moment = f"{timezone.localtime(now):%Y-%m-%d_%H%M}"
    return StreamingHttpResponse(
        sheets.write(DIDResource().rows(dids, now)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(True, f"{name}_{moment}.csv")},
    )
