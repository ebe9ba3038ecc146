"""Assign numbers to a client: picked on its DIDs tab, or selected on the list of numbers.

A preview writes nothing; then the numbers are assigned in one change, many of them by a job. Picked numbers
are carried as ids: one that is taken in the meantime is refused with its current status, and the others are
kept.
"""

from functools import partial

from django.contrib.auth.decorators import permission_required
from django.db.models import F, Max, Min, Value
from django.db.models.functions import Lower, NullIf
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from didmgmt import clock, dialogs
from didmgmt.listing import Listing, Selection
from didmgmt.parameters import OF_LISTS, takes
from didmgmt.text import count_noun
from dids.forms.ageing import OverrideForm
from dids.forms.numbers import ChooseClientForm, HolderForm
from dids.job_kinds import assigned_verb, submit_assign
from dids.lists.filters import AvailableFilter
from dids.lists.free_runs import free_runs
from dids.lists.picks import PICK_LIMIT, Pick, reuse_warning, rows_to_pick
from dids.models import DID
from jobs.models import SMALL
from screens.answers import done, preview_context, queued, refused, selected_dids
from screens.clients.assign_forms import NumbersForm
from screens.clients.clients import CLIENTS

may_assign = permission_required("dids.assign_did", raise_exception=True)
_KEEPS = ("package", "account", "way")
_SORTS = {
    "number": ("number",),
    "operator": (Lower("operator__name"), "operator_id", "number"),
    "tag": (F("tag_set__label"), "number"),
    "notes": (NullIf("notes", Value("")), "number"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@may_assign
@takes(
    "package",
    "account",
    *AvailableFilter.names(),
    *OF_LISTS,
    way=lambda value: value in NumbersForm.WAYS,
)
def client_add_dids(request, pk):
    client, now = CLIENTS.get(request, pk), clock.now()
    if request.method != "POST":
        holder = HolderForm.of(request.GET, client=client, now=now, required=False)
        return _add_page(request, client, holder, now)
    holder = HolderForm(request.POST, client=client, now=now)
    back = dialogs.back_to(request, reverse("clients:add_dids", args=[pk]))
    title = f"Add DIDs to {client}"
    if not holder.is_valid():
        if not request.htmx:
            return _add_page(request, client, holder, now, status=422)
        wrong = [error for errors in holder.errors.values() for error in errors]
        return refused(request, " ".join(wrong), title, back)
    given, account = holder.holder
    pick, form = _pick(request, given, now)
    if pick is None:
        return _add_page(request, client, holder, now, form=form, status=422)
    if pick.error:
        return refused(request, pick.error, title, back)
    override = OverrideForm(request.POST, by=request.user)
    if request.POST.get("step") == "apply" and override.is_valid():
        back = reverse("clients:dids", args=[pk])
        return _assign(request, pick, given, account, back, override.reason)
    context = {
        "client": client,
        "override": override,
        "package": given,
        "account": account,
        "selection": pick,
        "preview": _preview(request, pick, given, account, now, override.reason),
    }
    status = 422 if override.errors else 200
    return dialogs.show(request, "clients/_assign.html", context, title=title, back_url=back, status=status)


def _pick(request, given, now):
    """Return (picked numbers, None), or (None, the form with its errors).

    Ticked numbers are read from the whole inventory, so that one taken in the meantime is refused with its
    status.
    """
    seen, way = DID.objects.visible_to(request.user), request.POST.get("way", "")
    available = seen.available_for(given, now)
    if way in NumbersForm.WAYS:
        form = NumbersForm(request.POST, way=way)
        runs = partial(free_runs, request.user, now, package=given.package)
        return (form.pick(available, seen, runs) if form.is_valid() else None), form
    everything = request.POST.get("scope") == "all"
    selection = Selection.read(
        request.POST,
        available if everything else seen,
        AvailableFilter,
        user=request.user,
        limit=PICK_LIMIT,
    )
    if everything and not selection.error:
        return Pick.of(selection.queryset.values_list("pk", flat=True)), None
    return selection, None


def _add_page(request, client, holder, now, *, form=None, status=200):
    """Render the page for picking numbers; ``form`` has the errors of pasted or counted numbers."""
    given, account = holder.holder
    way = form.way if form else request.GET.get("way", "")
    if form is None and way in NumbersForm.WAYS:
        form = NumbersForm(way=way)
    listing = None
    if given and account and form is None:
        listing = Listing(
            request.GET,
            DID.objects.visible_to(request.user).available_for(given, now),
            AvailableFilter,
            user=request.user,
            path=request.path,
            sorts=_SORTS,
            fetch=lambda dids: rows_to_pick(dids, request.user, now),
            keeps=_KEEPS,
        )
    here = reverse("clients:add_dids", args=[client.pk])
    context = {
        "client": client,
        "holder": holder,
        "package": given,
        "free": given.free if given else 0,
        "account": account,
        "has_packages": holder.fields["package"].queryset.exists(),
        "form": form,
        "way": form.way if form else "",
        "ways": {"": "From the list", **NumbersForm.WAYS},
        "listing": listing,
        "here": here,
        "back_url": reverse("clients:dids", args=[client.pk]),
    }
    return render(request, "clients/add_dids.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@may_assign
def did_assign(request):
    """Assign the numbers selected on the list: choose the client, preview, apply."""
    selection = selected_dids(request)
    only = [reverse("dids:detail", args=[selection.ids])] if selection.ids.isdigit() else []
    back = dialogs.back_to(request, reverse("dids:list"), reverse("blocks:map"), *only)
    if selection.error:
        return refused(request, selection.error, "Assign numbers to a client", back)
    return assign_selected(request, selection, back, action_url=reverse("dids:assign"))


def assign_selected(request, selection, back, *, action_url, title="", client=None, reserved=False):
    """Answer the dialog at ``action_url`` that assigns the selected numbers.

    ``title``: of the page, if it does not tell their count. ``client``: the one that is chosen at first.
    ``reserved``: whether they are in a reservation.
    """
    step, now = request.POST.get("step", "form"), clock.now()
    chosen = request.POST if step != "form" else {"client": client.pk} if client else None
    clients = ChooseClientForm(chosen, by=request.user)
    client = clients.cleaned_data["client"] if clients.is_valid() else None
    holder = HolderForm.of(
        {} if step == "client" else request.POST, client=client, now=now, required=step == "apply"
    )
    given, account = holder.holder
    override = OverrideForm(request.POST, by=request.user)
    if step == "apply" and given and account and override.is_valid():
        if reserved:
            reason = override.reason
            result = selection.queryset.assign_reserved(given, account, by=request.user, override=reason)
            return done(request, result.sentence(assigned_verb(given, account)), result, back)
        return _assign(request, selection, given, account, back, override.reason)
    context = {"selection": selection, "clients": clients, "client": client, "holder": holder}
    context |= {"action_url": action_url, "override": override}
    if given and account:
        reason = override.reason
        context["preview"] = _preview(request, selection, given, account, now, reason, reserved=reserved)
    if request.htmx and step in _PARTS:
        return render(request, _PARTS[step], context | {"oob": True, "back_url": back})
    wrong = clients.errors or (client and holder.errors) or override.errors
    return dialogs.show(
        request,
        "clients/_assign_ticked.html",
        context,
        title=title or f"Assign {count_noun(selection.count, 'number')} to a client",
        back_url=back,
        status=422 if wrong else 200,
    )


_PARTS = {"client": "clients/_assign_holder.html", "preview": "clients/_assign_preview.html"}


def _assign(request, pick, given, account, back_url, override):
    missing = getattr(pick, "missing", None)
    if pick.count > SMALL:
        return queued(request, submit_assign(request.user, pick, given, account, missing, override))
    result = pick.queryset.assign(given, account, by=request.user, override=override)
    if missing:
        result.add(missing)
    sentence = result.sentence(assigned_verb(given, account))
    return done(request, f"{sentence} {pick.note}".strip(), result, back_url)


def _preview(request, pick, given, account, now, override, *, reserved=False):
    """Return the context of _assign_preview.html: the result, the free slots, numbers reused soon."""
    numbers = pick.queryset
    preview = numbers.preview_assign_reserved if reserved else numbers.preview_assign
    result = preview(given, account, by=request.user, now=now, override=override)
    if missing := getattr(pick, "missing", None):
        result.add(missing)
    return preview_context(result) | {
        "package": given.package,
        "free": given.free,
        "free_after": max(0, given.free - result.done),
        "limit": given.package.did_limit,
        "picked": pick.queryset.aggregate(first=Min("number"), last=Max("number")),
        "reused": reuse_warning(pick, given.client, request.user, now),
        "ages": bool(override) or "ageing" in result.refusals,
    }
