from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import DisallowedRedirect
from django.core.signing import BadSignature, Signer
from django.shortcuts import resolve_url
from django.utils import timezone

from didmgmt import clock
from didmgmt.addresses import go_to

STARTED = "started"  # key of the session: the Unix time of its first request
SEEN_EVERY = 60  # seconds between renewals of the cookie with the time of the last request


def unattended(view):
    """Mark a view that pages request by themselves: it doesn't keep a session alive."""
    view.unattended = True
    return view


class SessionEndMiddleware:
    """End a session after ``SESSION_IDLE_MINUTES`` without a request, and ``SESSION_HOURS`` after sign-in.

    It comes before SignInMiddleware, which then redirects to the sign-in page. The time of the last request
    is in a cookie signed for this session, because a write to the database would make readers wait.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        key = request.session.session_key
        # Changing the password gives the session another key; signing out takes it away.
        if key and hasattr(request, "seen_in") and key != request.seen_in:
            response.set_cookie(
                settings.SEEN_COOKIE_NAME,
                sign_seen(key, _now()),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    def process_view(self, request, view, args, kwargs):
        if not getattr(view, "login_required", True) or not request.user.is_authenticated:
            return
        session, now = request.session, _now()
        request.seen_in = None  # the key of the session whose cookie need not be renewed
        if STARTED not in session:
            session[STARTED] = now
            return
        seen = read_seen(session.session_key, request.COOKIES.get(settings.SEEN_COOKIE_NAME, ""))
        is_idle = now - seen > settings.SESSION_IDLE_MINUTES * 60
        if is_idle or now - session[STARTED] > settings.SESSION_COOKIE_AGE:
            logout(request)
        elif now - seen < SEEN_EVERY or getattr(view, "unattended", False):
            request.seen_in = session.session_key


def _now():
    """Return the Unix time by the database's clock: hosts whose clocks differ share the sessions."""
    return int(clock.now().timestamp())


def sign_seen(session_key, seen):
    """Return the value of the cookie that says when the session made its last request, a Unix time."""
    return _signer(session_key).sign(str(seen))


def read_seen(session_key, value):
    """Return the Unix time in the cookie, 0 if it is missing, forged or of another session."""
    try:
        return int(_signer(session_key).unsign(value))
    except BadSignature:
        return 0


def _signer(session_key):
    return Signer(salt=f"staff.seen.{session_key}")


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
