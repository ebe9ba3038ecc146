"""Measure who had many numbers at a time: the answers, their SELECTs alone, and the pages."""

from contextlib import contextmanager

from django.core.management import CommandError
from django.db import connection
from django.db.models import Max, Min
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bench.lists import run, timed
from dids.history.ownership import who_had
from dids.models import DID, DIDHistory
from operators.models import Operator
from staff.models import User

DELETED_SHARE = 20  # one in so many numbers is a deleted one, if there are enough


def measure(user, count, runs):
    """Yield a dict for each scenario with ``count`` numbers; times in milliseconds."""
    numbers, at = _numbers(count), _middle_of_history()
    if len(numbers) < count:
        raise CommandError(f"There are only {len(numbers):,} numbers; load more: manage.py demo_data.")
    about = {
        "bench": "past",
        "rows": DID.objects.count(),
        "history": DIDHistory.objects.aggregate(last=Max("pk"))["last"],
        "asked": count,
        "engine": connection.vendor,
    }
    bound = User(reseller_id=Operator.objects.earliest("pk").reseller_id)
    for name, viewer in (("answers", user), ("answers, bound to a reseller", bound)):
        with _queries() as seen:
            list(who_had(numbers, at, viewer))
        reads = [query["sql"] for query in seen.captured_queries if query["sql"].startswith("SELECT")]
        ours = timed(lambda viewer=viewer: list(who_had(numbers, at, viewer)), runs)
        raw = timed(lambda reads=reads: run(reads), runs)["p50"]
        yield about | {
            "scenario": f"who had it: {name}",
            "queries": len(reads),
            **ours,
            "raw_p50": raw,
            "ratio": round(ours["p50"] / raw, 2),
        }
    browser = Client()
    browser.force_login(user)
    form = {"numbers": "\n".join(numbers), "at": timezone.localtime(at).isoformat()}
    for name in ("who_had_it", "who_had_it_statement", "who_had_it_csv"):
        address = reverse(f"audit:{name}")
        if (status := browser.post(address, form, follow=True).status_code) != 200:
            raise CommandError(f"{address} returned {status}.")
        times = timed(lambda address=address: b"".join(browser.post(address, form, follow=True)), runs)
        yield about | {"scenario": f"who had it: {address}", **times}


def _numbers(count):
    """Return numbers spread over the inventory, including deleted ones."""
    deleted = list(
        DIDHistory.objects.filter(event="-").values_list("number", flat=True)[: count // DELETED_SHARE]
    )
    ends = DID.objects.aggregate(first=Min("pk"), last=Max("pk"))
    step = max(1, (ends["last"] - ends["first"]) // (2 * count)) if ends["last"] else 1
    ids = range(ends["first"] or 0, (ends["last"] or 0) + 1, step)
    existing = list(DID.objects.filter(pk__among=list(ids)).order_by("pk").values_list("number", flat=True))
    some = existing[:: max(1, len(existing) // count)]
    return list(dict.fromkeys([*deleted, *some]))[:count]


def _middle_of_history():
    """Return the time halfway between the first and the last history row."""
    ends = DIDHistory.objects.order_by("history_id")
    first, last = ends.values_list("at", flat=True).first(), ends.values_list("at", flat=True).last()
    if first is None:
        raise CommandError("There is no history; load some first: manage.py demo_data.")
    return first + (last - first) / 2


@contextmanager
def _queries():
    """Capture queries, including those that would use a server-side cursor."""
    settings = connection.settings_dict
    before = settings.get("DISABLE_SERVER_SIDE_CURSORS", False)
    settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    try:
        with CaptureQueriesContext(connection) as seen:
            yield seen
    finally:
        settings["DISABLE_SERVER_SIDE_CURSORS"] = before
