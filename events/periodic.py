"""Delete events and endpoints bit by bit."""

from events.models import Delivery, Endpoint, Event, keep_from
from jobs.periodic import periodic_task

ROWS = 1_000  # of a round: a statement of unknown size would make writers on SQLite wait


@periodic_task("delete old events")
def delete_old_events(now):
    """Delete events after ``WEBHOOK_KEEP_DAYS``, with their deliveries."""
    old = Event.objects.filter(created_at__lt=keep_from(now)).order_by("created_at")
    return _delete(Event, list(old.values_list("pk", flat=True)[:ROWS]))


@periodic_task("delete endpoints")
def delete_endpoints(_now):
    """Delete the deliveries of endpoints that were deleted, and then these."""
    pk = Endpoint.objects.exclude(deleted_at=None).values_list("pk", flat=True).first()
    if pk is None:
        return 0
    of_endpoint = Delivery.objects.filter(endpoint=pk).order_by("pk").values_list("pk", flat=True)
    return _delete(Delivery, list(of_endpoint[:ROWS])) or _delete(Endpoint, [pk])


def _delete(model, keys):
    """Delete the rows with these keys and return how many there were."""
    if keys:
        model.objects.filter(pk__in=keys).delete()
    return len(keys)
