"""Limits of what one person, or one address without sign-in, may ask for.

Requests and files that are being sent are counted in the memory of each process, which costs no query and no
lock of the database. So with n web processes a person gets up to n times as many. What has rows anyway
(waiting jobs, uploads) is counted in the database.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpResponse
from django.template.loader import render_to_string

from didmgmt.problems import is_for_program, problem
from didmgmt.text import count_noun

KEYS_MOST = 10_000  # buckets in memory, after which full ones are dropped
# Bytes that somebody who has not signed in may send: a form that is kept until then, such as 5,000 numbers
ANONYMOUS_BODY = 256 * 1024
WITHOUT_LIMIT = ("/healthz", "/metrics")
WITHOUT_SESSION = ("/readyz",)  # answered without the database, where the session is


class LimitError(Exception):
    """Somebody asks for more than a limit allows; the text is a sentence for them."""

    def __init__(self, sentence: str, *, retry_after: int = 60, http_status: int = 429) -> None:
        super().__init__(sentence)
        self.retry_after, self.http_status = retry_after, http_status


class Buckets:
    """Token buckets by key, each of which holds the tokens of a minute and refills continuously."""

    def __init__(self, per_minute: int) -> None:
        self._most, self._rate = per_minute, per_minute / 60
        self._lock, self._buckets = threading.Lock(), {}

    def take(self, key: str, now: float | None = None) -> float:
        """Take a token and return 0, or return the seconds until there is one; ``now``: monotonic."""
        now = time.monotonic() if now is None else now
        with self._lock:
            tokens, at = self._buckets.get(key, (self._most, now))
            tokens = min(self._most, tokens + (now - at) * self._rate)
            taken = tokens >= 1
            if len(self._buckets) >= KEYS_MOST:
                self._drop_full(now)
            self._buckets[key] = (tokens - taken, now)
        return 0 if taken else (1 - tokens) / self._rate

    def _drop_full(self, now: float) -> None:
        full_after = self._most / self._rate
        self._buckets = {key: found for key, found in self._buckets.items() if now - found[1] < full_after}


class Slots:
    """Work that occupies a thread: at most ``each`` at once for a key, and ``most`` for all.

    The garbage collector gives back the slot of a stream that nobody has read, at any time: also in a thread
    that is taking one. So ``give_back`` takes no lock, and what it adds is counted by the next ``take``.
    """

    def __init__(self, each: int, most: int) -> None:
        self._each, self._most = each, most
        self._lock, self._taken = threading.Lock(), Counter()
        self._given_back: deque[str] = deque()

    def take(self, key: str) -> bool:
        """Take a slot; return False if there is none."""
        with self._lock:
            while self._given_back:
                self._taken[self._given_back.popleft()] -= 1
            self._taken = +self._taken  # without keys that have none
            if self._taken[key] >= self._each or self._taken.total() >= self._most:
                return False
            self._taken[key] += 1
            return True

    def take_one(self, key: str) -> Callable[[], None] | None:
        """Take a slot and return what gives it back, which may be called twice; None if there is no slot."""
        if not self.take(key):
            return None
        taken = [key]
        return lambda: self.give_back(taken.pop()) if taken else None

    def give_back(self, key: str) -> None:
        self._given_back.append(key)


FILES_READ = 2  # uploaded files of a user that are read at once: a second one after a double click


@cache
def _reading():
    """Return the slots of this process: reading files leaves half of its threads to others."""
    return Slots(FILES_READ, max(1, settings.WEB_THREADS // 2))


@contextmanager
def reading_file(user):
    """Read an uploaded file, which may take seconds and much memory.

    Raises LimitError if the user, or all together, are reading as many as may be read at once.
    """
    key, slots = str(user.pk), _reading()
    if not slots.take(key):
        raise LimitError(
            f"You have {FILES_READ} files that are being read, or others keep the server busy with theirs."
            " Send the file again in a few seconds.",
            retry_after=10,
        )
    try:
        yield
    finally:
        slots.give_back(key)


class LimitMiddleware:
    """Refuse requests beyond the limits with 429, or 413 for a large one of somebody who has not signed in.

    It comes after the session and before everything that reads the body of a request.
    """

    def __init__(self, get_response):
        self.get_response = get_response
        self._people = _buckets(settings.REQUESTS_PER_MINUTE)
        self._addresses = _buckets(settings.ANONYMOUS_REQUESTS_PER_MINUTE)

    def __call__(self, request):
        try:
            if request.path not in WITHOUT_LIMIT and not _has_token(request):
                self._check(request)
        except LimitError as error:
            return refusal(request, error)
        return self.get_response(request)

    def process_exception(self, request, exception):
        return refusal(request, exception) if isinstance(exception, LimitError) else None

    def _check(self, request):
        # Reading the session costs the query that loading the user needs anyway.
        has_session = settings.SESSION_COOKIE_NAME in request.COOKIES and request.path not in WITHOUT_SESSION
        person = request.session.get(SESSION_KEY) if has_session else None
        buckets, key = (self._people, person) if person else (self._addresses, request.META["REMOTE_ADDR"])
        if buckets and (wait := buckets.take(key)):
            seconds = math.ceil(wait)
            raise LimitError(
                f"Too many requests were sent in the last minute. Wait {count_noun(seconds, 'second')} and"
                " try again.",
                retry_after=seconds,
            )
        if not person and _length(request) > ANONYMOUS_BODY:
            raise LimitError(
                "You are not signed in, and this is too much data to accept from anyone. Sign in, then send"
                " it again.",
                http_status=413,
            )


def _has_token(request):
    """Return whether a program sends a token, by which the API limits it."""
    return is_for_program(request) and request.headers.get("Authorization", "").startswith("Bearer did_")


def _buckets(per_minute):
    return Buckets(per_minute) if per_minute else None


def _length(request):
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() and len(length) < 20 else 0


def refusal(request, error):
    """Answer with the sentence, and with how long to wait."""
    response = _answer(request, "429.html", str(error), error.http_status)
    if error.http_status == 429:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def handler400(request, exception):
    """Answer a request that Django does not read, because it is too large or damaged, with a sentence.

    Reads nothing of its body, which would fail again.
    """
    return _answer(request, "400.html", _why_unread(exception), 400)


def _why_unread(exception):
    if isinstance(exception, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return (
            f"The form has more than {most:,} fields, the most that are accepted. Tick fewer rows, or select"
            " all that match."
        )
    if isinstance(exception, TooManyFilesSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return f"More than {most} files were sent at once, the most that are accepted. Send one at a time."
    if isinstance(exception, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20
        return (
            f"The form has more than {most} MB of text, the most that is accepted. Send it in parts; a long"
            " list of numbers can be imported as a file."
        )
    if isinstance(exception, DisallowedHost):
        return "This site has another address. Use the one that you were given, or ask an administrator."
    return "The request is damaged or incomplete. Go back, reload the page and try again."


_CODES = {400: "bad_request", 413: "too_large", 429: "too_many_requests"}


def _answer(request, template, sentence, status):
    """Return a page for people, plain text for htmx, which shows it in a notice, and JSON for programs."""
    if is_for_program(request):
        return problem(status, _CODES[status], sentence)
    if "HX-Request" in request.headers:
        return HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=status)
    return HttpResponse(render_to_string(template, {"sentence": sentence}), status=status)
