"""People: the list, and the dialogs that create, edit, deactivate and delete them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import dialogs
from didmgmt.listing import Listing
from didmgmt.text import count_noun
from screens.people.forms import NewPasswordForm, PersonFilter, PersonForm
from screens.records import installation_wide, save_dialog
from staff.models import User
from staff.people import (
    RefusedError,
    delete_person,
    managing,
    people_for,
    set_active,
    why_active,
    why_kept,
)

SORTS = {
    "user": (Lower("username"), "id"),
    "name": (Lower("last_name"), Lower("first_name"), "id"),
    "reseller": (Lower("reseller__name"), "id"),
    "seen": (F("last_login"), "id"),
}


def _get(request, pk):
    """Return the person; raise Http404 or PermissionDenied if the user may not manage it."""
    person = get_object_or_404(people_for(request.user).select_related("reseller"), pk=pk)
    if person.greater:
        raise PermissionDenied
    return person


@require_safe
@installation_wide("staff.view_user")
def person_list(request):
    listing = Listing(
        request.GET,
        people_for(request.user),
        PersonFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: (
            people_for(request.user, found).select_related("reseller").prefetch_related("groups")
        ),
    )
    return render(request, "people/list.html", {"listing": listing})


@dialogs.view
@installation_wide("staff.add_user")
def person_new(request):
    return _save(request, User())


@dialogs.view
@installation_wide("staff.change_user")
def person_edit(request, pk):
    return _save(request, _get(request, pk))


def _save(request, person):
    return save_dialog(
        request,
        person,
        PersonForm,
        list_url=reverse("people:list"),
        edit_url=lambda saved: reverse("people:edit", args=[saved.pk]),
        say=messages.success,  # changes of people and roles can't be undone
    )


@dialogs.view
@installation_wide("staff.change_user")
def person_password(request, pk):
    person = _get(request, pk)
    form = NewPasswordForm(person, request.POST if request.method == "POST" else None)
    back_url = dialogs.back_to(request, reverse("people:list"))
    if form.is_valid():
        with managing(f"New password of user {person}", by=request.user):
            form.save()
        messages.success(request, f"{person} has a new password and is signed out everywhere.")
        return dialogs.close(request, back_url)
    return dialogs.show_form(request, form, f"New password of {person}", "Set password", back_url=back_url)


@dialogs.view
@installation_wide("staff.change_user")
def person_deactivate(request, pk):
    person = _get(request, pk)
    jobs = person.jobs.unfinished().count()
    says = [f"{person} is signed out at once and can’t sign in any more. What {person} did stays on record."]
    if jobs:
        says.append(f"{count_noun(jobs, 'unfinished job')} of {person} will stop.")
    if tokens := person.tokens.usable().count():
        says.append(f"{count_noun(tokens, 'API token')} of {person} will be refused from then on.")
    return _confirm(
        request,
        lambda: set_active(person, active=False, by=request.user),
        title=f"Deactivate {person}?",
        says=says,
        refusal=why_active(person, request.user),
        button=f"Deactivate {person}",
        done=f"{person} is deactivated and can’t sign in any more.",
        danger=True,
    )


@dialogs.view
@installation_wide("staff.change_user")
def person_activate(request, pk):
    person = _get(request, pk)
    roles = ", ".join(person.groups.order_by("name").values_list("name", flat=True)) or "no role"
    whose = person.reseller or "all resellers"
    return _confirm(
        request,
        lambda: set_active(person, active=True, by=request.user),
        title=f"Activate {person}?",
        says=[f"{person} can sign in again with the old password, as before: {roles}, {whose}."],
        button=f"Activate {person}",
        done=f"{person} is active and can sign in.",
    )


@dialogs.view
@installation_wide("staff.delete_user")
def person_delete(request, pk):
    person = _get(request, pk)
    return _confirm(
        request,
        lambda: delete_person(person, by=request.user),
        title=f"Delete {person}?",
        says=[f"{person} has done nothing yet. That this person existed stays in the audit log."],
        refusal=why_kept(person, request.user),
        button=f"Delete {person}",
        done=f"{person} is deleted.",
        danger=True,
    )


def _confirm(request, act, **context):
    return confirm(request, act, list_url=reverse("people:list"), **context)


def confirm(request, act, *, list_url, title, says, button, done, danger=False, refusal="", sent=None):
    """Answer a dialog that asks before ``act()``, which may raise RefusedError.

    ``done``: the sentence afterwards, or a function that makes it of what ``act`` returned. ``sent``: {name:
    value} that the form sends along.
    """
    back_url = dialogs.back_to(request, list_url)
    if request.method == "POST" and not refusal:
        try:
            result = act()
        except RefusedError as error:
            refusal = str(error)
        else:
            messages.success(request, done(result) if callable(done) else done)
            return dialogs.close(request, back_url)
    context = {"title": title, "says": [refusal] if refusal else says, "refusal": refusal}
    context |= {"button": button, "danger": danger, "action_url": request.path, "sent": sent or {}}
    status = 422 if request.method == "POST" else 200
    return dialogs.show(
        request, "people/_confirm.html", context, title=title, back_url=back_url, status=status
    )
