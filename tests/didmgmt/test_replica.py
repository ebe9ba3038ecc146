"""Lists from a read replica: a second real database, in which other rows stand than in the primary."""

import copy
import logging

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.urls import reverse

from clients.models import Reseller
from didmgmt import replica
from dids.lists import listing as lists
from dids.models import DID, Tag, TagSet
from operators.models import Operator
from staff.models import User
from tests.world import NUMBERS, client_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "replica"])

LATE = "4471"  # a number that only the replica knows


@pytest.fixture(scope="module", autouse=True)
def second_database(django_db_setup, django_db_blocker, request):
    """Create a second database under the alias "replica", writable because no router is set."""
    options = copy.deepcopy(connections["default"].settings_dict)
    name = f"{options['NAME']}_replica"
    options |= {"NAME": name, "TEST": options["TEST"] | {"NAME": name}}
    connections.settings["replica"] = options
    with django_db_blocker.unblock():
        creation = connections["replica"].creation
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        yield
        creation.destroy_test_db(name, verbosity=0)
    del connections["replica"]
    del connections.settings["replica"]


@pytest.fixture
def behind(world, settings, monkeypatch):
    """Create the small world in the primary, and in the replica one operator with the number LATE."""
    reseller = Reseller(pk=world.reseller.pk, name="Reseller of the replica")
    reseller.save(using="replica")
    operator = Operator(pk=world.operator.pk, reseller=reseller, name="Operator of the replica")
    operator.save(using="replica")
    DID(number=LATE, operator=operator).save(using="replica")
    settings.DATABASE_ROUTERS = ["didmgmt.replica.ReplicaRouter"]
    monkeypatch.setattr(replica, "_failed_at", float("-inf"))
    return world


def numbers_at(browser, address="/dids/"):
    response = browser.get(address)
    assert response.status_code == 200
    text = "".join(part.decode() for part in response) if response.streaming else response.text
    return [number for number in [*NUMBERS, LATE, "5000"] if f">{number}<" in text or f"{number}," in text]


def test_a_list_comes_from_the_replica(behind, viewer):
    assert numbers_at(client_of(viewer)) == [LATE]


@pytest.mark.parametrize("query", ["q=447", "q=*471", "tag=late", "tag=late&status=instock", "sort=operator"])
def test_what_a_list_reads_past_the_models_comes_from_the_replica_too(behind, viewer, monkeypatch, query):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)  # pages are walked to, however few
    for row in (
        Tag(pk=1, name="late"),
        TagSet(pk=1, label="late"),
        TagSet.tags.through(tagset_id=1, tag_id=1),
    ):
        row.save(using="replica")
    DID.objects.using("replica").update(tag_set=1)
    for pk, number in ((77, "5000"), (78, "5555")):
        operator = Operator(pk=pk, reseller_id=behind.reseller.pk, name=f"Other {pk}")
        operator.save(using="replica")
        DID(number=number, operator=operator).save(using="replica")
    found = numbers_at(client_of(viewer), f"/dids/?{query}")
    assert found == ([LATE, "5000"] if query.startswith("sort") else [LATE])


def test_who_is_there_and_what_they_may_is_asked_of_the_primary(behind, viewer):
    assert not User.objects.using("replica").exists()
    browser = client_of(viewer)
    assert numbers_at(browser) == [LATE]
    viewer.groups.clear()
    assert browser.get("/dids/").status_code == 403


def test_who_has_written_reads_the_primary_and_others_the_replica(behind, supervisor, viewer):
    browser, other = client_of(supervisor), client_of(viewer)
    pk = behind.did("256999").pk
    answer = browser.post(reverse("dids:detail", args=[pk]), {"notes": "mine"})
    cookie = answer.cookies[replica.WROTE]
    assert cookie["max-age"] == settings.REPLICA_LAG
    assert cookie["httponly"]
    assert numbers_at(browser) == list(NUMBERS)
    assert numbers_at(other) == [LATE]
    del browser.cookies[replica.WROTE]  # as a browser does when its time is over
    assert numbers_at(browser) == [LATE]


@pytest.mark.parametrize(
    "address",
    ["/dids/export/?format=csv", "/dids/export/?format=csv&scope=page"],
)
def test_an_export_comes_from_the_primary(behind, supervisor, address):
    assert sorted(numbers_at(client_of(supervisor), address)) == sorted(NUMBERS)


def test_a_number_is_looked_at_and_edited_in_the_primary(behind, clerk):
    did, browser = behind.did("256999"), client_of(clerk)
    assert browser.get(reverse("dids:detail", args=[did.pk])).status_code == 200
    assert browser.get(reverse("jobs:list")).status_code == 200


def test_the_worker_reads_and_writes_the_primary(behind, supervisor):
    browser = client_of(supervisor)
    browser.post(
        reverse("dids:new"),
        {
            "operator": behind.operator.pk,
            "numbers": "5000-7999",
            "status": "instock",
            "after_hold": "instock",
        },
    )
    call_command("worker", once=True)
    assert DID.objects.using("default").filter(number="5000").exists()
    assert not DID.objects.using("replica").filter(number="5000").exists()


def test_what_happens_in_a_transaction_stays_in_the_primary(behind, rf):
    @replica.may_lag
    def seen(request):
        with transaction.atomic():
            return sorted(DID.objects.values_list("number", flat=True))

    assert seen(rf.get("/dids/")) == sorted(NUMBERS)


def test_a_view_that_may_lag_writes_to_the_primary(behind, rf):
    @replica.may_lag
    def view(request):
        (did,) = DID.objects.all()
        Reseller.objects.create(name="New")
        return did.number

    assert view(rf.get("/dids/")) == LATE
    assert Reseller.objects.using("default").filter(name="New").exists()


def test_a_replica_that_is_down_is_replaced_by_the_primary_with_a_line_in_the_log(
    behind, viewer, monkeypatch, caplog
):
    browser = client_of(viewer)
    connections["replica"].close()
    gone = {"NAME": "/nowhere/at/all", "HOST": "127.0.0.1", "PORT": 1}
    for name, value in gone.items():
        monkeypatch.setitem(connections["replica"].settings_dict, name, value)
    with caplog.at_level(logging.WARNING, "didmgmt.replica"):
        assert numbers_at(browser) == list(NUMBERS)
        assert numbers_at(browser) == list(NUMBERS)
    assert len(caplog.records) == 1  # the second page did not ask it again
    assert "The replica failed" in caplog.text
    monkeypatch.undo()
    assert numbers_at(browser) == [LATE]


def test_without_a_replica_nothing_is_asked_of_one_and_no_cookie_is_set(world, viewer):
    browser = client_of(viewer)
    assert numbers_at(browser) == list(NUMBERS)
    assert replica.WROTE not in browser.post(reverse("staff:logout")).cookies
