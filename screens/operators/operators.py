"""Operators: the list and its dialogs."""

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.models import Reseller
from clients.names import clean_name
from didmgmt import dialogs
from didmgmt.choices import choices
from didmgmt.replica import may_lag
from dids.forms.operators import OperatorForm
from dids.lists import records
from operators.models import Operator
from screens.records import Records, record_choices

OPERATORS = Records(
    list=records.OPERATORS,
    form=OperatorForm,
    list_url=lambda operator: reverse("operators:list"),
    edit_url=lambda operator: reverse("operators:edit", args=[operator.pk]),
    uses_url=lambda operator: f"{reverse('dids:list')}?operator={operator.pk}",
)

may_view = permission_required("operators.view_operator", raise_exception=True)


@require_safe
@may_view
@may_lag
def operator_list(request):
    return render(request, "operators/list.html", {"listing": OPERATORS.listing(request)})


@dialogs.view
@permission_required("operators.add_operator", raise_exception=True)
def operator_new(request):
    return OPERATORS.save(request, Operator())


@dialogs.view
@permission_required("operators.change_operator", raise_exception=True)
def operator_edit(request, pk):
    return OPERATORS.save(request, OPERATORS.get(request, pk))


@dialogs.view
@permission_required("operators.delete_operator", raise_exception=True)
def operator_delete(request, pk):
    return OPERATORS.delete(request, OPERATORS.get(request, pk))


@require_safe
@may_view
def operator_choices(request):
    return record_choices(request, Operator)


@require_safe
@may_view
def reseller_choices(request):
    resellers = Reseller.objects.visible_to(request.user).order_by("name")
    return choices(request, resellers, search="name", read=clean_name)
