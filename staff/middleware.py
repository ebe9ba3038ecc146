from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.sessions import middleware as sessions
from django.core.exceptions import DisallowedRedirect
from django.core.signing import BadSignature, Signer
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.encoding import iri_to_uri

from didmgmt import clock, kept_forms
from didmgmt.addresses import go_to, is_ours

STARTED = "started"  # key of the session: the Unix time of its first request
SESSION = "X-Session"  # header that tells a script why its request was refused
PAGE_USER = "X-Page-User"  # header of a script's request: the primary key of the user whose page it is
SEEN_EVERY = 60  # seconds between renewals of the cookie with the time of the last request


def unattended(view):
    """Mark a view that pages request by themselves: it doesn't keep a session alive."""
    view.unattended = True
    return view


class SessionMiddleware(sessions.SessionMiddleware):
    """Leave the cookie of an ended session to the sign-in that replaces it.

    Pages that show progress send requests during that sign-in. An answer that deletes the cookie may arrive
    after the new one and would sign the user out again.
    """

    def process_response(self, request, response):
        if response.headers.get(SESSION) == "ended":
            return response
        return super().process_response(request, response)


class SessionEndMiddleware:
    """End a session after ``SESSION_IDLE_MINUTES`` without a request, and ``SESSION_HOURS`` after sign-in.

    It comes before SignInMiddleware, which then redirects to the sign-in page. The time of the last request
    is in a cookie signed for this session, because a write to the database would make readers wait. Until a
    browser has that cookie, the first request counts as the last: others may be sent before its answer.
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
                sign_seen(key, request.user.pk, _now()),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    def process_view(self, request, view, args, kwargs):
        if not getattr(view, "login_required", True):
            return
        session, key, now = request.session, request.session.session_key, _now()
        seen, user = read_seen(key, request.COOKIES.get(settings.SEEN_COOKIE_NAME, ""))
        if not request.user.is_authenticated:
            request.ended_for = user
            return
        request.seen_in = None  # the key of the session whose cookie need not be renewed
        if STARTED not in session:
            session[STARTED] = now
            return
        seen = max(seen, session[STARTED])
        is_idle = now - seen > settings.SESSION_IDLE_MINUTES * 60
        if is_idle or now - session[STARTED] > settings.SESSION_COOKIE_AGE:
            request.ended_for = request.user.pk
            logout(request)
        elif now - seen < SEEN_EVERY or getattr(view, "unattended", False):
            # Not its key now: a session of a former SECRET_KEY gets another one with its user.
            request.seen_in = key


def _now():
    """Return the Unix time by the database's clock: hosts whose clocks differ share the sessions."""
    return int(clock.now().timestamp())


def sign_seen(session_key, user, seen):
    """Return the value of the cookie that says whose session made its last request when.

    ``user``: the primary key. ``seen``: a Unix time.
    """
    return _signer().sign(f"{seen}.{user}.{_digest(session_key, settings.SECRET_KEY)}")


def read_seen(session_key, value):
    """Return (seen, user) of the cookie: a Unix time, 0 if it is of another session, and a primary key.

    (0, None) if it is missing or forged. The user is also known when the session is not any more.
    """
    try:
        seen, user, digest = _signer().unsign(value).split(".")
    except BadSignature:
        return 0, None
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return int(seen) if any(digest == _digest(session_key, key) for key in keys) else 0, int(user)


def _digest(session_key, secret):
    return salted_hmac("staff.seen", session_key or "", secret).hexdigest()


def _signer():
    return Signer(salt="staff.seen")


class SignInMiddleware(LoginRequiredMiddleware):
    """Redirect to the sign-in page and back, for URLs of any length; keep the form that was sent.

    A script gets an answer instead, with which session.js asks to sign in over the page: when the session has
    ended, and when another user has signed in since the page was loaded.
    """

    def process_view(self, request, view_func, view_args, view_kwargs):
        if not getattr(view_func, "login_required", True):
            return None  # before the user is loaded: health checks do without the database
        if request.user.is_authenticated:
            page_user = request.headers.get(PAGE_USER)
            if page_user and page_user != str(request.user.pk):
                return other_user(request)
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request, view_func):
        if PAGE_USER in request.headers:
            return _tell_script(request, "ended", 401, "Your session has ended. Sign in again.")
        back = request.get_full_path()
        if request.method == "POST" and not kept_forms.keep(request, request.ended_for):
            messages.warning(request, kept_forms.LOST)
            # A page that only takes a form can't be the next one.
            came_from = request.headers.get("Referer", "")
            back = came_from if is_ours(request, came_from) else resolve_url("home")
        if request.method != "POST":
            try:
                return super().handle_no_permission(request, view_func)
            except DisallowedRedirect:
                pass
        query = urlencode({self.redirect_field_name: back})
        return go_to(f"{resolve_url(self.get_login_url(view_func))}?{query}")


def other_user(request):
    """Tell a script that the page belongs to a user other than the one who is signed in now."""
    name = request.user.get_username()
    response = _tell_script(
        request, "other", 409, f"You are now {name}, but this page belongs to somebody else."
    )
    response.headers["X-User"] = iri_to_uri(name)
    return response


def csrf_failure(request, reason=""):  # noqa: ARG001 - Django names it
    """Answer a form whose CSRF token is of an earlier sign-in; a script gets a new one and tries again."""
    if PAGE_USER in request.headers:
        return _tell_script(request, "stale", 403, "You have signed in since. Reload the page.")
    return render(request, "403_csrf.html", status=403)


def _tell_script(request, session, status, sentence):
    response = HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=status)
    response.headers[SESSION] = session
    response.headers["X-CSRF-Token"] = get_token(request)
    response.headers["Cache-Control"] = "no-store"
    return response


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
