"""Give each request an id, a record in the log, and its place in the counts of ``didmgmt.measures``.

The record, and every other one while the request is answered, has its id, which is also in the X-Request-ID
header and on the page of an error. Neither has the query string or the body: they hold numbers and names.
"""

import logging
import re
import time
import uuid
from contextvars import ContextVar

from django.conf import settings
from django.utils.functional import SimpleLazyObject

from didmgmt import measures

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9_.-]{8,64}")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
# Requests that monitors and browsers repeat by themselves; their records are of level DEBUG.
ROUTINE = ("healthz", "readyz", "metrics", "static")

log = logging.getLogger(__name__)
_current = ContextVar("request", default=None)


def current():
    """Return the request that this thread answers or answered last, None in other processes."""
    return _current.get()


def signed_in(request):
    """Return the user of a request if it has been loaded, else None: logging runs no query."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return user if user is not None and user.is_authenticated else None


def route(request):
    """Return the name of the request's address such as "dids:list"; "none" if it has none."""
    match = getattr(request, "resolver_match", None)
    if match:
        return match.view_name
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


class RequestMiddleware:
    """Identify and measure requests. It comes before every other middleware, so that their time is included.

    A download is measured to its end, and an exception in the middle of it, which can't become an error page
    any more, is logged and counted.
    """

    def __init__(self, get_response):
        self.get_response = get_response
        for during in ("page", "download"):
            measures.EXCEPTIONS.labels(during)  # 0 rather than unknown

    def __call__(self, request):
        began = time.perf_counter()
        request.id = _id(request)
        _current.set(request)  # until the next request: a download is written after this returns
        response = self.get_response(request)
        response.headers[HEADER] = request.id
        if response.streaming and getattr(response, "file_to_stream", None) is None:
            response.streaming_content = _Download(response.streaming_content, request, response, began)
        else:
            _record(request, response, began)
        return response


def _id(request):
    """Return the id that a trusted proxy gave the request, else a new one."""
    given = request.headers.get(HEADER, "")
    return given if settings.TRUSTED_PROXIES and WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


class _Download:
    """The chunks of a streamed response, measured when it is closed, even if it was never read."""

    def __init__(self, chunks, request, response, began):
        self._chunks, self._about = iter(chunks), (request, response, began)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._chunks)
        except StopIteration:
            raise
        except Exception:
            request = self._about[0]
            measures.EXCEPTIONS.labels("download").inc()
            log.exception("%s %s broke off", request.method, route(request))
            raise

    def close(self):
        if self._about:
            _record(*self._about)
        self._about = None


def _record(request, response, began):
    seconds, name = time.perf_counter() - began, route(request)
    method = request.method if request.method in METHODS else "other"
    status = response.status_code
    measures.ROUTES.labels(name, method, f"{status // 100}xx").observe(seconds)
    if name not in ROUTINE:  # so many quick ones would hide slow pages
        measures.REQUESTS.labels(method).observe(seconds)
    log.log(
        logging.DEBUG if name in ROUTINE else logging.INFO,
        "%s %s %s",
        method,
        name,
        status,
        extra={"method": method, "status": status, "duration": round(seconds, 4)},
    )
