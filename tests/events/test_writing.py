"""Every write leaves one event for each type, in its own transaction, and nothing else does."""

import json
import re
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import audit
from audit import SYSTEM
from audit.models import Change
from clients.models import Client
from didmgmt import clock
from dids.job_kinds import submit_create
from dids.models import DID, ClientPackage, DIDHistory, Reservation
from dids.numbering.ranges import Numbers
from events import publishing
from events.models import Delivery, Event, Unpublished
from events.payloads import LARGEST, LISTED
from events.publishing import create_event, publish_due
from jobs.models import Job
from operators.models import Operator
from tests.imports import imported
from tests.world import member

pytestmark = pytest.mark.django_db


def some(*numbers):
    return DID.objects.filter(number__in=numbers)


def test_each_write_to_numbers_has_an_event_of_its_type(world, endpoint, published):
    endpoint()
    holder = (world.client_package, world.account)
    assert published() == {}

    DID.objects.create_numbers(["4000", "4001"], operator=world.operator, by=SYSTEM, status="instock")
    assert {name: data["count"] for name, data in published().items()} == {"did.created": 2}
    for write, name in (
        (lambda dids: dids.edit(by=SYSTEM, notes="seen"), "did.edited"),
        (lambda dids: dids.edit(by=SYSTEM, status="reserved"), "did.edited"),
        (lambda dids: dids.edit(by=SYSTEM, status="instock"), "did.edited"),
        (lambda dids: dids.assign(*holder, by=SYSTEM), "did.assigned"),
        (lambda dids: dids.block(by=SYSTEM), "did.blocked"),
        (lambda dids: dids.edit(by=SYSTEM, status="active"), "did.unblocked"),
        (lambda dids: dids.hold(by=SYSTEM), "did.held"),
        (lambda dids: dids.activate(by=SYSTEM), "did.assigned"),
        (lambda dids: dids.hold(by=SYSTEM), "did.held"),
        (lambda dids: dids.end_hold(by=SYSTEM), "did.released"),
        (lambda dids: dids.delete_unused(by=SYSTEM), "did.deleted"),
    ):
        assert write(some("4000", "4001")).done == 2
        assert {name: data["count"] for name, data in published().items()} == {name: 2}


def test_a_reservation_has_events_when_numbers_join_and_leave_it(world, endpoint, published):
    DID.objects.create_numbers(["4000", "4001"], operator=world.operator, by=SYSTEM)
    endpoint()

    def counts():
        return {name: data["count"] for name, data in published().items()}

    draft = Reservation.draft(by=SYSTEM, reseller=world.reseller, name="Orsini", purpose="Trial")
    some("4000", "4001").reserve(draft, by=SYSTEM)
    assert counts() == {"did.edited": 2, "did.reserved": 2}
    draft.end_on(clock.now() + timedelta(days=1), by=SYSTEM)
    assert counts() == {"did.edited": 2}
    some("4000").delete_unused(by=SYSTEM)
    assert counts() == {"did.deleted": 1, "did.unreserved": 1}
    some("4001").end_reservation(by=SYSTEM)
    assert counts() == {"did.edited": 1, "did.unreserved": 1}


def test_an_event_says_what_happened_to_which_numbers(world, endpoint, published, supervisor):
    endpoint()
    result = some("256999").assign(world.client_package, world.account, by=supervisor)
    pk = world.did("256999").pk
    assert published()["did.assigned"] == {
        "change": result.change,
        "action": "assign",
        "by": "supervisor",
        "count": 1,
        "numbers": [
            {
                "id": pk,
                "number": "256999",
                "status": "active",
                "account": "rose_orig",
                "client": "Rose Orig",
            }
        ],
        "path": f"/dids/?change={result.change}",
    }
    some("256999").hold(by=supervisor)
    some("256999").end_hold(by=supervisor)
    released = published(keep=True)["did.released"]["numbers"][0]
    assert (released["status"], released["account"]) == ("instock", "rose_orig")
    assert Event.objects.get(type="did.held").about == "256999"


def test_the_stop_of_a_package_tells_of_the_package_and_of_its_numbers(world, endpoint, published):
    endpoint()
    world.client_package.deactivate(by=SYSTEM)
    events = published()
    assert {name: data["count"] for name, data in events.items()} == {
        "client_package.deactivated": 1,
        "did.held": 2,
    }
    package = events["client_package.deactivated"]["packages"][0]
    assert (package["client"], package["package"]) == ("Rose Orig", "Basic")
    world.client_package.activate(by=SYSTEM)
    assert {name: data["count"] for name, data in published().items()} == {
        "client_package.activated": 1,
        "did.assigned": 2,
        "did.blocked": 1,
    }
    world.client_package.deactivate(by=SYSTEM, ended=True)
    assert {"client_package.ended", "did.held"} == set(published())


def test_names_are_those_of_the_time_of_the_change(world, endpoint, published):
    endpoint()
    client = Client.objects.create(reseller=world.reseller, name="Lily")
    given = ClientPackage(client=client, package=world.package)
    given.give(by=SYSTEM)
    DID.objects.filter(number="2567").hold(by=SYSTEM)
    for record in (client, world.package, world.client, world.account):
        record.name = f"{record.name} renamed"
        record.record(by=SYSTEM, fields=["name"])
    events = published()
    package, number = events["client_package.activated"]["packages"][0], events["did.held"]["numbers"][0]
    assert (package["client"], package["package"]) == ("Lily", "Basic")
    assert (number["client"], number["account"]) == ("Rose Orig", "rose_orig")


def test_a_package_that_is_given_is_activated(world, endpoint, published):
    endpoint()
    client = Client.objects.create(reseller=world.reseller, name="Lily")
    ClientPackage(client=client, package=world.package).give(by=SYSTEM)
    (given,) = published()["client_package.activated"]["packages"]
    assert given["client"] == "Lily" and re.fullmatch(r".{19}\.\d{6}Z", given["starts_at"])


def test_what_is_rolled_back_leaves_no_event(world, endpoint, published):
    endpoint()
    with transaction.atomic():
        some("256999").edit(by=SYSTEM, notes="seen")
        transaction.set_rollback(True)
    assert published() == {}


def test_a_write_costs_one_statement_and_leaves_nothing_without_an_endpoint(world):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        some("256999").edit(by=SYSTEM, notes="seen")
    assert sum("events_" in query["sql"] for query in queries) == 1
    assert not Unpublished.objects.exists()


def test_records_that_events_do_not_tell_of_cost_nothing(world, endpoint, supervisor):
    endpoint()
    client = Client(reseller=world.reseller, name="Lily")
    with CaptureQueriesContext(connection) as queries:
        client.record(by=supervisor, fields=["name"])
    assert not any("events_" in query["sql"] for query in queries)


def test_many_numbers_are_one_event_with_a_link_to_them(world, endpoint, published):
    endpoint()
    numbers = [str(n) for n in range(70_000, 75_000)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM, status="instock")
    created = published(keep=True)["did.created"]
    assert created["count"] == 5_000 and "numbers" not in created
    assert created["path"] == f"/dids/?change={created['change']}"
    assert Event.objects.get().about == "5,000 numbers" and len(Event.objects.get().body) < 500
    Event.objects.all().delete()
    some(*numbers[:LISTED]).edit(by=SYSTEM, notes="seen")
    edited = published(keep=True)["did.edited"]
    assert [row["number"] for row in edited["numbers"]] == numbers[:LISTED]
    assert len(Event.objects.get().body) < LARGEST


def test_the_numbers_of_an_event_are_sorted_however_they_were_written(world, endpoint, published):
    numbers = ["70002", "70000", "70001"]
    for number in numbers:
        DID.objects.create_numbers([number], operator=world.operator, by=SYSTEM)
    endpoint()
    some(*numbers).edit(by=SYSTEM, notes="seen")
    edited = published()["did.edited"]
    assert [row["number"] for row in edited["numbers"]] == sorted(numbers)


def test_a_list_that_would_make_an_event_too_large_is_left_out(world):
    data = {"count": 3, "numbers": ["ü" * 4_000] * 3}
    event = create_event("did.created", None, at=clock.now(), about="", data=data)
    assert json.loads(event.body)["data"] == {"count": 3}


def test_the_chunks_of_a_job_are_one_event_at_its_end(world, endpoint, published, supervisor):
    endpoint()
    numbers = Numbers([("700000", "711999")])  # three chunks
    job = submit_create(supervisor, numbers, operator=world.operator, status="instock", notes="")
    job = Job.objects.claim("test")
    stops = iter([False, False, True])
    job.run("test", lambda: next(stops))
    assert Unpublished.objects.count() == 2 and published() == {}

    Job.objects.claim("test").run("test")
    assert published()["did.created"]["count"] == 12_000
    assert DIDHistory.objects.filter(change=job.change_id).count() == 12_000


def test_a_job_that_goes_on_after_it_was_cancelled_tells_the_rest(world, endpoint, published, supervisor):
    endpoint()
    numbers = Numbers([("700000", "711999")])
    submit_create(supervisor, numbers, operator=world.operator, status="instock", notes="")
    job = Job.objects.claim("test")
    stops = iter([False, True])
    job.run("test", lambda: next(stops))
    job.request_cancel()
    assert published()["did.created"]["count"] == 5_000
    job.refresh_from_db()
    job.retry()
    Job.objects.claim("test").run("test")
    assert published()["did.created"]["count"] == 7_000


def test_a_job_that_fails_has_an_event(world, endpoint, published):
    endpoint()
    endpoint(reseller=world.reseller)
    endpoint(reseller=world.reseller_2)
    owner = member("Supervisor", username="owner", reseller=world.reseller)
    numbers = Numbers([("700000", "700009")])
    operator = Operator.objects.create(reseller=world.reseller, name="Spare")
    submit_create(owner, numbers, operator=operator, status="instock", notes="")
    operator.delete()
    Job.objects.claim("test").run("test")
    failed = published(keep=True)["job.failed"]
    assert failed["result"] == "Operator Spare no longer exists." and failed["by"] == "owner"
    assert published(world.reseller.pk, keep=True)["job.failed"] == failed
    assert published(world.reseller_2.pk) == {}


def test_a_branch_gets_events_of_its_rows_alone(world, endpoint, published):
    endpoint()
    mine, other = endpoint(reseller=world.reseller), endpoint(reseller=world.reseller_2)
    some("256999", "111", "3333").edit(by=SYSTEM, notes="seen")
    assert published(keep=True)["did.edited"]["count"] == 3
    own = published(world.reseller.pk, keep=True)["did.edited"]
    assert own["count"] == 2 and {row["number"] for row in own["numbers"]} == {"111", "256999"}
    theirs = published(world.reseller_2.pk, keep=True)["did.edited"]
    assert [row["number"] for row in theirs["numbers"]] == ["3333"]
    assert Delivery.objects.get(endpoint=mine).event.reseller_id == world.reseller.pk
    assert Delivery.objects.get(endpoint=other).event.reseller_id == world.reseller_2.pk


def move(record, reseller):
    record.reseller = reseller
    record.record(by=SYSTEM, fields=["reseller"])


def test_an_event_is_for_the_reseller_that_had_the_operator_when_it_happened(world, endpoint, published):
    for reseller in (None, world.reseller, world.reseller_2):
        endpoint(reseller=reseller)
    operator = Operator.objects.create(reseller=world.reseller, name="Spare")
    with audit.change(Change.Kind.CREATE, by=SYSTEM, at=clock.now() - timedelta(hours=1)):
        DID.objects.create_numbers(["4000", "4001"], operator=operator, by=SYSTEM, status="instock")
    move(operator, world.reseller_2)
    some("4001").delete_unused(by=SYSTEM)

    old, new = published(world.reseller.pk, keep=True), published(world.reseller_2.pk, keep=True)
    assert set(old) == {"did.created"} and set(new) == {"did.deleted"}
    assert [row["number"] for row in old["did.created"]["numbers"]] == ["4000", "4001"]
    assert [row["number"] for row in new["did.deleted"]["numbers"]] == ["4001"]
    assert set(published()) == {"did.created", "did.deleted"}


def test_a_job_tells_each_reseller_what_it_wrote_while_the_operator_was_theirs(
    world, endpoint, published, supervisor
):
    for reseller in (None, world.reseller, world.reseller_2):
        endpoint(reseller=reseller)
    operator = Operator.objects.create(reseller=world.reseller, name="Spare")
    submit_create(supervisor, Numbers([("700000", "705009")]), operator=operator, status="instock", notes="")
    stops = iter([False, True])
    Job.objects.claim("test").run("test", lambda: next(stops))
    move(operator, world.reseller_2)
    Job.objects.claim("test").run("test")

    assert published(keep=True)["did.created"]["count"] == 5_010
    assert published(world.reseller.pk, keep=True)["did.created"]["count"] == 5_000
    new = published(world.reseller_2.pk)["did.created"]
    assert [row["number"] for row in new["numbers"]] == [str(n) for n in range(705_000, 705_010)]


def test_an_event_of_a_package_is_for_the_reseller_that_had_it_then(world, endpoint, published):
    endpoint(reseller=world.reseller)
    endpoint(reseller=world.reseller_2)
    with audit.change(Change.Kind.EDIT, by=SYSTEM, at=clock.now() - timedelta(hours=1)):
        world.client_package.deactivate(by=SYSTEM)
    move(world.package, world.reseller_2)
    assert "client_package.deactivated" in published(world.reseller.pk, keep=True)
    assert published(world.reseller_2.pk) == {}


def test_an_endpoint_gets_the_types_that_it_wants_while_it_is_active(world, endpoint, published):
    wants, paused = endpoint(types=["did.edited"]), endpoint()
    endpoint(types=["did.held"])
    paused.pause(by=SYSTEM)
    some("256999").edit(by=SYSTEM, notes="seen")
    published(keep=True)
    assert [delivery.endpoint for delivery in Delivery.objects.all()] == [wants]


def test_two_publishers_store_an_event_once(world, endpoint, monkeypatch):
    endpoint()
    some("256999").edit(by=SYSTEM, notes="seen")
    read = publishing._events

    def read_while_another_publishes(*args):
        found = list(read(*args))
        monkeypatch.setattr(publishing, "_events", read)
        publish_due(threading.Event())
        return found

    monkeypatch.setattr(publishing, "_events", read_while_another_publishes)
    publish_due(threading.Event())
    assert Event.objects.count() == 1


def test_the_end_of_a_hold_that_was_overdue_has_its_own_event(world, endpoint, published):
    endpoint()
    DID.objects.filter(number="2563").update(hold_until=clock.now() - timedelta(seconds=1))
    some("2563").edit(by=SYSTEM, notes="seen")
    assert set(published()) == {"did.released", "did.edited"}


def test_a_change_that_can_not_be_published_keeps_no_other_waiting(world, endpoint, monkeypatch):
    endpoint()
    some("256999").edit(by=SYSTEM, notes="seen")
    some("111").edit(by=SYSTEM, notes="seen")
    first, read = Unpublished.objects.earliest("pk").change_id, publishing._events

    def fail(change, *args):
        if change.pk == first:
            raise ValueError("broken")
        return read(change, *args)

    monkeypatch.setattr(publishing, "_events", fail)
    with pytest.raises(ExceptionGroup, match="can’t be published"):
        publish_due(threading.Event())
    assert Event.objects.get().about == "111" and Unpublished.objects.get().change_id == first


def test_a_finished_import_has_an_event_beside_those_of_its_numbers(world, endpoint, published):
    endpoint()
    owner = member("Supervisor", username="owner", reseller=world.reseller)
    job = imported("DID\n4000\n4001\n", owner, operator=world.operator).job
    events = published()
    assert {name: data.get("count") for name, data in events.items()} == {
        "did.created": 2,
        "import.finished": None,
    }
    assert events["import.finished"]["job"] == str(job.pk)
    assert events["import.finished"]["change"] == events["did.created"]["change"]
