"""Mass edit and delete: a preview, then the action, which is a job for many numbers."""

from dataclasses import replace

from django.contrib.auth.decorators import permission_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.models import Change
from didmgmt import dialogs
from didmgmt.text import count_noun
from dids.forms.numbers import MassEditForm
from dids.job_kinds import edit_words, mass_edit_label, submit_delete, submit_edit
from dids.lifecycle import statuses as st
from jobs.models import SMALL
from screens.answers import done, preview_context, queued, refused, selected_dids
from screens.forms import ConfirmCountForm
from screens.numbers.addresses import part_of, parts_of


def _may_edit(user):
    if user.is_authenticated and not any(map(user.has_perm, st.EDIT_RIGHTS)):
        raise PermissionDenied
    return user.is_authenticated


@require_http_methods(["GET", "HEAD", "POST"])
@user_passes_test(_may_edit)
def did_mass_edit(request):
    selection, step = selected_dids(request), request.POST.get("step", "form")
    if selection.error:
        return refused(request, selection.error, "Mass Edit", _back(request))
    form = MassEditForm(request.POST if step != "form" else None, by=request.user)
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
    if step == "deletable":
        count = selection.queryset.preview_delete(by=request.user).done
        return render(request, "numbers/_deletable.html", {"count": count, "of": selection.count})
    preview = _preview(selection, fields, request.user) if fields else None
    context = {"selection": selection, "form": form, "preview": preview}
    if step == "preview" and request.htmx:
        return render(request, "numbers/_preview.html", context | {"oob": True})
    return _dialog(
        request, "numbers/_mass_edit.html", f"Mass Edit of {count_noun(selection.count, 'number')}", context
    )


def _preview(selection, fields, user):
    """Return the context of _preview.html: counts, refusals, and what the edit means for clients."""
    effects = selection.queryset.preview_effects(by=user, **fields)
    others = {name: value for name, value in fields.items() if name != "status"}
    also = edit_words(others) if effects.hold or effects.blocked else ""
    context = preview_context(effects.result) | {
        "hold": effects.hold,
        "blocked": effects.blocked,
        "also": also,
    }
    verdicts = selection.queryset.with_edit_verdict(by=user, **fields)
    _add_urls(context, effects.result, selection, user, lambda code: verdicts.filter(verdict=code))
    if losses := effects.blocked or (effects.hold and effects.hold.losses):
        context["losses"] = _with_urls(losses, selection, effects.result, fields, user)
    return context


def _add_urls(context, result, selection, user, numbers_of):
    """Add the address of its list to each refusal in the context; ``numbers_of(code)``: the refused ones.

    Those that a move refuses are all that match in its first status.
    """
    for refusal, code in zip(context["refused"], result.refusals, strict=True):
        source, is_move, _ = code.partition(">")
        statuses = [source] if is_move else None
        refusal["url"] = part_of(selection, numbers_of(code), user, status=statuses)


def _with_urls(losses, selection, result, fields, user):
    """Return the ``Losses`` with the addresses of the lists of their numbers."""
    losing = selection.queryset.losing_by_edit(by=user, **fields)
    refused = {code.partition(">")[0] for code in result.refusals}
    statuses = [one for one in st.IN_USE if one not in refused and one != fields["status"]]
    if selection.filterset and (chosen := selection.filterset.form.cleaned_data["status"]):
        statuses = [one for one in statuses if one in chosen]
    statuses = statuses or None
    every = part_of(selection, losing, user, status=statuses)
    urls = parts_of(
        selection, losing, user, [loss.pk for loss in (*losses.first, *losses.others)], status=statuses
    )
    first, others = (
        [replace(loss, url=urls.get(loss.pk, "")) for loss in part] for part in (losses.first, losses.others)
    )
    return replace(losses, first=first, others=others, url=every and f"{every}&sort=client")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("dids.delete_did", raise_exception=True)
def did_delete(request):
    selection, step = selected_dids(request), request.POST.get("step", "form")
    if selection.error:
        return refused(request, selection.error, "Delete numbers", _back(request))
    result = selection.queryset.preview_delete(by=request.user)
    form = ConfirmCountForm.when_needed(
        request.POST if step == "apply" else None, count=result.done, fate="will be deleted"
    )
    if step == "apply" and result.done and (form is None or form.is_valid()):
        if selection.count > SMALL:
            return queued(request, submit_delete(request.user, selection))
        result = selection.queryset.delete_unused(by=request.user)
        return done(request, result.sentence("deleted"), result, _back(request))
    preview, chosen = preview_context(result), selection.queryset
    if request.method == "POST":  # a long list is stored, which a GET must not do
        _add_urls(
            preview, result, selection, request.user, lambda code: chosen.in_status([code.partition(">")[0]])
        )
    title = f"Delete {preview['changed_label']}" if result.done else "Nothing can be deleted"
    context = {"selection": selection, "form": form, "preview": preview}
    return _dialog(request, "numbers/_delete.html", title, context)


def _dialog(request, template, title, context):
    form = context.get("form")
    wrong = form is not None and form.is_bound and form.errors
    return dialogs.show(
        request, template, context, title=title, back_url=_back(request), status=422 if wrong else 200
    )


def _back(request):
    return dialogs.back_to(request, reverse("dids:list"), reverse("blocks:map"))
