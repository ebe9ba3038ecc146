"""Measure the one search among many records: each kind of text, without and with a reseller."""

from itertools import product

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

import audit
from audit import SYSTEM
from audit.models import Change
from bench.lists import timed
from clients.models import Account, Client, Reseller
from dids.models import DID
from jobs.models import Job
from staff.models import User

FIRST_WORDS = "Alder Birch Castell Dunmore Elmgate Foxley Garrow Harbour Juniper Kestrel Larkspur".split()
LAST_WORDS = "Bakery Clinic Dental Energy Foods Garage Hotels Insurance Legal Motors Pharmacy".split()
CHUNK = 5_000


def measure(user, count, runs):
    """Yield a dict for each text and person; ``count`` clients, accounts and jobs are added meanwhile."""
    about = {"bench": "find", "engine": connection.vendor, "rows": DID.objects.count(), "clients": count}
    with transaction.atomic():
        bound = _fill(user, count)
        people = {"all resellers": user, "one reseller": bound}
        for (name, text), (who, person) in product(_texts().items(), people.items()):
            browser = Browser(headers={"HX-Request": "true"})
            browser.force_login(person, backend="staff.backends.StaffBackend")

            def search(browser=browser, text=text):
                return browser.get("/find/", {"q": text})

            search()  # the first request of a session writes to it
            with CaptureQueriesContext(connection) as seen:
                response = search()
            yield about | {
                "scenario": f"{name}, {who}",
                "q": text,
                "status": response.status_code,
                "found": response.text.count("find-hit"),
                "queries": len(seen.captured_queries),
                **timed(search, runs),
            }
        transaction.set_rollback(True)


def _texts():
    numbers = DID.objects.order_by("number").values_list("number", flat=True)
    middle = numbers[DID.objects.count() // 2]
    return {
        "a whole number": middle,
        "6 digits inside": middle[2:8],
        "3 digits inside": middle[-3:],
        "1 digit": middle[-1],
        "digits at the end": f"*{middle[-3:]}",
        "digits at the beginning": f"{middle[:4]}*",
        "1 letter": "k",
        "2 letters": "ke",
        "the beginning of a name": "kestrel l",
        "a word within a name": "pharmacy",
        "several words": "legal 77",
        "part of a word": "egal",
        "no such name": "zzyzx",
        "a name and a number": "juniper 44",
        "an id": f"#{Change.objects.latest('pk').pk}",
        "nothing": "",
    }


def _fill(user, count):
    """Add clients, accounts and jobs, and return a user who is bound to the reseller of a tenth of them."""
    resellers = [Reseller.objects.earliest("pk"), *Reseller.objects.order_by("-pk")[:9]]
    with audit.change(Change.Kind.IMPORT, by=SYSTEM, label="Bench") as change:
        for first in range(0, count, CHUNK):
            chunk = range(first, min(first + CHUNK, count))
            clients = Client.objects.bulk_create(
                Client(name=_name(n), reseller=resellers[n % len(resellers)]) for n in chunk
            )
            Account.objects.bulk_create(
                Account(name=client.name.lower().replace(" ", "_"), client=client) for client in clients
            )
        change.touched = 2 * count
    Job.objects.bulk_create(
        (Job(kind="create", owner=user, state=Job.State.DONE, label=f"New DIDs {n}") for n in range(count)),
        batch_size=CHUNK,
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE clients_client, clients_account, jobs_job")
    bound = User.objects.create_user("bench-find", reseller=resellers[0])  # “bench” may be there from --keep
    bound.groups.set(Group.objects.filter(name="Administrator"))
    return bound


def _name(n):
    first, last = FIRST_WORDS[n % len(FIRST_WORDS)], LAST_WORDS[n // len(FIRST_WORDS) % len(LAST_WORDS)]
    return f"{first} {last} {n}"
