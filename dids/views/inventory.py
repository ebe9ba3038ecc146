"""The list of numbers, and the choices its filters load."""

from functools import partial

from django.contrib.auth.decorators import permission_required
from django.db.models import Case, F, Value, When
from django.db.models.functions import Lower, NullIf
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from clients.models import Client
from didmgmt.choices import choices
from didmgmt.listing import Listing
from dids import status as st
from dids.explain import explain
from dids.filters import DIDFilter
from dids.models import DID, Tag

may_view = permission_required("dids.view_did", raise_exception=True)


@require_safe
@may_view
def did_list(request):
    listing = did_listing(request)
    sentences = explain(listing.rows, listing.filterset.now)
    for did in listing.rows:
        did.explanation = sentences[did.pk]
    context = {"listing": listing, "counters": _counters(listing) if listing.valid else []}
    return render(request, "dids/list.html", context)


def did_listing(request):
    """The numbers that the address asks for, of those that the person may see."""
    now = timezone.now()
    dids = DID.objects.visible_to(request.user)
    overdue = DID.objects.hold_over(now).exists()
    return Listing(
        request,
        dids.with_status_now(now) if overdue else dids,
        partial(DIDFilter, now=now),
        sorts=_OVERDUE_SORTS if overdue else _SORTS,
        total=lambda filterset: filterset.total,
        fetch=lambda found: found.for_table(now),
    )


_SORTS = {
    "number": ("number",),
    "id": ("id",),
    "status": ("status", "number"),
    "operator": (Lower("operator__name"), "operator_id", "number"),
    "tag": (F("tag_set__label"), "number"),
    "notes": (NullIf("notes", Value("")), "number"),
    "client": (Lower("account__client__name"), Lower("account__name"), "number"),
    "reseller": (Lower("operator__reseller__name"), "number"),
}
# While a hold waits to be ended, it is sorted as what it has become: no index knows that.
_CLIENT, _ACCOUNT, _ = _SORTS["client"]
_OVERDUE_SORTS = _SORTS | {
    "status": ("status_now", "number"),
    "client": (
        Case(When(status_now__in=st.HELD, then=_CLIENT)),
        Case(When(status_now__in=st.HELD, then=_ACCOUNT)),
        "number",
    ),
}


def _counters(listing):
    """Counts by status as filters of one click, the other filters being kept."""
    counts, asked = listing.filterset.by_status, listing.form.cleaned_data["status"]
    every = {
        "key": "",
        "label": "All",
        "count": sum(counts.values()),
        "url": listing.url(status=[]),
        "active": not asked,
    }
    return [every] + [
        {
            "key": key,
            "label": label,
            "count": counts[key],
            "url": listing.url(status=[key]),
            "active": key in asked,
        }
        for key, label in st.LABELS.items()
    ]


@require_safe
@may_view
def client_choices(request):
    clients = Client.objects.visible_to(request.user).select_related("reseller").order_by("name", "pk")
    return choices(request, clients, search="name", note=lambda client: client.reseller.name)


@require_safe
@may_view
def tag_choices(request):
    tags = Tag.objects.visible_to(request.user).order_by("name")
    return choices(request, tags, search="name", key="name")
