"""Resellers: for staff who are bound to none and may change them."""

from functools import wraps

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.models import Reseller
from didmgmt import dialogs
from didmgmt.listing import Listing
from didmgmt.replica import may_lag
from dids.lists import holdings
from dids.lists.client_filters import ResellerFilter
from screens.clients.forms import ResellerForm
from screens.packages.stopping import delete

SORTS = {
    "name": (Lower("name"), "id"),
    "id": ("id",),
    "days": (F("hold_days"), "id"),
    "operators": ("operator_count", "id"),
    "clients": ("client_count", "id"),
    "packages": ("package_count", "id"),
    "dids": ("did_count", "id"),
}


def may(action):
    """Let those in who are bound to no reseller and have this right to resellers."""

    def guard(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            if request.user.reseller_id or not request.user.has_perm(f"clients.{action}_reseller"):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return guard


@require_safe
@may("change")
@may_lag
def reseller_list(request):
    listing = Listing(
        request.GET,
        holdings.of_resellers(Reseller.objects.all()),
        ResellerFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=holdings.of_resellers,
    )
    return render(request, "operators/resellers/list.html", {"listing": listing})


@dialogs.view
@may("add")
def reseller_new(request):
    return _dialog(request, Reseller())


@dialogs.view
@may("change")
def reseller_edit(request, pk):
    return _dialog(request, get_object_or_404(Reseller, pk=pk))


def _dialog(request, reseller):
    return dialogs.record(
        request,
        ResellerForm,
        reseller,
        back_url=dialogs.back_to(request, reverse("resellers:list")),
        edit_url=lambda saved: reverse("resellers:edit", args=[saved.pk]),
        title="New Reseller",
    )


@dialogs.view
@may("delete")
def reseller_delete(request, pk):
    advice = "Delete these first; clients and packages with a history can only be closed and archived."
    return delete(
        request, get_object_or_404(Reseller, pk=pk), listed=reverse("resellers:list"), advice=advice
    )
