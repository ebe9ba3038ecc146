"""Users in Django's admin. Nobody can grant, or take over, more permissions than they have."""

from contextlib import nullcontext

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group

import audit
from audit.models import Change
from staff.models import User
from staff.rights import rights_beyond, rights_of


@admin.register(User)
class PersonAdmin(UserAdmin):
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "reseller", "time_zone")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    superuser_fields = ("Superuser", {"fields": ("is_superuser", "user_permissions")})
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "reseller", "usable_password", "password1", "password2"),
            },
        ),
    )
    list_display = ("username", "first_name", "last_name", "reseller", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "groups", "reseller")
    list_select_related = ("reseller",)
    readonly_fields = ("last_login", "date_joined")
    actions = None  # people are deleted one by one

    def get_queryset(self, request):
        people = super().get_queryset(request)
        return people if request.user.is_superuser else people.filter(is_superuser=False)

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        return (*fieldsets, self.superuser_fields) if obj and request.user.is_superuser else fieldsets

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name == "groups" and not request.user.is_superuser:
            kwargs["queryset"] = Group.objects.exclude(permissions__in=rights_beyond(request.user))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and self._is_no_greater(request, obj)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and self._is_no_greater(request, obj)

    def _is_no_greater(self, request, obj):
        """Whether ``obj`` has no permission beyond the editor's, who could otherwise set its password."""
        if obj is None or request.user.is_superuser:
            return True
        beyond = rights_beyond(request.user)
        return not obj.is_superuser and not rights_of(obj).filter(pk__in=beyond.values("pk")).exists()

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        with _recorded(request, "User", object_id, User):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        with _recorded(request, "User", object_id, User, "deleted"):
            return super().delete_view(request, object_id, extra_context)

    def user_change_password(self, request, id, form_url=""):  # noqa: A002 (the name is Django's)
        with _recorded(request, "User", id, User):
            return super().user_change_password(request, id, form_url)

    def get_deleted_objects(self, objs, request):
        """Refuse to delete users with changes, which stay on record; Django would list every change."""
        kept = [
            f"{person.get_username()} has made changes and stays on record. "
            "Clear “Active” instead, so that nobody can sign in with this username."
            for person in objs
            if person.changes.exists() or person.jobs.exists() or person.logentry_set.exists()
        ]
        return ([], {}, set(), kept) if kept else super().get_deleted_objects(objs, request)


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Roles; a change of one is in the audit log of users who are not bound to a reseller."""

    actions = None

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        with _recorded(request, "Role", object_id, Group):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        with _recorded(request, "Role", object_id, Group, "deleted"):
            return super().delete_view(request, object_id, extra_context)


def _recorded(request, noun, object_id, model, verb="edited"):
    """Return a context in which a POST is one change, with a label that names the user or role."""
    if request.method != "POST":
        return nullcontext()
    known = model.objects.filter(pk=object_id).first() if str(object_id).isdigit() else None
    label = f"{noun} {known} {verb}" if known else f"New {noun.lower()}"
    return audit.change(Change.Kind.STAFF, by=request.user, label=label)
