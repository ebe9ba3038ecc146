"""Resellers, managed by users without a reseller who have permission to change them."""

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.models import Reseller
from didmgmt import dialogs
from didmgmt.replica import may_lag
from dids.forms.operators import ResellerForm
from dids.lists import records
from screens.records import Records, installation_wide

RESELLERS = Records(
    list=records.RESELLERS,
    form=ResellerForm,
    list_url=lambda reseller: reverse("resellers:list"),
    edit_url=lambda reseller: reverse("resellers:edit", args=[reseller.pk]),
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
