"""What web processes count of the requests that they answer, in Prometheus' terms; see ``didmgmt.metrics``.

Each process of ``manage.py web`` counts in files of its own, and whichever is asked adds up those of all. A
process of another server counts in its memory, unless PROMETHEUS_MULTIPROC_DIR names a folder.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client
from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # environment variable that the library reads when it is imported
# Upper bounds in seconds. Not by route: each would add as many lines for each of 120 routes.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

prometheus_client.disable_created_metrics()  # which there are only without a folder
_own = CollectorRegistry()

ROUTES = Summary(
    "did_route_seconds",
    "Requests and their duration, by name of the address, method and class of status",
    ["route", "method", "status"],
    registry=_own,
)
REQUESTS = Histogram(
    "did_request_seconds",
    "Duration of requests until the response was made, without health checks, static files and /metrics",
    ["method"],
    buckets=BOUNDS,
    registry=_own,
)
EXCEPTIONS = Counter(
    "did_unhandled_exceptions",
    "Exceptions that nothing handled: of a page, which answered 500, or in the middle of a download",
    ["during"],
    registry=_own,
)


def registry() -> CollectorRegistry:
    """Return the counts of all processes that share a folder, else those of this one."""
    if SHARED not in os.environ:
        return _own
    together = CollectorRegistry()
    MultiProcessCollector(together)
    return together


@contextmanager
def shared_by_children() -> Iterator[None]:
    """Let the web processes that are started meanwhile count in one folder, which is empty at first.

    Its name has the address that they listen at, which no other program can have at the same time.
    """
    if not settings.METRICS_OPEN:
        yield
        return
    folder = settings.VAR_DIR / "metrics" / f"{socket.gethostname()}-{settings.HOST}-{settings.PORT}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[SHARED] = str(folder)
    try:
        yield
    finally:
        del os.environ[SHARED]
        shutil.rmtree(folder, ignore_errors=True)
