"""The list of numbers, and the choices its filters load."""

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.views.decorators.http import require_safe

from clients.models import Client
from didmgmt.choices import choices
from dids import status as st
from dids.explain import explain
from dids.lists import did_listing
from dids.models import Tag

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
