"""Who had many numbers at a moment: our answers, their SELECTs run alone, and the pages made of them."""

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

GONE = 20  # of so many numbers one is a deleted one, as far as there are some


def measure(user, count, runs):
    """One dict a scenario, of ``count`` numbers; times in milliseconds."""
    numbers, moment = _numbers(count), _moment()
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
            list(who_had(numbers, moment, viewer))
        reads = [query["sql"] for query in seen.captured_queries if query["sql"].startswith("SELECT")]
        ours = timed(lambda viewer=viewer: list(who_had(numbers, moment, viewer)), runs)
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
    sent = {"numbers": "\n".join(numbers), "at": timezone.localtime(moment).isoformat()}
    for name in ("who_had_it", "who_had_it_statement", "who_had_it_csv"):
        address = reverse(f"audit:{name}")
        if (status := browser.post(address, sent, follow=True).status_code) != 200:
            raise CommandError(f"{address} answered {status}.")
        times = timed(lambda address=address: b"".join(browser.post(address, sent, follow=True)), runs)
        yield about | {"scenario": f"who had it: {address}", **times}


def _numbers(count):
    """Numbers from all over the inventory, deleted ones among them."""
    gone = list(DIDHistory.objects.filter(event="-").values_list("number", flat=True)[: count // GONE])
    ends = DID.objects.aggregate(first=Min("pk"), last=Max("pk"))
    step = max(1, (ends["last"] - ends["first"]) // (2 * count)) if ends["last"] else 1
    ids = range(ends["first"] or 0, (ends["last"] or 0) + 1, step)
    there = DID.objects.filter(pk__among=list(ids)).order_by("pk").values_list("number", flat=True)
    there = list(there)
    some = there[:: max(1, len(there) // count)]
    return list(dict.fromkeys([*gone, *some]))[:count]


def _moment():
    """The middle of the time that history tells of."""
    ends = DIDHistory.objects.order_by("history_id")
    first, last = ends.values_list("at", flat=True).first(), ends.values_list("at", flat=True).last()
    if first is None:
        raise CommandError("There is no history; load some first: manage.py demo_data.")
    return first + (last - first) / 2


@contextmanager
def _queries():
    """As ``CaptureQueriesContext``, which does not see what is read by a cursor of the server."""
    settings = connection.settings_dict
    before = settings.get("DISABLE_SERVER_SIDE_CURSORS", False)
    settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    try:
        with CaptureQueriesContext(connection) as seen:
            yield seen
    finally:
        settings["DISABLE_SERVER_SIDE_CURSORS"] = before
