"""Send events again, with their first ids, so that a receiver can drop what it has."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from didmgmt import clock
from didmgmt.text import count_noun
from events.catalogue import TEST
from events.models import Delivery, Endpoint, Event, hold_audiences
from events.payloads import of_test
from events.publishing import create_event
from jobs.models import wake_workers

CHUNK = 1_000
NOT_DELIVERED, ALL = "not_delivered", "all"
CHOICES = [(NOT_DELIVERED, "not delivered"), (ALL, "all")]


def events_between(endpoint, since, until, only):
    """Return the events of a time span that the endpoint should have, oldest first.

    ``since``, ``until``: when they were created, the second excluded. ``only``: NOT_DELIVERED or ALL.
    Among the former are those that nobody sent because the endpoint was paused.
    """
    events = Event.objects.filter(
        reseller_id=endpoint.reseller_id,
        type__in=endpoint.types,
        created_at__gte=since,
        created_at__lt=until,
    )
    if only == NOT_DELIVERED:
        done = endpoint.deliveries.filter(event=OuterRef("pk"), state=Delivery.State.DELIVERED)
        events = events.filter(~Exists(done))
    return events.order_by("created_at", "pk")


def after(events, cursor):
    """Return those after a ``cursor`` [created_at, id], all without one."""
    if not cursor:
        return events
    created_at, pk = cursor
    return events.filter(Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk))


def replay(endpoint, events):
    """Make these events, a list, due for the endpoint as if they had not been tried; return how many.

    Those that are not for its reseller, which may have changed since they were read, are left out.
    """
    fresh = {"state": Delivery.State.WAITING, "tries": 0, "next_try_at": clock.database_now()}
    with transaction.atomic():
        hold_audiences()
        reseller = Endpoint.objects.values_list("reseller_id", flat=True).get(pk=endpoint.pk)
        due = Event.objects.filter(pk__in=[event.pk for event in events], reseller_id=reseller)
        keys = list(due.order_by("created_at", "pk").values_list("pk", flat=True))
        endpoint.deliveries.filter(event__in=keys).update(**fresh)
        new = (Delivery(endpoint=endpoint, event_id=key, **fresh) for key in keys)
        Delivery.objects.bulk_create(new, ignore_conflicts=True)
        wake_workers()
    return len(keys)


def replay_all(endpoint, events):
    """Replay all of a queryset in the order of ``events_between``; return a sentence."""
    keys = list(events.only("pk", "created_at"))
    sent = sum(replay(endpoint, keys[start : start + CHUNK]) for start in range(0, len(keys), CHUNK))
    return f"{count_noun(sent, 'event')} will be sent again."


def send_test(endpoint):
    """Send an event that tells of nothing to this endpoint alone; return its delivery.

    None if the endpoint is no longer for the same reseller.
    """
    with transaction.atomic():
        event = create_event(
            TEST, endpoint.reseller_id, at=clock.database_now(), about="a test", data=of_test()
        )
        replay(endpoint, [event])
        return endpoint.deliveries.select_related("event").filter(event=event).first()
