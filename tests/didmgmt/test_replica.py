"""Lists read from a replica: a second real database with other rows than the primary."""

import copy
import logging
import re

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clients.models import Reseller
from didmgmt import replica
from didmgmt.models import OwnWrites
from dids.lists import listing as lists
from dids.models import DID, Tag, TagSet
from operators.models import Operator
from staff.models import User
from tests.world import NUMBERS, client_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "replica"])

LATE = "4471"  # a number that exists only in the replica


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
def replicated(world, settings, monkeypatch):
    """Create the small world in the primary, and in the replica one operator with the number LATE."""
    reseller = Reseller(pk=world.reseller.pk, name="Reseller of the replica")
    reseller.save(using="replica")
    operator = Operator(pk=world.operator.pk, reseller=reseller, name="Operator of the replica")
    operator.save(using="replica")
    DID(number=LATE, operator=operator).save(using="replica")
    settings.DATABASE_ROUTERS = ["didmgmt.replica.ReplicaRouter"]
    replica.breaker.reset()
    return world


def numbers_at(browser, url="/dids/"):
    response = browser.get(url)
    assert response.status_code == 200
    text = "".join(part.decode() for part in response) if response.streaming else response.text
    text = re.sub("</?mark>", "", text)
    return [number for number in [*NUMBERS, LATE, "5000"] if f">{number}<" in text or f"{number}," in text]


def test_a_list_comes_from_the_replica(replicated, viewer):
    assert numbers_at(client_of(viewer)) == [LATE]


def test_the_column_of_last_clients_is_read_from_the_replica(replicated, viewer):
    with CaptureQueriesContext(connections["replica"]) as seen:
        assert numbers_at(client_of(viewer), "/dids/?columns=number,last_client") == [LATE]
    assert any("dids_didhistory" in query["sql"] for query in seen.captured_queries)


@pytest.mark.parametrize("query", ["q=447", "q=*471", "tag=late", "tag=late&status=instock", "sort=operator"])
def test_raw_sql_of_a_list_reads_from_the_replica(replicated, viewer, monkeypatch, query):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)  # page by key even with few rows
    for row in (
        Tag(pk=1, name="late"),
        TagSet(pk=1, label="late"),
        TagSet.tags.through(tagset_id=1, tag_id=1),
    ):
        row.save(using="replica")
    DID.objects.using("replica").update(tag_set=1)
    for pk, number in ((77, "5000"), (78, "5555")):
        operator = Operator(pk=pk, reseller_id=replicated.reseller.pk, name=f"Other {pk}")
        operator.save(using="replica")
        DID(number=number, operator=operator).save(using="replica")
    found = numbers_at(client_of(viewer), f"/dids/?{query}")
    assert found == ([LATE, "5000"] if query.startswith("sort") else [LATE])


def test_users_and_permissions_come_from_the_primary(replicated, viewer):
    assert not User.objects.using("replica").exists()
    browser = client_of(viewer)
    assert numbers_at(browser) == [LATE]
    viewer.groups.clear()
    assert browser.get("/dids/").status_code == 403


def test_a_user_reads_from_the_primary_after_a_write_and_others_from_the_replica(
    replicated, supervisor, viewer
):
    browser, device, other = client_of(supervisor), client_of(supervisor), client_of(viewer)
    pk = replicated.did("256999").pk
    browser.post(reverse("dids:detail", args=[pk]), {"notes": "mine"})
    assert numbers_at(browser) == numbers_at(device) == list(NUMBERS)
    assert numbers_at(other) == [LATE]

    User(pk=supervisor.pk, username="supervisor").save(using="replica")
    OwnWrites.objects.get().save(using="replica")

    assert numbers_at(browser) == numbers_at(device) == [LATE]


@pytest.mark.parametrize(
    "url",
    ["/dids/export/?format=csv", "/dids/export/?format=csv&scope=page"],
)
def test_an_export_comes_from_the_primary(replicated, supervisor, url):
    assert sorted(numbers_at(client_of(supervisor), url)) == sorted(NUMBERS)


def test_the_page_of_a_number_comes_from_the_primary(replicated, clerk):
    did, browser = replicated.did("256999"), client_of(clerk)
    assert browser.get(reverse("dids:detail", args=[did.pk])).status_code == 200
    assert browser.get(reverse("jobs:list")).status_code == 200


def test_the_worker_reads_and_writes_the_primary(replicated, supervisor):
    browser = client_of(supervisor)
    browser.post(
        reverse("dids:new"),
        {
            "operator": replicated.operator.pk,
            "numbers": "5000-7999",
            "status": "instock",
            "after_hold": "instock",
        },
    )
    call_command("worker", once=True)
    assert DID.objects.using("default").filter(number="5000").exists()
    assert not DID.objects.using("replica").filter(number="5000").exists()


def request_of(user, rf):
    request = rf.get("/dids/")
    request.user = user
    return request


def test_a_transaction_reads_from_the_primary(replicated, rf, viewer):
    @replica.may_lag
    def view(request):
        with transaction.atomic():
            return sorted(DID.objects.values_list("number", flat=True))

    assert view(request_of(viewer, rf)) == sorted(NUMBERS)


def test_a_view_that_may_lag_writes_to_the_primary(replicated, rf, viewer):
    @replica.may_lag
    def view(request):
        (did,) = DID.objects.all()
        Reseller.objects.create(name="New")
        return did.number

    assert view(request_of(viewer, rf)) == LATE
    assert Reseller.objects.using("default").filter(name="New").exists()


def test_the_primary_replaces_a_failed_replica_and_a_warning_is_logged(
    replicated, viewer, monkeypatch, caplog
):
    browser = client_of(viewer)
    connections["replica"].close()
    unreachable = {"NAME": "/nowhere/at/all", "HOST": "127.0.0.1", "PORT": 1}
    for name, value in unreachable.items():
        monkeypatch.setitem(connections["replica"].settings_dict, name, value)
    with caplog.at_level(logging.WARNING, "didmgmt.replica"):
        assert numbers_at(browser) == list(NUMBERS)
        assert numbers_at(browser) == list(NUMBERS)
    assert len(caplog.records) == 1  # the second page did not try the replica again
    assert "The replica failed" in caplog.text
    monkeypatch.undo()
    replica.breaker.reset()  # as when the pause is over
    assert numbers_at(browser) == [LATE]


def test_without_a_replica_the_primary_is_read_and_no_write_is_counted(world, viewer):
    browser = client_of(viewer)
    assert numbers_at(browser) == list(NUMBERS)
    browser.post(reverse("staff:logout"))
    assert not OwnWrites.objects.exists()
