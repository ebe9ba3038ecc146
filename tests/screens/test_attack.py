"""A person of one reseller sends ids of another reseller's records wherever an id fits.

Quarry's people send ids of Zephyr's records in the path, the query string and the body of every address. No
answer names anything of Zephyr, and no row of Zephyr changes. The suite tries each address with each of its
own fields; ``make attack`` tries every role, method, parameter and field.
"""

import hashlib
import re
from http.cookies import SimpleCookie
from itertools import cycle

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction

from audit import history
from audit.models import Change, Touched
from clients.models import Account, Client, Package
from dids.history.external_writes import ExternalWrite
from dids.models import DID, MarkState, SavedView, StockLevel
from events.models import Delivery, Endpoint, Event, Secret
from jobs.models import Job
from notices.models import Kind, Notice
from operators.models import Operator
from staff.models import Token, User
from tests.carrier import carrier, numbers_in, reserved, token_of
from tests.examples import SCALE
from tests.imports import imported
from tests.screens.test_access import ADDRESSES, endpoint_of, history_of
from tests.world import client_of, member, pattern_rule, suggested_rule

pytestmark = pytest.mark.django_db

EVERYTHING = SCALE >= 4
ROLES = ["Viewer", "Clerk", "Provisioner", "Supervisor", "Administrator"]
NAMES = re.compile(r"zephyr|4471\d{4}", re.IGNORECASE)
# Parameters that name records, by the name of the record; "" is a text of the other reseller.
PARAMETERS = {
    "ids": "number", "operator": "operator", "client": "client", "reseller": "reseller", "account": "account",
    "package": "client_package", "reservation": "reservation", "person": "person", "object": "",
    "numbers": "", "q": "", "tag": "",
    "query": "query", "back": "page", "next": "page", "type": "", "before": "microsecond",
}  # fmt: skip


class Branch:
    """All of one reseller: ``ids`` of its records, for the names in braces of ``ADDRESSES``."""

    def __init__(self, name, prefix):
        house = carrier(name)
        self.text, self.reseller = f"{prefix}0001", house.reseller
        self.people = {
            role: member(role, username=f"{name.lower()} {role.lower()}", reseller=house.reseller)
            for role in ROLES
        }
        self.boss = self.people["Administrator"]
        free = numbers_in("instock", [f"{prefix}000{n}" for n in range(3)], house, tags=[f"{name} tag"])
        in_use = numbers_in("active", [f"{prefix}0009"], house)
        spare = Operator.objects.create(reseller=house.reseller, name=f"{name} Spare Line")
        endpoint = endpoint_of(house.reseller, f"https://{name.lower()}.example/hook")
        numbers_in("instock", [f"{prefix}0005"], house)
        reservation = reserved(house, [f"{prefix}0005"], by=self.boss, purpose=f"{name} offer")
        done = imported(f"DID\n{prefix}7777\nnonsense\n", self.boss, operator=house.operator)
        change = free[:1][0]
        notice = Notice.objects.create(
            user=self.boss,
            kind=Kind.JOB,
            reseller_id=house.reseller.pk,
            facts={"job": str(done.job.pk), "state": "done"},
        )
        self.ids = {
            "number": free[1].pk,
            "in_use": in_use.get().pk,
            "client": house.client.pk,
            "account": house.account.pk,
            "client_package": house.client_package.pk,
            "operator": house.operator.pk,
            "spare": spare.pk,
            "reseller": house.reseller.pk,
            "reseller_3": house.reseller.pk,
            "spare_client": Client.objects.create(reseller=house.reseller, name=f"{name} Spare Client").pk,
            "spare_account": Account.objects.create(client=house.client, name=f"{name}_spare").pk,
            "package": house.package.pk,
            "spare_package": Package.objects.create(
                reseller=house.reseller, name=f"{name} Spare Pack", did_limit=1
            ).pk,
            "import": done.job.pk,
            "job": done.job.pk,
            "endpoint": endpoint.pk,
            "delivery": endpoint.deliveries.get().pk,
            "microsecond": ExternalWrite(history_of(spare).at, Operator, 1, []).microsecond,
            "change": DID.objects.filter(pk=change.pk).edit(by=self.boss, notes=f"{name} notes").change,
            "role": Group.objects.get(name="Viewer").pk,
            "person": self.people["Clerk"].pk,
            "view": SavedView.objects.create(
                owner=self.boss, reseller=house.reseller, name=f"{name} view", audience=SavedView.Audience.ALL
            ).pk,
            "reservation": reservation.pk,
            "level": StockLevel.objects.create(reseller=house.reseller, prefix=prefix, minimum=2).pk,
            "rule": suggested_rule().pk,
            "mark_rule": pattern_rule().pk,
            "mark_version": MarkState.current().version,
            "notice": notice.pk,
        }
        self.ids["token"] = token_of(self.boss, name=f"{name} token").pk
        self.ids["query"] = f"operator={house.operator.pk}"
        self.ids["page"] = f"/clients/{house.client.pk}/"

    def digest(self):
        """Return a hash of every row that belongs to the reseller."""
        rows = hashlib.sha256()
        for tracked in history.TRACKED:
            rows.update(_text(tracked.objects.visible_to(self.boss)))
            rows.update(_text(history.visible_to(tracked, self.boss)))
        for own in (
            Change.objects.visible_to(self.boss),
            Touched.objects.filter(reseller_id=self.reseller.pk),
            Job.objects.filter(owner__reseller=self.reseller),
            User.objects.filter(reseller=self.reseller),
            Token.objects.filter(owner__reseller=self.reseller),
            SavedView.objects.filter(reseller=self.reseller),
            Endpoint.objects.filter(reseller=self.reseller),
            Secret.objects.filter(endpoint__reseller=self.reseller),
            Event.objects.filter(reseller_id=self.reseller.pk),
            Delivery.objects.filter(endpoint__reseller=self.reseller),
            StockLevel.objects.filter(reseller=self.reseller),
            Notice.objects.filter(user__reseller=self.reseller),
        ):
            rows.update(_text(own))
        return rows.hexdigest()


def _text(rows):
    return repr(list(rows.order_by("pk").values_list())).encode()


@pytest.fixture(scope="module")
def zephyr(module_db):
    return Branch("Zephyr", "4471")


@pytest.fixture(scope="module")
def quarry(module_db):
    return Branch("Quarry", "4472")


def attacks(address, zephyr, quarry, fields):
    """Yield (method, path, body) that mix Quarry's ids with Zephyr's.

    ``fields``: the parameters to send besides the address's own, each alone.
    """
    own, foreign = address.path.format(**quarry.ids), address.path.format(**zephyr.ids)
    body = {name: value.format(**quarry.ids) for name, value in address.sent.items()}
    theirs = {name: value.format(**zephyr.ids) for name, value in address.sent.items()}
    mixed = [body | {name: theirs[name]} for name in body if theirs[name] != body[name]]
    for posted in [*mixed, *([theirs] if len(mixed) > 1 else [])]:
        yield "post", own, posted
    if foreign != own:
        yield "get", foreign, {}
        yield "post", foreign, body
    for name in fields:
        value = zephyr.ids.get(PARAMETERS[name], zephyr.text)
        yield "get", f"{own}{'&' if '?' in own else '?'}{name}={value}", {}
        yield "post", own, body | {name: value}
    if EVERYTHING:
        for method in ("put", "patch", "delete", "options", "head"):
            yield method, foreign, theirs


@pytest.mark.parametrize("role", ROLES if EVERYTHING else ["Administrator"])
def test_ids_of_another_reseller_neither_show_nor_change_anything(zephyr, quarry, role, record_property):
    browser, before, requests = client_of(quarry.people[role]), zephyr.digest(), 0
    session = browser.cookies.output(header="")
    one_by_one = cycle(PARAMETERS)
    for address in ADDRESSES:
        if address.name == "staff:logout":
            continue
        for method, path, body in attacks(
            address, zephyr, quarry, PARAMETERS if EVERYTHING else [next(one_by_one)]
        ):
            browser.cookies = SimpleCookie(session)  # a new password, undone below, ends the session
            with transaction.atomic():
                answer = getattr(browser, method)(path, body, follow=True)
                assert answer.request["PATH_INFO"] != "/login/", (method, path)
                text = f"{b''.join(answer).decode(errors='ignore')} {answer.headers}"
                if method not in ("get", "head", "options"):
                    assert zephyr.digest() == before, (method, path, body)
                transaction.set_rollback(True)
            requests += 1
            # The id of the request is random and may contain the beginning of a number.
            for sent in (zephyr.text, *map(str, body.values()), answer.headers["X-Request-Id"]):
                text = text.replace(sent, "")
            assert NAMES.findall(text) == [], (method, path, body)
    assert zephyr.digest() == before
    record_property("requests", requests)
    print(f"{role}: {requests} requests")


# --- GET writes nothing -------------------------------------------------------------------------------

MAY_CHANGE = {"django_session"}


def database_rows():
    """Return {table: its rows as text}, without those that every request may write."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            if table not in MAY_CHANGE:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def test_no_get_changes_the_database(zephyr, quarry):
    call_command("worker", "--once")
    boss, chief = client_of(quarry.boss), client_of(member("Administrator"))
    before = database_rows()
    for address in ADDRESSES:
        path = address.path.format(**quarry.ids)
        is_for_chief = address.name.startswith(("people:", "roles:", "resellers:"))
        b"".join((chief if is_for_chief else boss).get(path))
        after = database_rows() if EVERYTHING else before
        assert after == before, path
    assert database_rows() == before
