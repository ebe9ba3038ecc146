"""The audit log: its list and filters, one change with its rows, and what each reseller sees of both."""

import csv
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_init
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import audit
from audit import SYSTEM
from audit.history import TRACKED
from audit.models import Change
from clients.models import Client, Reseller
from dids.history import external_writes
from dids.history.audit_log import log_listing
from dids.history.rows import describe, noun, with_previous
from dids.job_kinds import submit_create
from dids.models import DID, ClientPackage, DIDHistory
from dids.numbering.ranges import Numbers
from operators.models import Operator
from screens.history.links import source_label
from sheets.writing import escape
from tests.carrier import carrier, numbers_in, person
from tests.roles import as_owner
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return carrier()


@pytest.fixture
def anna(db):
    return member("Supervisor", username="anna")


@pytest.fixture
def browser(anna):
    return client_of(anna)


def listed(browser, **filters):
    """Return the labels of the changes on the page, in its order."""
    response = browser.get(f"/audit/?{urlencode(filters)}")
    assert response.status_code == 200
    return [entry.label for entry in response.context["entries"]]


def errors(browser, **filters):
    return browser.get(f"/audit/?{urlencode(filters)}").context["listing"].errors


def described(response):
    """Return [(title, event, {field: (old, new)})] of the rows on a change's page."""
    return [
        (row.title, row.event, {change.field: (change.old, change.new) for change in row.differences})
        for row in response.context["rows"]
    ]


def at(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


# --- the list ---------------------------------------------------------------------------------------


def test_a_change_is_listed_with_its_actor_label_counts_and_source(north, anna, browser):
    numbers_in("active", ["100", "101", "102"], north)
    with audit.origin("/client-packages/7/deactivate/", "192.0.2.7"):
        north.client_package.deactivate(by=anna)
    with audit.origin("/dids/12/"):
        DID.objects.filter(number="100").edit(by=SYSTEM, notes="one")

    one, package = browser.get("/audit/").context["entries"][:2]
    assert (package.label, package.touched) == (
        "Package Basic of North Bakery switched off",
        ["3 numbers", "1 client package"],
    )
    assert (package.source_label, package.address) == ("Client packages", "192.0.2.7")
    assert (one.label, one.touched, one.source_label) == ("Edit", ["100"], "A number’s page")
    html = browser.get("/audit/").content.decode()
    assert "anna" in html and "System" in html and "3 numbers, 1 client package" in html


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("/dids/import/5/check/", "Import DIDs"),
        ("/dids/mass-edit/", "Mass Edit"),
        ("/accounts/import/", "Accounts"),
        ("/people/1/", "People"),
        ("job 5", "Job"),
        ("/removed-screen/", "/removed-screen/"),
        ("", ""),
    ],
)
def test_the_source_of_a_change_is_named_after_its_screen(source, label):
    assert source_label(source) == label


def test_the_newest_changes_come_first_and_pages_are_found_by_key(north, browser):
    numbers_in("instock", ["100"], north)
    # Two with the same timestamp, and one whose id and timestamp are in opposite order.
    for n, day in enumerate((9, 8, 8, 7, 10)):
        DID.objects.all().edit(by=SYSTEM, label=f"Note {n}", notes=str(n), now=at(day))
    filler = [
        Change(kind="edit", actor_kind="system", actor_name="x", at=at(1), label=f"L{n}") for n in range(45)
    ]
    Change.objects.bulk_create(filler)

    first = browser.get("/audit/")
    assert [entry.label for entry in first.context["entries"]][1:6] == [f"Note {n}" for n in (4, 0, 2, 1, 3)]
    second = browser.get(first.context["listing"].next_url)
    third = browser.get(second.context["listing"].next_url)
    pages = [[entry.change.pk for entry in page.context["entries"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [20, 20, 11]
    assert len({pk for page in pages for pk in page}) == 51
    again = browser.get(third.context["listing"].previous_url)
    assert [entry.change.pk for entry in again.context["entries"]] == pages[1]
    assert [entry.change.pk for entry in browser.get("/audit/?page=2").context["entries"]] == pages[1]
    assert [entry.change.pk for entry in browser.get("/audit/?page=3").context["entries"]] == pages[2]
    assert [c.pk for c in browser.get("/audit/?sort=at").context["listing"].rows] == pages[2][::-1] + pages[
        1
    ][:10:-1]


def test_the_log_is_filtered_by_object_type_action_and_actor(north, anna, browser):
    numbers_in("instock", ["100"], north)
    DID.objects.all().edit(by=anna, notes="x")
    Operator(reseller=north.reseller, name="Second").record(by=anna, fields=())

    assert listed(browser, type="operator") == ["New operator Second"]
    assert listed(browser, type="did") == ["Edit", "New DIDs"]
    assert listed(browser, action="edit") == ["Edit"]
    assert listed(browser, by="system") == ["New DIDs"]
    assert listed(browser, person=anna.pk) == ["New operator Second", "Edit"]
    assert listed(browser, person=anna.pk, type="did") == ["Edit"]
    assert listed(browser, by="token") == []


def test_a_date_range_includes_its_last_day_in_the_users_time_zone(north, anna, browser):
    numbers_in("instock", ["100"], north, now=at(1))
    for label, created in (
        ("Before", at(9, 14)),
        ("Begin", at(9, 15)),
        ("End", at(10, 14)),
        ("After", at(10, 15)),
    ):
        DID.objects.all().edit(by=SYSTEM, label=label, notes=label, now=created)
    anna.time_zone = "Asia/Tokyo"  # the 10th lasts from 15:00 to 15:00 UTC
    anna.save()

    assert listed(browser, since="2026-03-10", until="2026-03-10") == ["End", "Begin"]
    assert listed(browser, until="2026-03-09") == ["Before", "New DIDs"]
    assert listed(browser, since="2026-03-11") == ["After"]


def test_changes_are_found_by_a_number_in_any_notation_even_if_it_is_deleted(north, anna, browser):
    numbers_in("instock", ["442012345", "442012346", "999"], north)
    DID.objects.filter(number="442012345").edit(by=anna, notes="x")
    DID.objects.filter(number="442012346").delete_unused(by=anna)

    assert listed(browser, object="+44 (20) 123-45") == ["Edit", "New DIDs"]
    assert listed(browser, object="442012346") == ["Deleted", "New DIDs"]
    assert listed(browser, object="442012345, 442012346") == ["Deleted", "Edit", "New DIDs"]
    assert listed(browser, object="442012340-442012349") == ["Deleted", "Edit", "New DIDs"]
    assert listed(browser, object="123456789") == []


def test_a_whole_number_finds_its_own_changes_and_not_those_of_numbers_that_contain_it(north, anna, browser):
    numbers_in("instock", [f"49113{n:03}" for n in range(101)], north)
    (error,) = errors(browser, object="113")
    assert error == (
        "Object: No object is exactly “113”, and more than 100 contain it. Enter the whole number or name."
    )
    numbers_in("instock", ["113"], north).edit(by=anna, notes="x")
    assert listed(browser, object="113") == ["Edit", "New DIDs"]
    assert 'href="/audit/?object=%2A113%2A"' in browser.get("/audit/?object=113").text
    DID.objects.filter(number="113").delete_unused(by=anna)
    assert listed(browser, object="113") == ["Deleted", "Edit", "New DIDs"]
    assert errors(browser, object="*113*")[0].startswith("Object: More than 100 objects match “*113*”. Enter")
    assert listed(browser, object="*4911310*") == ["New DIDs"]


def test_digits_find_a_record_with_exactly_this_name(north, anna, browser):
    client = Client(reseller=north.client.reseller, name="118")
    client.record(by=anna, fields=["name"])
    assert listed(browser, object="118") == ["New client 118"]


def test_changes_are_found_by_the_name_of_an_object_even_if_it_is_deleted(north, anna, browser):
    spare = Operator(reseller=north.reseller, name="Spare Line")
    spare.record(by=anna, fields=())
    spare.delete_unused(by=anna)
    client = Client(reseller=north.reseller, name="Spare Bakery")
    client.record(by=anna, fields=())

    assert listed(browser, object="spare line") == ["Operator Spare Line deleted", "New operator Spare Line"]
    assert listed(browser, object="spare", type="client") == ["New client Spare Bakery"]
    assert listed(browser, object="Nobody") == []


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"type": "planet"}, "Object type: There is no object type “planet”."),
        ({"action": "explode"}, "Action: There is no action “explode”."),
        ({"since": "2026-02-30"}, "From: There is no 30 Feb 2026."),
        ({"until": "0001-01-01"}, "To: Choose a year from 2000 to 2199."),
        ({"until": "9999-12-31"}, "To: Choose a year from 2000 to 2199."),
        ({"until": "03/04/2026"}, "To: Write the month as a word: 3 Apr 2026 or 4 Mar 2026."),
        (
            {"since": "2026-03-02", "until": "2026-03-01"},
            "To: The range ends before it begins. Choose a later date.",
        ),
        ({"by": "ghost"}, "Made by: There is no kind of actor “ghost”."),
        ({"person": "999999"}, "Person: There is no person “999999”."),
        (
            {"type": "did", "object": "9-8"},
            "Object: “9-8”: as a range it ends before it starts. Write 8-9, or 98 for the number.",
        ),
        (
            {"object": "1"},
            "Object: No object is exactly “1”, and more than 100 contain it. Enter the whole number or name.",
        ),
    ],
)  # fmt: skip
def test_an_invalid_value_is_named_at_its_field_and_nothing_is_listed(north, browser, filters, error):
    numbers_in("instock", [str(1000 + n) for n in range(101)], north)

    assert errors(browser, **filters) == [error]
    assert listed(browser, **filters) == []


def test_a_page_costs_the_same_queries_however_many_changes_it_shows(north, anna, browser):
    numbers_in("instock", ["100"], north)
    browser.get("/audit/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/audit/")
    for n in range(60):
        DID.objects.all().edit(by=anna if n % 2 else SYSTEM, notes=str(n))
    with CaptureQueriesContext(connection) as many:
        response = browser.get("/audit/?per_page=50")

    assert len(response.context["entries"]) == 50
    assert len(many) <= len(few) + 1


def test_a_change_links_to_its_job_for_users_who_may_see_it(north, anna, browser):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(anna, Numbers([("1000", "1004")]), operator=north.operator, **fields)
    call_command("worker", "--once")

    assert f'<a href="/jobs/{job.pk}/">Job</a>' in browser.get("/audit/").content.decode()
    assert "/jobs/" not in client_of(person("vera", "audit.view_change")).get("/audit/").content.decode()


def test_the_label_of_a_mass_edit_says_what_was_set(north, anna, browser):
    numbers_in("instock", ["100"], north)
    data = {"ids": DID.objects.get().pk, "step": "apply", "change_status": "on", "status": "reserved"}
    browser.post("/dids/mass-edit/", data | {"change_notes": "on", "notes": ""})

    assert listed(browser)[0] == "Mass edit: Status Reserved, Notes cleared"


# --- one change -------------------------------------------------------------------------------------


def test_a_change_shows_old_and_new_of_its_numbers(north, anna, browser):
    numbers_in("instock", ["100", "101"], north, tags=["gold"])
    DID.objects.filter(number="101").edit(by=SYSTEM, notes="first")
    DID.objects.all().edit(by=anna, notes="second")

    page = browser.get(f"/audit/{Change.objects.latest('pk').pk}/")
    assert described(page) == [
        ("100", "~", {"Notes": ("", "second")}),
        ("101", "~", {"Notes": ("first", "second")}),
    ]
    created = browser.get(f"/audit/{Change.objects.earliest('pk').pk}/")
    assert described(created)[0][1:] == (
        "+",
        {
            "DID": ("", "100"),
            "Operator": ("", "North Telecom"),
            "Status": ("", "In Stock"),
            "After Hold": ("", "In Stock"),
            "Tag": ("", "gold"),
        },
    )


def test_objects_of_every_type_are_shown_by_name_even_if_deleted(north, anna, browser):
    client_package = north.client_package
    client_package.end_on(timezone.now() + timedelta(days=9), by=anna)
    change = Change.objects.latest("pk")
    other = Reseller.objects.create(name="South")
    with audit.change("edit", by=anna, label="All sorts") as sorts:
        Client.objects.filter(pk=north.client.pk).update(reseller=other)
        Operator.objects.filter(pk=north.operator.pk).update(hold_days=5)
    ClientPackage.objects.all().delete()
    for record in (north.account, north.package):
        record.delete()

    (row,) = described(browser.get(f"/audit/{change.pk}/"))
    assert row[:2] == ("Basic of North Bakery", "~")
    assert row[2].keys() == {"Ends at"}
    clients = browser.get(f"/audit/{sorts.pk}/?type=client")
    assert described(clients) == [("North Bakery", "~", {"Reseller": ("North", "South")})]
    assert [tab["label"] for tab in clients.context["tabs"]] == ["1 client", "1 operator"]
    assert described(browser.get(f"/audit/{sorts.pk}/?type=operator"))[0][2] == {"Hold days": ("", "5")}
    assert browser.get(f"/audit/{sorts.pk}/?type=did").status_code == 404


def test_the_rows_of_a_change_come_in_pages_of_a_fixed_cost(north, anna, browser):
    numbers_in("instock", [str(1000 + n) for n in range(130)], north)
    pk = Change.objects.latest("pk").pk
    browser.get(f"/audit/{pk}/")
    with CaptureQueriesContext(connection) as few:
        first = browser.get(f"/audit/{pk}/?per_page=20")
    with CaptureQueriesContext(connection) as many:
        browser.get(f"/audit/{pk}/?per_page=100")

    second = browser.get(first.context["listing"].next_url)
    assert [row[0] for row in described(second)] == [str(1020 + n) for n in range(20)]
    assert [row[0] for row in described(browser.get(f"/audit/{pk}/?page=7"))] == [
        str(1120 + n) for n in range(10)
    ]
    assert len(many) == len(few)


def test_the_csv_has_one_line_per_field_and_is_harmless_in_a_spreadsheet(north, anna, browser):
    numbers_in("active", ["100", "101"], north)
    DID.objects.all().edit(by=SYSTEM, notes="=1+1")
    DID.objects.filter(number="100").edit(by=anna, notes="-x", tags=["gold"])
    north.client_package.deactivate(by=anna)

    def rows(change):
        response = browser.get(f"/audit/{change.pk}/rows.csv")
        assert response.headers["Content-Disposition"].startswith(
            f'attachment; filename="change_{change.pk}_'
        )
        return list(csv.DictReader(b"".join(response).decode().splitlines()))

    deactivated, edited = Change.objects.order_by("-pk")[:2]
    first, second = rows(edited)
    assert (first["Field"], first["Old"], first["New"]) == ("Tag", "", "gold")
    assert (second["Old"], second["New"], second["By"]) == ("'=1+1", "'-x", "anna")
    assert {(row["Object type"], row["Object"], row["Field"], row["New"]) for row in rows(deactivated)} > {
        ("number", "100", "Status", "Hold"),
        ("number", "101", "Status", "Hold"),
        ("client package", "Basic of North Bakery", "Active", "no"),
    }


def test_the_csv_says_what_the_pages_say_without_making_instances(world, supervisor, browser):
    DID.objects.all().edit(by=supervisor, notes="seen", hold_days=7, tags=["gold"])
    DID.objects.filter(status="active").hold(by=supervisor)
    made = []
    for model in TRACKED.values():
        pre_init.connect(
            lambda **of: made.append(of["sender"]), sender=model, weak=False, dispatch_uid="made"
        )
    try:
        files = {change: downloaded(browser, change) for change in Change.objects.all()}
    finally:
        for model in TRACKED.values():
            pre_init.disconnect(sender=model, dispatch_uid="made")
    assert made == []
    described = 0
    for change, lines in files.items():
        expected = []
        for tracked, model in TRACKED.items():
            rows = with_previous(
                model.objects.filter(change=change).order_by("history_id"), tracked, supervisor
            )
            expected += [
                [noun(tracked), str(row.object_id), row.title, row.event_word, *map(escape, difference)]
                for row in describe(rows, tracked, supervisor)
                for difference in row.differences or [("", "", "")]
            ]
        assert sorted(line[1:8] for line in lines) == sorted(expected)
        assert {line[8] for line in lines} == {change.actor_name}
        described += len(lines)
    assert described > 100


def downloaded(browser, change):
    """Return the rows of a change's file without the header, as lists of cells."""
    file = b"".join(browser.get(f"/audit/{change.pk}/rows.csv")).decode()
    return list(csv.reader(file.splitlines()))[1:]


def test_an_undo_and_the_undone_change_link_to_each_other(north, anna, browser):
    numbers_in("instock", ["100"], north)
    DID.objects.all().edit(by=anna, notes="x")
    done = Change.objects.latest("pk")
    with audit.change("undo", by=anna, label="Undo of Edit", undo_of=done) as undo:
        DID.objects.all().update(notes="")

    html = browser.get(f"/audit/{done.pk}/").content.decode()
    assert "Undone by" in html and f'<a href="/audit/{undo.pk}/">Undo of Edit</a>' in html
    html = browser.get(f"/audit/{undo.pk}/").content.decode()
    assert "Undo of</dt>" in html and f'<a href="/audit/{done.pk}/">Edit</a>' in html


def test_pruned_rows_are_reported_as_missing(north, anna, browser):
    numbers_in("instock", ["100", "101"], north)
    change = Change.objects.latest("pk")
    tomorrow = timezone.now() + timedelta(days=1)
    horizon = {"horizon": tomorrow.isoformat()}
    with as_owner(), audit.change("prune", by=SYSTEM, data=horizon) as prune:
        prune.touched += DIDHistory.objects.filter(number="100").delete()[0]

    page = browser.get(f"/audit/{change.pk}/")
    assert [row[0] for row in described(page)] == ["101"]
    assert "1 row of this change is missing" in page.content.decode()
    assert listed(browser)[0] == "Old history deleted"


# --- visibility to resellers ------------------------------------------------------------------------


def test_a_reseller_sees_only_its_own_rows_and_counts_of_a_shared_change(north, anna):
    south = carrier("South")
    numbers_in("instock", ["100", "101"], north)
    numbers_in("instock", ["200"], south)
    with audit.origin("/dids/mass-edit/", "192.0.2.7"):
        DID.objects.all().edit(by=anna, notes="both")
    change = Change.objects.latest("pk")
    sven = client_of(member("Supervisor", username="sven", reseller=south.reseller))

    assert listed(sven) == ["Edit", "New DIDs"]
    html = sven.get("/audit/").content.decode()
    assert "192.0.2.7" not in html and "2 numbers" not in html and "3 numbers" not in html
    page = sven.get(f"/audit/{change.pk}/")
    assert [row[0] for row in described(page)] == ["200"]
    assert page.context["entry"].touched == ["200"]
    file = b"".join(sven.get(f"/audit/{change.pk}/rows.csv")).decode()
    assert "200" in file and "100" not in file and "101" not in file
    of_north = Change.objects.earliest("pk")
    assert sven.get(f"/audit/{of_north.pk}/").status_code == 404
    assert sven.get(f"/audit/{of_north.pk}/rows.csv").status_code == 404
    assert listed(sven, object="100") == []
    assert listed(sven, object="200") == ["Edit", "New DIDs"]
    assert listed(sven, object="North") == []
    assert errors(sven, person=anna.pk) != []


# --- writes outside the application -----------------------------------------------------------------


def test_writes_outside_the_application_are_grouped_by_table_and_timestamp(north, anna, browser):
    numbers_in("instock", ["100", "101"], north)
    numbers_in("instock", ["200"], carrier("South"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET notes = 'by hand' WHERE number = '100'")

    page = browser.get("/audit/outside/")
    group = page.context["writes"][0]
    assert (group.label, group.events) == ("1 number", [("changed", 1)])
    rows = browser.get(f"/audit/outside/did/{group.microsecond}/")
    assert described(rows) == [("100", "~", {"Notes": ("", "by hand")})]
    nora = client_of(member("Supervisor", username="nora", reseller=north.reseller))
    assert nora.get(f"/audit/outside/did/{group.microsecond}/").status_code == 200
    sven = client_of(member("Supervisor", username="sven", reseller=Reseller.objects.get(name="South")))
    assert sven.get(f"/audit/outside/did/{group.microsecond}/").status_code == 404
    assert browser.get("/audit/outside/planet/1/").status_code == 404
    assert browser.get("/audit/outside/?before=x").status_code == 400


def test_writes_outside_the_application_are_paged_without_gaps(north, browser, monkeypatch):
    monkeypatch.setattr(external_writes, "PAGE", 4)
    monkeypatch.setattr(external_writes, "ROWS_MOST", 6)
    for n in range(11):
        time.sleep(0.002)  # SQLite's clock has a resolution of one millisecond
        Operator.objects.create(reseller=north.reseller, name=f"Operator {n}")

    found, address = [], "/audit/outside/"
    while address:
        page = browser.get(address)
        found += [(group.object_type, group.microsecond) for group in page.context["writes"]]
        address = page.context["older"] and f"/audit/outside/?before={page.context['older']}"
    assert len(found) == len(set(found))
    assert sum(kind == "operator" for kind, _ in found) == 12
    assert found == sorted(found, key=lambda group: -group[1])


# --- index use --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "change_log"),
        ({"action": "edit"}, "change_log_kind"),
        ({"by": "system"}, "change_log_actor_kind"),
        ({"type": "operator"}, "touched_kind"),
        ({"since": "2026-01-01"}, "change_log"),
    ],
)
@pytest.mark.parametrize("page", ["first page", "page after a cursor"])
def test_a_page_is_read_from_an_index_in_its_order(north, anna, filters, index, page):
    plan = plan_of_page(anna, filters, page)
    assert re.search(rf"\b{index}\b", plan), plan


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "touched_branch"),
        ({"type": "did"}, "touched_branch_kind"),
        ({"action": "edit"}, "touched_branch_action"),
    ],
)
@pytest.mark.parametrize("page", ["first page", "page after a cursor"])
def test_a_page_for_one_reseller_is_read_from_an_index_in_its_order(north, filters, index, page):
    nora = person("nora", "audit.view_change", reseller=north.reseller)
    plan = plan_of_page(nora, filters, page)
    assert re.search(rf"\b{index}\b", plan), plan


def plan_of_page(viewer, filters, page):
    """Return the query plan for the keys of a page; it must neither sort nor scan a table."""
    numbers_in("instock", ["100"], carrier("West"))
    listing = log_listing(QueryDict(urlencode(filters)), viewer)
    key = None if page == "first page" else str(Change.objects.earliest("pk").pk)
    with CaptureQueriesContext(connection) as queries:
        listing.keyset.after(key, 21)
    sql = queries[-1]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "sort", "bitmapscan", "hashagg"):
                cursor.execute(f"SET LOCAL enable_{way} = off")  # so small a table is sorted fastest
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "B-TREE" not in plan and "Sort" not in plan and "Seq Scan" not in plan, plan
    return plan
