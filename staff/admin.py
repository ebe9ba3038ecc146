"""Users in Django's admin. Nobody can grant, or take over, more permissions than they have."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

import audit
from audit.models import Change
from staff.models import User


def rights_of(person):
    """Return the permissions granted to a user, active or not; being a superuser is not counted."""
    return Permission.objects.filter(Q(group__user=person) | Q(user=person))


def rights_beyond(person):
    """Return the permissions that a user who is not a superuser lacks."""
    return Permission.objects.exclude(pk__in=rights_of(person).values("pk"))


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

    def save_model(self, request, obj, form, change):
        if change:
            User.objects.get(pk=obj.pk).record(by=audit.SYSTEM)
        super().save_model(request, obj, form, change)

    def save_related(self, request, form, formsets, change):
        """Record the user once the groups are saved as well."""
        super().save_related(request, form, formsets, change)
        form.instance.record(by=request.user, password_set=not change and form.instance.has_usable_password())

    def delete_model(self, request, obj):
        obj.forget(by=request.user)

    def user_change_password(self, request, id, form_url=""):  # noqa: A002 (the name is Django's)
        person = self.get_object(request, id)
        if request.method != "POST" or person is None:
            return super().user_change_password(request, id, form_url)
        with person.recorded(by=request.user):
            response = super().user_change_password(request, id, form_url)
            person.refresh_from_db()
        return response

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

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        form.had = _codenames(obj)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        role, has = form.instance, _codenames(form.instance)
        data = {"role": role.name, "given": sorted(has - form.had), "taken": sorted(form.had - has)}
        _record_role(f"Role {role} edited" if change else f"New role {role}", request.user, data)

    def delete_model(self, request, obj):
        _record_role(
            f"Role {obj} deleted", request.user, {"role": obj.name, "taken": sorted(_codenames(obj))}
        )
        super().delete_model(request, obj)


def _codenames(role):
    return set(role.permissions.values_list("codename", flat=True))


def _record_role(label, by, data):
    with audit.change(Change.Kind.STAFF, by=by, label=label, data=data) as change:
        change.touched = 1
