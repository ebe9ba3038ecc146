"""Read lists from a replica if ``REPLICA_URL`` is set; everything else uses the primary.

A replica lags. So only views decorated with ``may_lag`` read from it, and a user who has just written
something reads from the primary for ``REPLICA_LAG`` seconds. Sign-in, permissions, jobs, exports, dialogs,
the worker, writes and everything in a transaction never use a replica.
"""

import logging
import time
from contextvars import ContextVar
from functools import wraps

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import Error, connections

ALIAS = "replica"
# Cookie of a user who has just written. Unsigned: all it can do is select the primary.
WROTE = f"{settings.COOKIE_PREFIX}wrote"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
PRIMARY = {
    "auth",
    "axes",
    "contenttypes",
    "jobs",
    "sessions",
    "staff",
}  # apps that must never be read from a replica
RETRY_AFTER = 10  # seconds before a process tries a failed replica again

log = logging.getLogger("didmgmt.replica")
_lagging = ContextVar("lagging", default=False)
_failed_at = float("-inf")


class ReplicaRouter:
    def db_for_read(self, model, **hints):
        may_lag = _lagging.get() and model._meta.app_label not in PRIMARY
        return ALIAS if may_lag and not connections["default"].in_atomic_block else "default"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def may_lag(view):
    """Let a view read from the replica, or from the primary if the replica fails.

    After a failure the view is called a second time, so it must only read.
    """

    @wraps(view)
    def read(request, *args, **kwargs):
        if not settings.DATABASE_ROUTERS or WROTE in request.COOKIES or request.method not in SAFE:
            return view(request, *args, **kwargs)
        if time.monotonic() < _failed_at + RETRY_AFTER:
            return view(request, *args, **kwargs)
        token = _lagging.set(True)
        try:
            return view(request, *args, **kwargs)
        except Error as error:
            if not connections[ALIAS].errors_occurred:
                raise
            _mark_failed(error)
        finally:
            _lagging.reset(token)
        return view(request, *args, **kwargs)

    return read


def _mark_failed(error):
    global _failed_at
    _failed_at = time.monotonic()
    connections[ALIAS].close()
    log.warning("The replica failed; reading from the primary for %s s: %s", RETRY_AFTER, str(error).strip())


class WroteMiddleware:
    """Pin a user to the primary for ``REPLICA_LAG`` seconds after a request that may write."""

    def __init__(self, get_response):
        if not settings.DATABASE_ROUTERS:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if request.method not in SAFE:
            response.set_cookie(
                WROTE,
                "1",
                max_age=settings.REPLICA_LAG,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
