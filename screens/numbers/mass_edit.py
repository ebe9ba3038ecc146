"""Mass edit and delete: what will happen to the selected numbers, then doing it, of many in a job."""

import math

from django.contrib import messages
from django.contrib.auth.decorators import permission_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import Http404, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.models import Change
from clients.models import counted
from didmgmt import dialogs
from didmgmt.listing import Selection
from dids.job_kinds import mass_edit_label, submit_delete, submit_edit
from dids.lists.filters import DIDFilter, NowField
from dids.models import DID
from jobs.models import SMALL
from screens.numbers.forms import DeleteForm, MassEditForm
from screens.numbers.number import EDIT_RIGHTS

TYPED_ABOVE = 1_000  # more numbers than these are deleted only when their count is typed


def _may_edit(user):
    if user.is_authenticated and not any(map(user.has_perm, EDIT_RIGHTS)):
        raise PermissionDenied
    return user.is_authenticated


@require_http_methods(["GET", "HEAD", "POST"])
@user_passes_test(_may_edit)
def did_mass_edit(request):
    selection, step = selection_of(request), request.POST.get("step", "form")
    if selection.error:
        return refused(request, selection, "Mass Edit", _back(request))
    form = MassEditForm(request.POST if step != "form" else None)
    fields = form.touched() if form.is_bound and form.is_valid() else {}
    if step == "apply" and not fields and form.is_valid():
        form.add_error(None, "Tick at least one field to change.")
    if step == "apply" and not form.errors:
        if selection.count > SMALL:
            return queued(request, submit_edit(request.user, selection, fields))
        result = selection.queryset.edit(
            by=request.user, kind=Change.Kind.MASS_EDIT, label=mass_edit_label(fields), **fields
        )
        return done(request, result.sentence("changed"), result, _back(request))
    rehearsal = rehearsed(selection.queryset.rehearse_edit(by=request.user, **fields)) if fields else None
    context = {"selection": selection, "form": form, "rehearsal": rehearsal}
    if step == "rehearse" and request.htmx:
        return render(request, "numbers/_rehearsal.html", context | {"oob": True})
    return _dialog(request, "numbers/_mass_edit.html", "Mass Edit", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("dids.delete_did", raise_exception=True)
def did_delete(request):
    selection, step = selection_of(request), request.POST.get("step", "form")
    if selection.error:
        return refused(request, selection, "Delete", _back(request))
    result = selection.queryset.rehearse_delete(by=request.user)
    form = None
    if result.done > TYPED_ABOVE:
        form = DeleteForm(request.POST if step == "apply" else None, count=result.done)
    if step == "apply" and result.done and (form is None or form.is_valid()):
        if selection.count > SMALL:
            return queued(request, submit_delete(request.user, selection))
        result = selection.queryset.delete_unused(by=request.user)
        return done(request, result.sentence("deleted"), result, _back(request))
    context = {"selection": selection, "form": form, "rehearsal": rehearsed(result)}
    return _dialog(request, "numbers/_delete.html", "Delete", context)


def selection_of(request):
    """The numbers that the request names; 404 when an address names none that the person may see."""
    inventory = DID.objects.visible_to(request.user)
    selection = Selection.from_request(request, inventory, DIDFilter, limit=math.inf)
    if names_moment(request):
        selection.refuse(NowField.refusal)
        return selection
    if selection.error and request.GET.get("ids"):
        raise Http404(selection.error)
    return selection


def names_moment(request):
    """Whether what is asked for was found in the inventory as of a moment."""
    addresses = (request.GET, request.POST, QueryDict(request.POST.get("query")))
    return any(address.get("as_of", "").strip() for address in addresses)


def _dialog(request, template, title, context):
    form = context.get("form")
    wrong = form is not None and form.is_bound and form.errors
    return dialogs.show(
        request, template, context, title=title, back_url=_back(request), status=422 if wrong else 200
    )


def refused(request, selection, title, back_url):
    return dialogs.show(
        request,
        "numbers/_selection_refused.html",
        {"selection": selection},
        title=title,
        back_url=back_url,
        status=422 if request.method == "POST" else 200,
    )


def done(request, sentence, result, back_url, *, word="Undo"):
    """Say what came of it, on the page that it was asked from; the ticks there are done with.

    Who may undo it is offered that, by a link of that ``word``.
    """
    tell, tags = messages.success if result.done else messages.warning, "selection-clear"
    if result.change and request.user.has_perm("audit.undo_change"):
        tags += f" {word.lower()}-{result.change}"
    tell(request, sentence, extra_tags=tags)
    return dialogs.close(request, back_url)


def queued(request, job):
    """To the job's page; the ticks on the list are done with."""
    messages.info(request, f"{job} goes on in the background.", extra_tags="selection-clear")
    return dialogs.close(request, job.get_absolute_url())


def _back(request):
    return dialogs.back_to(request, reverse("dids:list"))


def rehearsed(result):
    """A Result in the words of _rehearsal.html."""
    return {
        "changed": result.done,
        "changed_label": counted(result.done, "number"),
        "unchanged": result.unchanged,
        "refused_count": result.refused,
        "refused": [
            {"count": refusal.count, "sentence": refusal.why, "numbers": refusal.numbers}
            for refusal in result.refusals.values()
        ],
    }
