"""Lists from a read replica, where ``REPLICA_URL`` names one; everything else stays with the primary.

A replica is a little behind. So only pages that say ``@may_lag`` read from it, and not for who has just
written something: the next pages of that person come from the primary for ``REPLICA_LAG`` seconds.
Signing in, rights, jobs, exports, dialogs, the worker, whatever writes and all that happens in a
transaction never come to a replica, because none of them says ``may_lag``.
"""

import logging
import time
from contextvars import ContextVar
from functools import wraps

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import Error, connections

ALIAS = "replica"
WROTE = "wrote"  # the cookie of who has just written. Nothing to sign: all that it asks for is the primary
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
PRIMARY = {"auth", "axes", "contenttypes", "jobs", "sessions", "staff"}  # apps that no page may see late
AGAIN_AFTER = 10  # seconds that a process leaves a replica alone that has failed

log = logging.getLogger("didmgmt.replica")
_lagging = ContextVar("lagging", default=False)
_failed_at = float("-inf")


class ReplicaRouter:
    def db_for_read(self, model, **hints):
        late = _lagging.get() and model._meta.app_label not in PRIMARY
        return ALIAS if late and not connections["default"].in_atomic_block else "default"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def may_lag(view):
    """For a view that only shows: its reads may go to the replica, and to the primary when that fails.

    Then the view is called a second time, so it must not do anything but read.
    """

    @wraps(view)
    def read(request, *args, **kwargs):
        if not settings.DATABASE_ROUTERS or WROTE in request.COOKIES or request.method not in SAFE:
            return view(request, *args, **kwargs)
        if time.monotonic() < _failed_at + AGAIN_AFTER:
            return view(request, *args, **kwargs)
        token = _lagging.set(True)
        try:
            return view(request, *args, **kwargs)
        except Error as error:
            if not connections[ALIAS].errors_occurred:
                raise
            _leave_alone(error)
        finally:
            _lagging.reset(token)
        return view(request, *args, **kwargs)

    return read


def _leave_alone(error):
    global _failed_at
    _failed_at = time.monotonic()
    connections[ALIAS].close()
    log.warning("The replica failed, the primary answers for %s s: %s", AGAIN_AFTER, str(error).strip())


class WroteMiddleware:
    """Whoever sent something that may write reads from the primary for ``REPLICA_LAG`` seconds."""

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
