"""Send what is due: in threads, several to each endpoint, and never so many that others would wait.

Only the thread of ``Deliverer.work`` uses the database. It claims deliveries by setting their next try ahead,
so those of a worker that dies are due again soon. The receiver may get an event twice, with the same id.
"""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from queue import Empty, SimpleQueue

from django.db import transaction
from django.db.models import Exists, OuterRef

from didmgmt import clock
from events import publishing, sending
from events.models import TRIES, Delivery, Endpoint
from jobs.companions import register

# Seconds from a failed try to the next one: 75 hours in all, and up to a tenth more, so that the events of an
# endpoint that was down don't all come at once.
INTERVALS = (5, 180, 1_200, 3_600, 10_800, 28_800, 50_400, 79_200, 95_815)
JITTER = 0.1
CLAIMED = timedelta(seconds=60)  # longer than any try
AT_ONCE = 4  # tries to one endpoint
THREADS = 32
LOOK_EVERY = 0.2  # seconds between looks for due deliveries while others are on their way
LOGGED = 20  # tries that a delivery remembers


class Publisher:
    """Make events of changes."""

    name = "Publishing events"

    def due(self, _now):
        return publishing.publishable().order_by("pk")

    def work(self, stopped):
        publishing.publish_due(stopped)


class Deliverer:
    """Deliver events."""

    name = "Delivering events"

    def due(self, now):
        return Delivery.objects.filter(next_try_at__lte=now).order_by("next_try_at")

    def work(self, stopped):
        with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
            flight = _Flight(pool)
            _set_inactive_aside()
            while True:
                if not stopped.is_set():
                    flight.start_due()
                if not flight.running:
                    return
                flight.record_next()


def _set_inactive_aside():
    """Let wait what was published while its endpoint was being paused: it would stay due, and not be sent."""
    due = Delivery.objects.filter(next_try_at__lte=clock.database_now())
    due.filter(endpoint__active=False).update(next_try_at=None)


class _Flight:
    """The tries of this worker that are on their way: ``running`` has {delivery's id: endpoint's id}."""

    def __init__(self, pool):
        self.pool, self.running, self.results = pool, {}, SimpleQueue()

    def start_due(self):
        """Start what is due: from each endpoint as many as it has places, least busy endpoints first."""
        now, busy = clock.database_now(), Counter(self.running.values())
        due = Delivery.objects.filter(next_try_at__lte=now)
        endpoints = Endpoint.objects.kept().filter(Exists(due.filter(endpoint=OuterRef("pk"))), active=True)
        for endpoint in sorted(endpoints, key=lambda endpoint: busy[endpoint.pk]):
            # One that fails is tried with one event at a time, so its timeouts occupy one thread.
            places = (1 if endpoint.failing_since else AT_ONCE) - busy[endpoint.pk]
            places = min(places, THREADS - len(self.running))
            if places > 0:
                waiting = due.filter(endpoint=endpoint).exclude(pk__in=list(self.running))
                for delivery in waiting.select_related("event").order_by("next_try_at")[:places]:
                    self._start(endpoint, delivery, now)

    def _start(self, endpoint, delivery, now):
        """Try a delivery, unless another worker has claimed it since."""
        unclaimed = Delivery.objects.filter(pk=delivery.pk, next_try_at=delivery.next_try_at)
        if unclaimed.update(next_try_at=now + CLAIMED):
            body = delivery.event.body
            headers = sending.headers(endpoint.valid_secrets(now), delivery.event_id, now, body)
            self.running[delivery.pk] = endpoint.pk
            self.pool.submit(self._try, delivery.pk, endpoint.url, body, headers)

    def _try(self, pk, *request):
        self.results.put((pk, sending.post(*request)))

    def record_next(self):
        """Record the tries that have ended, after waiting for one a little while."""
        try:
            ended = [self.results.get(timeout=LOOK_EVERY)]
        except Empty:
            return
        while not self.results.empty():
            ended.append(self.results.get())
        with transaction.atomic():
            for pk, answer in ended:
                record(pk, self.running[pk], answer)
        for pk, _ in ended:
            del self.running[pk]


def record(pk, endpoint_id, answer):
    """Store what came of a try of a delivery, and what follows for it and its endpoint."""
    now = clock.database_now()
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    delivery = Delivery.objects.select_related("event").filter(pk=pk).first()
    if delivery is None or delivery.state != Delivery.State.WAITING:
        return  # deleted, or delivered by another worker
    delivery.tries += 1
    delivery.log = [*delivery.log, _entry(now, answer)][-LOGGED:]
    delivery.next_try_at = None
    if answer.succeeded:
        delivery.state = Delivery.State.DELIVERED
    elif delivery.tries >= TRIES:
        delivery.state = Delivery.State.GIVEN_UP
    elif endpoint.active:
        delivery.next_try_at = now + pause_after(delivery.tries)
    delivery.save(update_fields=["tries", "log", "next_try_at", "state"])
    (_succeeded if answer.succeeded else _failed)(endpoint, delivery, answer, now)


def pause_after(tries):
    """Return how long to wait after this many failed tries, fewer than ``TRIES``."""
    return timedelta(seconds=INTERVALS[tries - 1] * (1 + random.uniform(0, JITTER)))  # noqa: S311


def _entry(now, answer):
    return {
        "at": now.isoformat(),
        "status": answer.status,
        "text": answer.text,
        "body": answer.body,
        "took": answer.took,
    }


def _succeeded(endpoint, delivery, _answer, now):
    """Count the delivery; if the endpoint has failed, send what waits for it at once."""
    failed = endpoint.failing_since is not None
    endpoint.sent += 1
    endpoint.sent_at_once += delivery.tries == 1
    endpoint.lag = max(0.0, (now - delivery.event.created_at).total_seconds())
    endpoint.failing_since, endpoint.error = None, ""
    endpoint.save(update_fields=["sent", "sent_at_once", "lag", "failing_since", "error"])
    if failed and endpoint.active:
        endpoint.send_waiting()


def _failed(endpoint, _delivery, answer, now):
    """Note since when the endpoint fails; 410 Gone disables it."""
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.error = answer.text[:200]
    endpoint.save(update_fields=["failing_since", "error"])
    if answer.status == 410 and endpoint.active:
        endpoint.stop("answered 410")


register(Publisher())
register(Deliverer())
