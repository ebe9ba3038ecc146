"""Read lists from a replica if ``REPLICA_URL`` is set; everything else uses the primary.

A replica lags. So only views decorated with ``may_lag`` read from it, and only once it has everything that
the user has written, also by a job and on another device: each write counts up the user's ``OwnWrites``,
which is replicated in its place among the writes. Sign-in, permissions, jobs, exports, dialogs, the worker,
writes and everything in a transaction never use a replica.
"""

import logging
from contextvars import ContextVar
from functools import wraps

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import Error, connections
from django.db.models import F

from didmgmt import faults
from didmgmt.models import OwnWrites
from didmgmt.patience import Breaker

ALIAS = "replica"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
PRIMARY = {
    "auth",
    "axes",
    "contenttypes",
    "jobs",
    "sessions",
    "staff",
}  # apps that must never be read from a replica
PAUSES = 10, 60  # seconds for which a process leaves a failed replica alone, at first and at most

log = logging.getLogger("didmgmt.replica")
_lagging = ContextVar("lagging", default=False)
breaker = Breaker(*PAUSES)


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
    """Let a view read from the replica, or from the primary if the replica fails or lags behind the user.

    After a failure the view is called a second time, so it must only read.
    """

    @wraps(view)
    def read(request, *args, **kwargs):
        if not settings.DATABASE_ROUTERS or request.method not in SAFE:
            return view(request, *args, **kwargs)
        if not breaker.allows():
            return view(request, *args, **kwargs)
        token = _lagging.set(True)
        try:
            response = view(request, *args, **kwargs) if _has_all_of(request.user.pk) else None
            breaker.reset()
            if response is not None:
                return response
        except Error as error:
            if not connections[ALIAS].errors_occurred:
                raise
            _mark_failed(error)
        finally:
            _lagging.reset(token)
        return view(request, *args, **kwargs)

    return read


def _mark_failed(error):
    """Leave the replica alone for a while, unless it answered that it could not run this statement."""
    connections[ALIAS].close()
    if faults.is_transient(error) or faults.took_too_long(error):
        log.info("A list is read from the primary: %s", str(error).strip())
        return
    seconds = breaker.trip()
    log.warning("The replica failed; reading from the primary for %.0f s: %s", seconds, str(error).strip())


def count_write(user):
    """Let lists of the user, an id, come from the primary until a replica has what was written so far.

    Called in the transaction of the write, as its last statement, or after it.
    """
    own = OwnWrites.objects.filter(user=user)
    if not own.update(writes=F("writes") + 1):
        OwnWrites.objects.bulk_create([OwnWrites(user_id=user)], ignore_conflicts=True)
        own.update(writes=F("writes") + 1)


def _has_all_of(user):
    """Return whether the replica has everything that the user, an id, has written."""
    written = _writes(user, "default")
    return not written or _writes(user, ALIAS) >= written


def _writes(user, alias):
    counted = OwnWrites.objects.using(alias).filter(user=user)
    return counted.values_list("writes", flat=True).first() or 0


class WroteMiddleware:
    """Count the requests of a user that may write, if there is a replica."""

    def __init__(self, get_response):
        if not settings.DATABASE_ROUTERS:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        user = getattr(request, "user", None)
        if request.method not in SAFE and user and not hasattr(response, "fault"):
            try:
                if user.pk is not None:
                    count_write(user.pk)
            except Error as error:
                log.warning("A write of %s was not counted: %s", user, str(error).strip())
        return response
