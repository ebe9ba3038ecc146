"""Resellers, managed by users without a reseller who have permission to change them."""

from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.filters import ResellerFilter
from clients.models import Reseller
from didmgmt import dialogs
from didmgmt.replica import may_lag
from dids.forms.operators import ResellerForm
from dids.lists import row_counts
from screens.records import Records, installation_wide

RESELLERS = Records(
    model=Reseller,
    form=ResellerForm,
    filterset=ResellerFilter,
    sorts={
        "name": (Lower("name"), "id"),
        "id": ("id",),
        "days": (F("hold_days"), "id"),
        "operators": ("operator_count", "id"),
        "clients": ("client_count", "id"),
        "packages": ("package_count", "id"),
        "dids": ("did_count", "id"),
    },
    rows=lambda resellers, now: row_counts.with_reseller_counts(resellers),
    list_url=lambda reseller: reverse("resellers:list"),
    edit_url=lambda reseller: reverse("resellers:edit", args=[reseller.pk]),
    related="",
)


@require_safe
@installation_wide("clients.change_reseller")
@may_lag
def reseller_list(request):
    return render(request, "operators/resellers/list.html", {"listing": RESELLERS.listing(request)})


@dialogs.view
@installation_wide("clients.add_reseller")
def reseller_new(request):
    return RESELLERS.save(request, Reseller())


@dialogs.view
@installation_wide("clients.change_reseller")
def reseller_edit(request, pk):
    return RESELLERS.save(request, RESELLERS.get(request, pk))


@dialogs.view
@installation_wide("clients.delete_reseller")
def reseller_delete(request, pk):
    return RESELLERS.delete(request, RESELLERS.get(request, pk))
