"""Metrics for Prometheus: of the requests to this host, and of the product from counters and indexes.

Nobody can read them until METRICS_TOKEN or METRICS_NETWORKS is set. They need no session, and are answered
without the figures of a database that does not answer within ``PATIENCE``.
"""

import ipaddress
import logging
import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import django
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection, connections
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from audit.models import Change, SealDelivery
from audit.seals.writing import newest_seal
from didmgmt import measures, patience, replica
from didmgmt.clock import database_now
from dids.models import DID
from dids.models.counters import Stock
from events.models import Delivery, Endpoint
from events.publishing import publishable
from jobs.kinds import KINDS
from jobs.models import HEARTBEAT_TIMEOUT, Job, WorkerBeat

PATIENCE = 2  # seconds to wait for the databases

log = logging.getLogger(__name__)


@require_safe
@login_not_required
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format; else 404 or 403 with a sentence."""
    if not settings.METRICS_OPEN:
        return _refuse(
            404, "Metrics are switched off. Set METRICS_TOKEN or METRICS_NETWORKS to switch them on."
        )
    if settings.METRICS_NETWORKS and not _is_in_networks(request.META["REMOTE_ADDR"]):
        return _refuse(403, "Your address is not in METRICS_NETWORKS.")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and not (
        scheme.lower() == "bearer" and constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    ):
        return _refuse(403, "Send the token of METRICS_TOKEN in the header “Authorization: Bearer …”.")
    figures = CollectorRegistry()
    figures.register(_Figures())
    content = generate_latest(measures.registry()) + generate_latest(figures)
    return HttpResponse(content, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _refuse(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")


def _is_in_networks(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in settings.METRICS_NETWORKS)


def _gauge(name: str, meaning: str, value: float | None) -> GaugeMetricFamily:
    """Return a figure without labels, without a value if that is None."""
    family = GaugeMetricFamily(name, meaning, labels=())
    if value is not None:
        family.add_metric((), value)
    return family


def _gauges(
    name: str, meaning: str, label: str, values: Mapping[str, float] | Iterable[tuple[str, float]]
) -> GaugeMetricFamily:
    """Return a figure for each value of ``label``."""
    family = GaugeMetricFamily(name, meaning, labels=(label,))
    for key, value in dict(values).items():
        family.add_metric((key,), value)
    return family


class _Figures:
    """A collector of what this process is, and of what the databases answer within ``PATIENCE`` in all."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _build()
        meaning = f"1 if it answered within {PATIENCE} seconds, and its figures are complete"
        with patience.hurry(PATIENCE):
            for name, figures in _SOURCES:
                if name == "did_replica_up" and not settings.DATABASE_ROUTERS:
                    continue
                try:
                    yield from tuple(figures())
                    yield _gauge(name, meaning, 1)
                except Error as error:
                    log.warning("No figures for /metrics: %s is 0: %s", name, str(error).strip())
                    yield _gauge(name, meaning, 0)


def _build() -> GaugeMetricFamily:
    labels = {
        "build": settings.BUILD,
        "django": django.__version__,
        "python": platform.python_version(),
        "engine": connection.vendor,
    }
    family = GaugeMetricFamily("did_build_info", "1; its labels say what runs", labels=tuple(labels))
    family.add_metric(tuple(labels.values()), 1)
    return family


def _of_database() -> Iterator[GaugeMetricFamily]:
    """Yield the figures of the product. A dozen queries, of counters and by indexes."""
    now = database_now()
    yield _gauges(
        "did_numbers",
        "Numbers by the status that is stored",
        "status",
        Stock.objects.by_status(overdue=False),
    )
    over = DID.objects.hold_over(now).order_by("hold_until").values_list("hold_until", flat=True).first()
    yield _gauge("did_hold_overdue_seconds", "How long the oldest hold is over", _age(over, now) or 0)
    yield from _of_jobs(now)
    yield from _of_workers(now)
    yield from _of_seals(now)
    yield from _of_events(now)


def _of_jobs(now: datetime) -> Iterator[GaugeMetricFamily]:
    counted = Job.objects.by_kind()
    waiting = {kind: counted.get((kind, Job.State.QUEUED), (0, None)) for kind in KINDS}
    running = {kind: counted.get((kind, Job.State.RUNNING), (0, None)) for kind in KINDS}
    yield _gauges(
        "did_jobs_waiting", "Jobs in the queue", "kind", {kind: jobs for kind, (jobs, _) in waiting.items()}
    )
    yield _gauges(
        "did_job_waiting_seconds",
        "How long the job that has waited longest could have been run",
        "kind",
        {kind: _age(since, now) or 0 for kind, (_, since) in waiting.items()},
    )
    yield _gauges(
        "did_jobs_running", "Jobs that run", "kind", {kind: jobs for kind, (jobs, _) in running.items()}
    )


def _of_workers(now: datetime) -> Iterator[GaugeMetricFamily]:
    beats = WorkerBeat.objects.order_by("worker")
    seen = {beat.worker: _age(beat.seen_at, now) or 0 for beat in beats}
    yield _gauges(
        "did_worker_seen_seconds",
        "How long ago a worker’s last heartbeat was; forgotten when it stops, or after a day",
        "worker",
        seen,
    )
    alive = [beat for beat in beats if seen[beat.worker] < HEARTBEAT_TIMEOUT.total_seconds()]
    yield _gauge("did_workers", "Workers with a heartbeat in the last minute", len(alive))
    failing = {task for beat in alive for task in beat.failing}
    yield _gauge("did_periodic_tasks_failing", "Periodic tasks that failed in their last round", len(failing))


def _of_seals(now: datetime) -> Iterator[GaugeMetricFamily]:
    newest = newest_seal()
    yield _gauge(
        "did_seal_age_seconds", "Age of the newest seal", _age(newest.sealed_at if newest else None, now)
    )
    last = Change.objects.aggregate(last=Max("pk"))["last"] or 0
    sealed = newest.until.get(Change._meta.db_table, 0) if newest else 0
    yield _gauge(
        "did_changes_unsealed", "Changes since the newest seal, with those that wrote nothing", last - sealed
    )
    yield _gauge(
        "did_seal_deliveries_failing",
        "Destinations that seals can’t be delivered to",
        SealDelivery.failing().count(),
    )


def _of_events(now: datetime) -> Iterator[GaugeMetricFamily]:
    oldest = publishable().order_by("pk").values_list("change_id", flat=True).first()
    changed = Change.objects.filter(pk=oldest).values_list("at", flat=True).first() if oldest else None
    yield _gauge(
        "did_events_unpublished_seconds",
        "Age of the oldest change that is complete, and of which no event tells yet",
        _age(changed, now) or 0,
    )
    due = Delivery.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    since = due.values_list("next_try_at", flat=True).first()
    yield _gauge(
        "did_webhook_overdue_seconds",
        "How long the delivery that has waited longest could have been tried",
        _age(since, now) or 0,
    )
    endpoints = Endpoint.objects.kept().filter(active=True).order_by("pk")
    active = list(endpoints.values_list("pk", "lag", "failing_since"))
    yield _gauges(
        "did_webhook_lag_seconds",
        "From the last event that the endpoint got to its delivery",
        "endpoint",
        {str(pk): lag for pk, lag, _ in active if lag is not None},
    )
    failing = sum(since is not None for _, _, since in active)
    yield _gauge("did_webhooks_failing", "Active endpoints whose last try failed", failing)


def _of_replica() -> Iterator[GaugeMetricFamily]:
    """Yield the lag of a streaming replica behind the position of the primary; of another kind, nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()")
        primary = cursor.fetchone()[0]
    with connections[replica.ALIAS].cursor() as cursor:
        cursor.execute(
            """
            SELECT CASE WHEN replayed > %(primary)s THEN 0 ELSE pg_wal_lsn_diff(%(primary)s, replayed) END,
                   CASE WHEN replayed >= %(primary)s THEN 0 ELSE
                        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END
            FROM pg_last_wal_replay_lsn() AS replayed""",
            {"primary": primary},
        )
        lag, seconds = cursor.fetchone()
    yield _gauge("did_replica_lag_bytes", "Write-ahead log that the replica has not replayed", lag)
    yield _gauge(
        "did_replica_lag_seconds",
        "Age of the last transaction that the replica has replayed, 0 if that is the primary’s last one",
        seconds,
    )


def _age(since: datetime | None, now: datetime) -> float | None:
    """Return the seconds from ``since`` to ``now``, at least 0; None if there is no ``since``."""
    return max(0.0, (now - since).total_seconds()) if since else None


_SOURCES = (("did_database_up", _of_database), ("did_replica_up", _of_replica))
