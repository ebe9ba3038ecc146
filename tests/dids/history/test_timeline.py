"""The timeline of one number, and who may read it."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM
from clients.models import Client
from dids.history.timeline import PAGE, timeline, versions
from dids.models import DID, ClientPackage, DIDHistory
from operators.models import Operator
from tests.carrier import carrier, numbers_in, person

pytestmark = pytest.mark.django_db


def listed(pk, viewer):
    """Return [(event, label, actor, {field: (old, new)})], newest first."""
    entries, _ = timeline(pk, viewer)
    return [
        (e.event, e.label, e.actor, {one.field: (one.old, one.new) for one in e.differences}) for e in entries
    ]


@pytest.fixture
def house(db):
    return carrier()


@pytest.fixture
def anna(db):
    return person("anna", "dids.change_did", "dids.add_did", "dids.delete_did")


def test_each_entry_lists_old_and_new_values(house, anna):
    DID.objects.create_numbers(["100"], operator=house.operator, by=anna, tags=["gold"], hold_days=12)
    dids = DID.objects.filter(number="100")
    dids.edit(by=anna, kind="mass_edit", label="Mass edit", tags=[], notes="for the bakery", hold_days=None)

    pk = dids.get().pk
    assert listed(pk, anna) == [
        (
            "~",
            "Mass edit",
            "anna",
            {"Tag": ("gold", ""), "Notes": ("", "for the bakery"), "Hold days": ("12", "")},
        ),
        (
            "+",
            "New DIDs",
            "anna",
            {
                "DID": ("", "100"),
                "Operator": ("", "North Telecom"),
                "Status": ("", "In Stock"),
                "After Hold": ("", "In Stock"),
                "Hold days": ("", "12"),
                "Tag": ("", "gold"),
            },
        ),
    ]


def test_a_hold_shows_its_end_in_the_active_zone_and_not_its_beginning(house, anna):
    now = datetime(2026, 1, 3, 12, 5, tzinfo=UTC)
    ClientPackage.objects.update(starts_at=now)
    dids = numbers_in("active", ["100"], house, now=now)
    house.client_package.deactivate(by=anna, now=now)

    with timezone.override("Europe/Vilnius"):
        event, label, actor, changes = listed(dids.get().pk, anna)[0]
    assert (event, label, actor) == ("~", "Package Basic of North Bakery switched off", "anna")
    assert changes == {
        "Status": ("Active", "Hold"),
        "Hold until": ("", "2 Feb 2026, 14:05"),
        "Returns to": ("", "Active"),
    }


def test_names_of_deleted_records_come_from_their_own_history(house, anna):
    dids = numbers_in("hold", ["100"], house)
    dids.edit(by=SYSTEM, status="instock")
    other = Operator.objects.create(reseller=house.reseller, name="Second Telecom")
    dids.update(operator=other)
    for record in (house.account, house.client_package, house.client, house.package, house.operator):
        record.delete()

    entries = listed(dids.get().pk, anna)
    assert entries[0][3] == {"Operator": ("North Telecom", "Second Telecom")}
    assert entries[1][3]["Client"] == ("North Bakery | north_bakery", "")
    assert entries[1][3]["Package"] == ("Basic", "")


def test_a_write_outside_the_application_is_labelled_as_such(house, anna):
    dids = numbers_in("instock", ["100"], house)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET notes = 'by hand'")

    assert listed(dids.get().pk, anna)[0] == (
        "~",
        "Changed",
        "something outside the application",
        {"Notes": ("", "by hand")},
    )


def test_a_deleted_number_keeps_its_timeline(house, anna):
    dids = numbers_in("instock", ["100"], house)
    pk = dids.get().pk
    dids.delete_unused(by=anna)

    assert [entry[:3] for entry in listed(pk, anna)] == [
        ("-", "Deleted", "anna"),
        ("+", "New DIDs", "the system"),
    ]


def test_a_long_timeline_is_paged_without_gaps(house, anna):
    dids = numbers_in("instock", ["100"], house)
    pk = dids.get().pk
    for n in range(6):
        dids.edit(by=anna, notes=str(n))

    first, cursor = timeline(pk, anna, size=4)
    second, end = timeline(pk, anna, before=cursor, size=4)

    notes = [change for entry in first + second if entry.event == "~" for change in entry.differences]
    assert [(change.old, change.new) for change in notes] == [
        ("4", "5"), ("3", "4"), ("2", "3"), ("1", "2"), ("0", "1"), ("", "0"),
    ]  # fmt: skip
    assert len(first) == 4 and len(second) == 3 and end is None


def test_a_user_of_a_reseller_sees_only_versions_under_that_reseller(house, anna):
    south = carrier("South")
    dids = numbers_in("instock", ["100"], house, notes="secret of the north")
    pk = dids.get().pk
    dids.update(operator=south.operator)
    dids.edit(by=anna, notes="of the south")

    of_south = listed(pk, person("sven", "dids.view_did", reseller=south.reseller))
    of_north = listed(pk, person("nora", "dids.view_did", reseller=house.reseller))

    assert of_south == [
        ("~", "Edit", "anna", {"Notes": ("secret of the north", "of the south")}),
        ("~", "Changed", "something outside the application", {}),
    ]
    assert [entry[0] for entry in of_north] == ["+"]
    assert len(listed(pk, anna)) == 3
    assert listed(pk, AnonymousUser()) == []


def test_the_reseller_of_a_deleted_operator_still_sees_its_numbers(house, anna):
    dids = numbers_in("instock", ["100"], house)
    pk = dids.get().pk
    dids.delete_unused(by=anna)
    house.operator.delete()

    nora = person("nora", "dids.view_did", reseller=house.reseller)
    sven = person("sven", "dids.view_did", reseller=carrier("South").reseller)
    assert [entry[0] for entry in listed(pk, nora)] == ["-", "+"]
    assert listed(pk, sven) == []


def test_a_long_timeline_costs_no_more_queries_than_a_short_one(house, anna):
    dids = numbers_in("hold", ["100"], house, tags=["gold"])
    pk = dids.get().pk
    with CaptureQueriesContext(connection) as short:
        timeline(pk, anna)
    for n in range(50):
        dids.edit(by=anna, notes=str(n), tags=[str(n)])
    with CaptureQueriesContext(connection) as long:
        entries, _ = timeline(pk, anna)

    assert len(entries) == 53
    assert len(short) == len(long) == 5


def test_names_that_the_number_itself_refers_to_cost_no_query(house, anna):
    dids = numbers_in("active", ["100"], house, tags=["gold"])
    did = dids.for_page().get()
    with CaptureQueriesContext(connection) as spent:
        entries, _ = timeline(did.pk, anna, did=did)
    assert len(spent) == 1
    assert (entries, None) == timeline(did.pk, anna)

    dids.edit(by=anna, tags=["silver"])
    did = dids.for_page().get()
    assert timeline(did.pk, anna, did=did) == timeline(did.pk, anna)


def test_the_number_itself_names_no_client_of_another_reseller(house):
    pk = numbers_in("active", ["100"], house).get().pk
    Client.objects.filter(pk=house.client.pk).update(reseller=carrier("South").reseller, name="secret")
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    did = DID.objects.visible_to(nora).for_page().get()

    found = timeline(pk, nora, did=did)

    assert found == timeline(pk, nora)
    assert "secret" not in str(found)


def test_a_number_that_never_existed_has_an_empty_timeline(anna):
    assert timeline(12345, anna) == ([], None)
    assert not DIDHistory.objects.exists()


def test_the_timeline_is_read_by_index(house, anna):
    pk = numbers_in("instock", ["100"], house).get().pk
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # otherwise it scans so small a table
    for viewer in (anna, nora):
        plan = versions(pk, viewer).select_related("change")[: PAGE + 1].explain()
        assert "did_past_object" in plan
        assert "SCAN dids_didhistory" not in plan and "B-TREE" not in plan
