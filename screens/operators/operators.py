"""The Operators tab and its dialogs."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from clients.models import Reseller, counted
from didmgmt import dialogs
from didmgmt.choices import choices
from didmgmt.listing import Listing
from didmgmt.replica import may_lag
from operators.filters import OperatorFilter
from operators.models import Operator
from screens.choices import branch_choices
from screens.operators.forms import OperatorForm

SORTS = {
    "name": (Lower("name"), "id"),
    "id": ("id",),
    "dids": ("did_count", "id"),
    "reseller": (Lower("reseller__name"), Lower("name"), "id"),
}

may_view = permission_required("operators.view_operator", raise_exception=True)


@require_safe
@may_view
@may_lag
def operator_list(request):
    return render(request, "operators/list.html", {"listing": operator_listing(request)})


def operator_listing(request):
    """The operators that an address asks for, of those that the person may see."""
    return Listing(
        request.GET,
        Operator.objects.visible_to(request.user).with_did_count(),
        OperatorFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: found.with_did_count().select_related("reseller"),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("operators.add_operator", raise_exception=True)
def operator_new(request):
    return _dialog(request, Operator())


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("operators.change_operator", raise_exception=True)
def operator_edit(request, pk):
    return _dialog(request, get_object_or_404(Operator.objects.visible_to(request.user), pk=pk))


def _dialog(request, operator):
    return dialogs.record(
        request,
        OperatorForm,
        operator,
        back_url=dialogs.back_to(request, reverse("operators:list")),
        edit_url=lambda saved: reverse("operators:edit", args=[saved.pk]),
        title="New Operator",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("operators.delete_operator", raise_exception=True)
def operator_delete(request, pk):
    operators = Operator.objects.visible_to(request.user).with_did_count()
    operator = get_object_or_404(operators, pk=pk)
    back_url = dialogs.back_to(request, reverse("operators:list"))
    owned = operator.did_count
    if request.method == "POST":
        owned = operator.delete_unused(by=request.user)
        if not owned:
            messages.success(request, f"Operator {operator} is deleted.")
            return dialogs.close(request, back_url)
    refusal = owned and (
        f"It owns {counted(owned, 'number')}. Delete these first; Active, Blocked and Hold ones must come"
        " out of use before that."
    )
    context = {"operator": operator, "refusal": refusal}
    status = 422 if refusal and request.method == "POST" else 200
    title = f"Delete {operator}"
    return dialogs.show(
        request, "operators/_delete.html", context, title=title, back_url=back_url, status=status
    )


@require_safe
@may_view
def operator_choices(request):
    return branch_choices(request, Operator)


@require_safe
@may_view
def reseller_choices(request):
    return choices(request, Reseller.objects.visible_to(request.user).order_by("name"), search="name")
