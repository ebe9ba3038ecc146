"""Roles: which permissions they have in plain words, and the dialogs that change them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import dialogs
from didmgmt.listing import Listing
from screens.people.forms import RoleFilter, RoleForm
from screens.people.people import confirm
from screens.records import installation_wide, save_dialog
from staff.models import Role
from staff.people import delete_role, roles_for, why_role_kept
from staff.rights import by_area

SORTS = {"name": (Lower("name"), "id"), "people": ("people", "id")}


@require_safe
@installation_wide("auth.view_group")
def role_list(request):
    listing = Listing(
        request.GET,
        roles_for(request.user).annotate(people=Count("user")),
        RoleFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: (
            roles_for(request.user, found)
            .annotate(people=Count("user"))
            .prefetch_related("permissions__content_type")
        ),
    )
    for role in listing.rows if listing.valid else ():
        role.areas = by_area(role.permissions.all())
    return render(request, "people/roles.html", {"listing": listing})


@dialogs.view
@installation_wide("auth.add_group")
def role_new(request):
    return _save(request, Role())


@dialogs.view
@installation_wide("auth.view_group")
def role_edit(request, pk):
    """Answer the form of a role; those who may not change it read what it allows."""
    role = get_object_or_404(roles_for(request.user), pk=pk)
    if request.user.has_perm("auth.change_group") and not role.greater:
        return _save(request, role)
    if request.method == "POST":
        raise PermissionDenied
    context = {"role": role, "areas": by_area(role.permissions.select_related("content_type"))}
    back_url = dialogs.back_to(request, reverse("roles:list"))
    return dialogs.show(request, "people/_rights.html", context, title=f"Role {role}", back_url=back_url)


def _save(request, role):
    return save_dialog(
        request,
        role,
        RoleForm,
        list_url=reverse("roles:list"),
        edit_url=lambda saved: reverse("roles:edit", args=[saved.pk]),
        say=messages.success,  # changes of people and roles can't be undone
    )


@dialogs.view
@installation_wide("auth.delete_group")
def role_delete(request, pk):
    role = get_object_or_404(roles_for(request.user), pk=pk)
    if role.greater:
        raise PermissionDenied
    return confirm(
        request,
        lambda: delete_role(role, by=request.user),
        list_url=reverse("roles:list"),
        title=f"Delete the role {role}?",
        refusal=why_role_kept(role),
        says=["Nobody has it. What it allowed stays in the audit log."],
        button=f"Delete {role}",
        done=f"Role {role} deleted.",
        danger=True,
    )
