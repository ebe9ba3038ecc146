from urllib.parse import urlencode

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import DisallowedRedirect
from django.shortcuts import resolve_url
from django.utils import timezone

from didmgmt.addresses import go_to


class SignInMiddleware(LoginRequiredMiddleware):
    """Django's, which leads to the sign-in page and back, for addresses of any length."""

    def handle_no_permission(self, request, view_func):
        try:
            return super().handle_no_permission(request, view_func)
        except DisallowedRedirect:
            query = urlencode({self.redirect_field_name: request.get_full_path()})
            return go_to(f"{resolve_url(self.get_login_url(view_func))}?{query}")


class TimeZoneMiddleware:
    """Moments are shown in the time zone of the person who is signed in.

    Comes after SignInMiddleware: pages that need no sign-in stay in the installation's zone
    and, like the health checks, work without asking who is there.
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
