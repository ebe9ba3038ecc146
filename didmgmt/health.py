"""Answers for load balancers and monitors; they need no sign-in and reveal only names of checks."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import triggers
from jobs.models import WorkerBeat


@require_safe
@login_not_required
@never_cache
def alive(request):
    """200 as long as the process answers; a database that is away is no reason to restart it."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@login_not_required
@never_cache
def ready(request):
    """200 when work can be done here, 503 when not; the JSON says which check failed.

    Costs half a dozen queries, two of them over the catalogue.
    """
    checks = {}
    for name, check in (
        ("database", _database_answers),
        ("migrations", _migrations_are_applied),
        ("history", _history_is_written),
        ("worker", _worker_was_seen),
    ):
        try:
            checks[name] = check()
        except Error:
            checks[name] = False
    return JsonResponse(
        {name: "ok" if good else "failed" for name, good in checks.items()},
        status=200 if all(checks.values()) else 503,
    )


def _database_answers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _migrations_are_applied():
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _history_is_written():
    return not triggers.missing(connection)


def _worker_was_seen():
    return WorkerBeat.is_recent()
