"""Carry out a form once, however often it is sent: a double click, Back and resubmit, a repeated request.

Each form that writes contains a random token (``{% form_token %}``). The first write of a request inserts the
hash of token and content into ``SentForm``, in the transaction of the write, so both are committed or neither
is. A second request with the same token and content finds the hash, writes nothing, and is redirected to the
result of the first. A form that the user went back to and changed has another hash and is carried out.

Requests without a token are not protected: scripts that post to our URLs need none.
"""

import hashlib
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from django.apps import apps
from django.contrib import messages
from django.db import connection, transaction
from django.urls import reverse

from didmgmt import clock, dialogs

FIELD = "form_token"
KEPT = timedelta(days=30)  # longer than any page can be posted: its CSRF token ends with the session
WAIT = 2  # seconds that a repeated request waits for the first one to finish
ALREADY = "This was sent before and is already done, so nothing was done again."

_current = ContextVar("form", default=None)


class RepeatedError(Exception):
    """The same form has been carried out by another request."""


class _Form:
    """The form of the current request; ``used``: its key is inserted."""

    def __init__(self, request):
        self.request, self.used = request, False
        self._key = None

    @property
    def key(self):
        if self._key is None:
            self._key = _hash(self.request)
        return self._key

    @property
    def stored(self):
        return apps.get_model("didmgmt", "SentForm").objects.filter(key=self.key)

    def use(self):
        """Insert the key; raise RepeatedError if it exists."""
        if not insert_key("didmgmt_sentform", key=self.key, location="", sentence=""):
            raise RepeatedError
        self.used = True

    def finished(self):
        """Return the ``SentForm`` of the first request; wait a little for the end of that request."""
        deadline = time.monotonic() + WAIT
        while not (first := self.stored.get()).location and time.monotonic() < deadline:
            time.sleep(0.05)
        return first


def insert_key(table, **row):
    """Insert a row with a unique ``key`` and the time ``at``; return False if there is one already.

    Waits for another transaction that has inserted the key. Raw SQL, because the ORM doesn't return whether a
    row was inserted, and a failed INSERT would need a savepoint.
    """
    row |= {"at": connection.ops.adapt_datetimefield_value(clock.now())}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
            " ON CONFLICT (key) DO NOTHING",
            [*row.values()],
        )
        return bool(cursor.rowcount)


@contextmanager
def atomic():
    """Open a transaction for a write, in which the form of the current request is carried out at most once.

    Raises RepeatedError if another request has carried it out; waits for one that is writing at the moment.
    A rolled-back transaction leaves the form unused.
    """
    form = _current.get()
    if form is None or form.used:
        with transaction.atomic():
            yield
        return
    try:
        with transaction.atomic():
            form.use()
            yield
    except BaseException:
        form.used = False
        raise


class FormTokenMiddleware:
    """Answer a repeated form with the result of the first.

    It comes after the middleware that checks CSRF tokens and sign-in, which refuses a form first.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        outer = _current.set(None)
        try:
            response = self.get_response(request)
            form = _current.get()
        finally:
            _current.reset(outer)
        if form is None:
            return response
        if form.used:
            form.stored.update(location=_location(request, response), sentence=_sentence(request))
        # The view may have refused the form because of what the first one wrote: "the name is taken".
        elif first := form.stored.first():
            return _answer(request, first)
        return response

    def process_view(self, request, view, args, kwargs):
        if request.method == "POST" and request.user.is_authenticated and request.POST.get(FIELD):
            _current.set(_Form(request))

    def process_exception(self, request, exception):
        if isinstance(exception, RepeatedError):
            return _answer(request, _current.get().finished())
        return None


def _hash(request):
    """Return the SHA-256 of who sent what where."""
    digest = hashlib.sha256(f"{request.user.pk}\0{request.get_full_path()}".encode())
    for name, values in sorted(request.POST.lists()):
        if name != "csrfmiddlewaretoken":
            digest.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            digest.update(repr((name, file.name, file.size)).encode())
            for chunk in file.chunks():
                digest.update(chunk)
            file.seek(0)
    return digest.hexdigest()


def _location(request, response):
    """Return the URL of the result, which a response without a redirect names as Content-Location."""
    for header in ("Location", "HX-Redirect", "Content-Location"):
        if url := response.headers.get(header):
            return url
    return request.htmx.current_url_abs_path or reverse("home")


def _sentence(request):
    """Return the messages of this request; iterating over them would drop them."""
    return " ".join(str(message) for message in messages.get_messages(request)._queued_messages)


def _answer(request, first):
    """Redirect to the result of the first request, with its message."""
    for _ in messages.get_messages(request):
        pass  # drop what the view says about a request that wrote nothing
    messages.info(request, f"{ALREADY} {first.sentence}".strip())
    return dialogs.close(request, first.location or reverse("home"))
