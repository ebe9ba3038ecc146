from functools import wraps

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator


class StaffAdminSite(AdminSite):
    """Admin for staff not bound to a reseller; sign-in and passwords have pages of their own."""

    site_header = site_title = "Staff admin"
    index_title = "People and roles"

    def has_permission(self, request):
        user = request.user
        return user.is_active and user.is_staff and user.reseller_id is None

    def admin_view(self, view, cacheable=False):
        """Answer 403, not the sign-in page, to a signed-in user without permission."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def checked(request, *args, **kwargs):
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            return inner(request, *args, **kwargs)

        return checked

    @method_decorator(login_not_required)
    def login(self, request, extra_context=None):
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request, extra_context=None):
        return redirect("staff:password_change")
