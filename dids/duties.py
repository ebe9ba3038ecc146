"""What the worker does for numbers at every round; each may run on many hosts at once."""

import audit
from dids import stock
from dids.models import CHUNK, DID, ClientPackage
from jobs.duties import duty


@duty("holds over")
def release_due_holds(now):
    """Holds whose time has passed go to After Hold, a chunk a transaction. Returns how many."""
    released = 0
    while ids := list(DID.objects.hold_over(now).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        # hold_over again: another worker may have released them, and somebody reassigned them.
        released += DID.objects.filter(pk__among=ids).hold_over(now).end_hold(by=audit.SYSTEM).done
    return released


@duty("client packages ended")
def end_due_packages(now):
    """Client packages whose end has come are switched off and their numbers go on Hold."""
    due = ClientPackage.objects.filter(active=True, ends_at__lte=now)
    ended = list(due[:1000])
    for client_package in ended:
        client_package.deactivate(by=audit.SYSTEM, ended=True)
    return len(ended)


@duty("stock rows summed up")
def compact_stock(now):
    return stock.compact()
