"""Health checks for load balancers and monitors; they need no sign-in and reveal only names."""

import shutil
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import triggers
from audit.models import SealDelivery
from didmgmt import keys, patience
from jobs.files import folder
from jobs.models import WorkerBeat

NAMED = 5  # workers
LONGEST = 1.8  # seconds to wait for the database: a monitor waits for two, and takes silence for a failure
ROOM = 5 * 1024 * 1024  # bytes free, below which a disk counts as full


@require_safe
@login_not_required
@never_cache
def alive(request):
    """Answer 200 while the process runs; a database that is down is no reason to restart it."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@login_not_required
@never_cache
def ready(request):
    """Answer 200 when this host can work, else 503; the JSON names the checks that failed.

    Failing periodic tasks, places that seals can't be delivered to, workers without this host's files and
    wrong clocks are named too, but don't take the host out of service. Costs fourteen queries, two of them on
    the catalogue; never waits longer than ``LONGEST`` for PostgreSQL, and on SQLite not for writers.
    """
    with patience.hurry(LONGEST):
        checks, details = _look()
    return JsonResponse(details, status=200 if all(checks.values()) else 503)


def _look():
    """Return {check: whether it passed} and the details, in words, of all that is looked at."""
    checks = {}
    for name, check in (
        ("database", _database_answers),
        ("migrations", _migrations_are_applied),
        ("history", _history_is_written),
        ("worker", _worker_was_seen),
        ("disk", _disk_has_room),
        ("keys", _keys_are_those_of_other_hosts),
    ):
        try:
            checks[name] = check()
        except (Error, OSError):
            checks[name] = False
    details = {name: "ok" if passed else "failed" for name, passed in checks.items()}
    details["keys"] = _named("other hosts have another", keys.differing)
    details["periodic tasks"] = _named("failing", WorkerBeat.failing_tasks)
    details["seals"] = _named("not delivered to", _failing_places)
    details["files"] = _named("not shared with", _workers_with_other_files)
    details["clocks"] = _named("wrong", WorkerBeat.wrong_clocks)
    return checks, details


def _named(what, find):
    """Return "ok", or ``what`` is wrong with the names that ``find()`` returns."""
    try:
        names = find()
    except Error:
        return "unknown"
    return f"{what}: {', '.join(names)}" if names else "ok"


def _failing_places():
    return sorted({delivery.kind for delivery in SealDelivery.failing()})


def _workers_with_other_files():
    """Return the workers that lack the files of this host; see ``jobs.files``."""
    return [*WorkerBeat.recent().exclude(folder__in=("", folder())).values_list("worker", flat=True)[:NAMED]]


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


def _keys_are_those_of_other_hosts():
    return not keys.differing()


def _disk_has_room():
    """Whether files and an SQLite database can be written; the disk of PostgreSQL can't be seen from here."""
    folders = {settings.VAR_DIR}
    if connection.vendor == "sqlite":
        folders.add(Path(connection.settings_dict["NAME"]).parent)
    return all(shutil.disk_usage(folder).free >= ROOM for folder in folders)
