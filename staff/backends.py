"""Who is signed in and what they may do, as Django answers it, read with compiled statements."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from didmgmt.statements import Statement
from staff.models import User

_user = Statement(lambda pk: User.objects.select_related("reseller").filter(pk=pk))


def _through(model, name):
    return model._meta.get_field(name).remote_field.through.objects


_granted = Statement(
    lambda user: (
        Permission.objects.order_by()
        .filter(
            Q(pk__in=_through(User, "user_permissions").filter(user=user).values("permission"))
            | Q(
                pk__in=_through(Group, "permissions")
                .filter(group__in=_through(User, "groups").filter(user=user).values("group"))
                .values("permission")
            )
        )
        .values_list("content_type__app_label", "codename")
    )
)


class StaffBackend(ModelBackend):
    """Read a user with its reseller, and all its permissions, in one query each."""

    def get_user(self, user_id):
        found = _user.instances(pk=user_id)
        return found[0] if found and self.user_can_authenticate(found[0]) else None

    def get_all_permissions(self, user_obj, obj=None):
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            found = _granted.rows(user=user_obj.pk)
            user_obj._perm_cache = {f"{app}.{codename}" for app, codename in found}
        return user_obj._perm_cache
