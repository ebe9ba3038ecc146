"""Who is signed in and what they may do, as Django answers it, read with compiled statements."""

from django.contrib.auth.backends import ModelBackend

from didmgmt.statements import Statement
from staff.models import User
from staff.rights import granted_to

_user = Statement(lambda pk: User.objects.select_related("reseller").filter(pk=pk))


class StaffBackend(ModelBackend):
    """Read a user with its reseller, and all its permissions, in one query each."""

    def get_user(self, user_id):
        found = _user.instances(pk=user_id)
        return found[0] if found and self.user_can_authenticate(found[0]) else None

    def get_all_permissions(self, user_obj, obj=None):
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            user_obj._perm_cache = granted_to(user_obj.pk)
        return user_obj._perm_cache
