"""A client’s DIDs tab: its numbers, and their moves between Active, Blocked and Hold."""

from functools import partial

from django.core.exceptions import PermissionDenied
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clients.models import Account
from didmgmt import clock, dialogs
from didmgmt.choices import choices
from didmgmt.listing import Count, Listing, Selection
from didmgmt.replica import may_lag
from dids.forms.numbers import package_label
from dids.job_kinds import CLIENT_MOVES, submit_move
from dids.lifecycle import statuses as st
from dids.lists.filters import ClientDIDFilter
from dids.lists.picks import PICK_LIMIT
from dids.models import DID, ClientPackage
from jobs.models import SMALL
from screens.answers import done, queued, refused
from screens.clients.clients import CLIENTS
from screens.numbers.inventory import exact_first, may_view, status_counters

PACKAGES_SHOWN = 8

_SORTS = {
    "number": ("number",),
    "status": ("status", "number"),
    "account": (Lower("account__name"), "number"),
    "package": (Lower("client_package__package__name"), "client_package_id", "number"),
    "until": (Coalesce("hold_until", "client_package__ends_at"), "number"),
    "tag": (F("tag_set__label"), "number"),
    "notes": (NullIf("notes", Value("")), "number"),
}


def numbers_of(request, client, now):
    return DID.objects.visible_to(request.user).held_by([client], now)


@require_safe
@may_view
@may_lag
def client_dids(request, pk):
    client, now = CLIENTS.get(request, pk), clock.now()
    listing = Listing(
        request.GET,
        numbers_of(request, client, now),
        partial(ClientDIDFilter, client=client),
        user=request.user,
        path=request.path,
        sorts=_SORTS,
        fetch=lambda found: found.for_table(now),
    )
    rows = exact_first(listing)
    rows["rows"] = [*rows["exact"], *rows["rows"]]
    for did in rows["rows"]:
        did.until = did.hold_until or did.package_ends_at
    given = _given(client, now)
    context = rows | {
        "client": client,
        "listing": listing,
        "counters": _counters(listing, now) if listing.valid else [],
        "packages": given[:PACKAGES_SHOWN],
        "more_packages": len(given) > PACKAGES_SHOWN,
        "can": {name: move.may(request.user) for name, move in CLIENT_MOVES.items()},
    }
    return render(request, "clients/dids.html", context)


def _given(client, now):
    """Return the client’s packages with ``runs``, running ones first, one more than shown."""
    given = ClientPackage.objects.filter(client=client).with_numbers_in_use().select_related("package")
    packages = list(given.order_by("-active", Lower("package__name"), "pk")[: PACKAGES_SHOWN + 1])
    for package in packages:
        package.runs = package.is_running(now)
    return packages


def _counters(listing, now):
    counts = listing.filterset.in_any_status.by_status(now)
    return status_counters(listing, {key: Count(counts[key]) for key in st.HELD})


@require_POST
@may_view
def client_dids_move(request, pk, move):
    about = CLIENT_MOVES[move]
    if not about.may(request.user):
        raise PermissionDenied
    client, now = CLIENTS.get(request, pk), clock.now()
    found = numbers_of(request, client, now)
    selection = Selection.read(
        request.POST, found, partial(ClientDIDFilter, client=client), user=request.user, limit=PICK_LIMIT
    )
    back = dialogs.back_to(request, reverse("clients:dids", args=[pk]))
    if selection.error:
        return refused(request, selection.error, about.label, back)
    if selection.count > SMALL:
        return queued(request, submit_move(request.user, _by_ids(selection), move, client))
    if request.POST.get("page") == "number" and selection.ids.isdigit():
        back = reverse("dids:detail", args=[selection.ids])
    result = about.write(selection.queryset, by=request.user)
    sentence = result.sentence(about.verb, about.effect)
    return done(request, f"{sentence} {selection.note}".strip(), result, back)


def _by_ids(selection):
    """Replace the filter of a selection by ids: a job would apply the filter to the whole inventory."""
    if not selection.ids:
        selection.ids = ",".join(map(str, selection.queryset.values_list("pk", flat=True)))
    return selection


@require_safe
@may_view
def account_choices(request, pk):
    accounts = Account.objects.filter(client=CLIENTS.get(request, pk)).order_by("name", "pk")
    return choices(request, accounts, search="name")


@require_safe
@may_view
def package_choices(request, pk):
    """Answer the search among the client’s packages; with ``running=1`` only those that can get numbers."""
    client, now = CLIENTS.get(request, pk), clock.now()
    if request.GET.get("running"):
        offered = ClientPackage.objects.offered(client, now)
        return choices(request, offered, search="package__name", text=package_label, besides=["running"])
    given = ClientPackage.objects.filter(client=client).select_related("package").order_by("-active", "pk")
    return choices(
        request,
        given,
        search="package__name",
        text=lambda one: one.package.name,
        note=lambda one: "" if one.is_running(now) else "not active",
        besides=["running"],
    )
