from urllib.parse import urlencode

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import DisallowedRedirect
from django.shortcuts import resolve_url
from django.utils import timezone

from didmgmt.addresses import go_to


class SignInMiddleware(LoginRequiredMiddleware):
    """Redirect to the sign-in page and back, for URLs of any length."""

    def handle_no_permission(self, request, view_func):
        try:
            return super().handle_no_permission(request, view_func)
        except DisallowedRedirect:
            query = urlencode({self.redirect_field_name: request.get_full_path()})
            return go_to(f"{resolve_url(self.get_login_url(view_func))}?{query}")


class TimeZoneMiddleware:
    """Show dates and times in the time zone of the signed-in user.

    It comes after SignInMiddleware. Pages that need no sign-in use the installation's time zone and, like
    the health checks, do not load the user.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def process_view(self, request, view, args, kwargs):
        if getattr(view, "login_required", True):
            timezone.activate(request.user.time_zone)
