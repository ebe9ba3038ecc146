"""The page of minimum holds, and the dialogs that change them."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package
from didmgmt import clock
from dids.history.breaches import breaches
from dids.history.minimums import minimums
from dids.models import DID, AgeingRule, ClientPackage
from tests.carrier import carrier, numbers_in, person
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def admin():
    return member("Administrator")


def bakery(world):
    client = Client.objects.create(reseller=world.reseller, name="Bakery")
    package = Package.objects.create(reseller=world.reseller, name="Loaf", did_limit=9)
    given = ClientPackage.objects.create(client=client, package=package, starts_at=clock.now())
    return given, Account.objects.create(client=client, name="oven")


def in_force(admin, prefix="25", days=45):
    rule = AgeingRule(prefix=prefix, days=days, place="Elsewhere", source="the contract")
    rule.create(by=admin)
    AgeingRule.objects.get(pk=rule.pk).accept(by=admin)
    return AgeingRule.objects.get(pk=rule.pk)


def released(number="2567"):
    DID.objects.filter(number=number).hold(by=SYSTEM)
    DID.objects.filter(number=number).end_hold(by=SYSTEM)
    return DID.objects.get(number=number)


def page_of(user, path="/rules/"):
    return " ".join(client_of(user).get(path).content.decode().split())


def test_suggestions_are_there_and_do_nothing_until_they_are_accepted(world, admin):
    page = page_of(admin)

    assert "2 minimum holds are suggested and not accepted yet." in page
    assert "47 CFR 52.15" in page and "not accepted yet" in page


def test_accepting_asks_once_with_the_count_and_then_holds(world, admin):
    released()
    rule = AgeingRule(prefix="25", days=45, source="the contract")
    rule.create(by=admin)
    browser = client_of(admin)

    asked = browser.get(f"/rules/{rule.pk}/accept/").content.decode()
    assert "It holds back 2 numbers now" in asked
    assert AgeingRule.objects.get(pk=rule.pk).accepted_at is None
    browser.post(f"/rules/{rule.pk}/accept/")

    assert AgeingRule.objects.get(pk=rule.pk).accepted_by == admin
    assert "administrator, " in page_of(admin)


def test_accepting_and_removing_say_how_many_holds_end_at_another_time(world, admin):
    released()
    rule = AgeingRule(prefix="25", days=45, source="the contract")
    rule.create(by=admin)
    assert DID.objects.filter(number__startswith="25", status="hold").count() == 1
    moved = "1 hold ends at another time."

    for act, sentence in (
        ("accept", f"The minimum hold of +25 is in force: 45 days. {moved}"),
        ("remove", f"The minimum hold of +25 is removed. {moved}"),
    ):
        answer = client_of(admin).post(f"/rules/{rule.pk}/{act}/", follow=True)
        assert list(map(str, answer.context["messages"])) == [sentence]


def test_changes_of_rules_are_in_the_audit_log_with_their_values(world, admin):
    rule = in_force(admin)
    client_of(admin).post(f"/rules/{rule.pk}/", {"days": "60", "place": "Elsewhere", "source": "the law"})

    change = Change.objects.filter(kind="ageing_rule").latest("pk")
    assert change.data["edited"] == [["Days, at least", "45", "60"], ["source", "the contract", "the law"]]
    shown = page_of(admin, f"/audit/{change.pk}/")
    assert "the contract → the law" in shown and "Minimum hold of +25 changed" in shown
    assert change.never_undone


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("prefix", "4x", "Enter the first digits of the numbers, such as 41."),
        ("prefix", "", "Enter the first digits of the numbers, such as 41."),
        ("prefix", "+41", "+41 has a minimum hold already. Change it in the list."),
        ("prefix", "1" * 16, "Enter at most 15 digits; these are 16."),
        ("days", "0", "Enter 1 or more."),
        ("days", "366", "Enter 365 or less."),
        ("source", "", "Fill in this field."),
    ],
)
def test_a_wrong_value_gets_an_error_at_its_field(admin, field, value, error):
    data = {"prefix": "44", "days": "90", "place": "", "source": "the contract"} | {field: value}

    answer = client_of(admin).post("/rules/new/", data)

    assert (answer.status_code, error in answer.content.decode()) == (422, True)


def test_breaches_are_listed_with_their_reason(world, admin):
    given, account = bakery(world)
    did = released()
    DID.objects.filter(pk=did.pk).assign(given, account, by=SYSTEM)
    in_force(admin)
    assert "Before the rule was accepted" in page_of(admin)
    DID.objects.filter(pk=did.pk).hold(by=SYSTEM)
    DID.objects.filter(pk=did.pk).end_hold(by=SYSTEM)
    DID.objects.filter(pk=did.pk).delete_unused(by=SYSTEM)
    DID.objects.create_numbers(["2567"], operator=world.operator, by=SYSTEM)
    again = DID.objects.filter(number="2567")
    again.assign(world.client_package, world.account, by=admin, override="Same owner after a merger")

    page = page_of(admin)

    assert "0 of 45" in page and "Same owner after a merger" in page
    assert page.index("Same owner after a merger") < page.index("Before the rule was accepted")


def test_people_of_another_reseller_see_the_rules_but_neither_breaches_nor_names(world, admin):
    given, account = bakery(world)
    DID.objects.filter(pk=released().pk).assign(given, account, by=SYSTEM)
    in_force(admin)

    page = page_of(member("Administrator", username="theirs", reseller=world.reseller_2))

    assert "Elsewhere" in page and "2567" not in page and "administrator" not in page
    assert "Add a prefix" not in page


@pytest.fixture
def broken(world, admin):
    """Numbers that Bakery got too early, one after the other."""
    given, account = bakery(world)
    some = [f"25{n:04}" for n in range(7)]
    for number in some:
        numbers_in("active", [number], world)
        did = released(number)
        DID.objects.filter(pk=did.pk).assign(given, account, by=SYSTEM)
    in_force(admin)
    return some


def breaches_of(user):
    answer = client_of(user).get("/rules/breaches/")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(answer.getvalue().decode()))
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_file_has_all_breaches_and_the_panel_the_newest(broken, admin, monkeypatch):
    monkeypatch.setattr("dids.history.breaches.SHOWN", 3)
    monkeypatch.setattr("dids.history.breaches.SOLD_MOST", 5)
    monkeypatch.setattr("dids.history.breaches.CHUNK", 2)
    rows = breaches_of(admin)
    assert [row["DID"] for row in rows] == broken[::-1]
    assert [one.number for one in breaches(admin, clock.now())] == broken[:3:-1]
    newest = rows[0]
    assert newest.pop("Assigned")[:10] == f"{clock.now():%Y-%m-%d}"
    change = Change.objects.get(pk=newest.pop("Change"))
    assert change.kind == "assign"
    assert newest == {
        "DID": broken[-1],
        "Days rested": "0",
        "Days, at least": "45",
        "Prefix": "25",
        "Before": "Rose Orig",
        "Then": "Bakery",
        "By": "the system",
        "Reason": "Before the rule was accepted",
    }
    assert 'href="/rules/breaches/"' in page_of(admin)


def test_a_file_of_breaches_has_those_of_the_branch_alone_and_needs_the_right(broken, world, admin):
    theirs = member("Administrator", username="theirs", reseller=world.reseller_2)
    ours = member("Viewer", username="ours", reseller=world.reseller)
    assert breaches_of(theirs) == [] and "/rules/breaches/" not in page_of(theirs)
    assert len(breaches_of(ours)) == len(broken)
    reader = person("reader", "dids.view_did")
    assert client_of(reader).get("/rules/breaches/").status_code == 403
    assert "/rules/breaches/" not in page_of(reader)
    assert client_of(admin).get("/rules/breaches/?q=1").status_code == 400


def test_a_file_without_breaches_has_a_header(world, admin):
    assert breaches_of(admin) == []


def test_the_page_of_a_number_says_when_it_may_be_sold_again(world, admin):
    did = released()
    in_force(admin)

    page = page_of(admin, f"/dids/{did.pk}/")

    assert "May be sold again on " in page and "(Elsewhere: 45 days after release)." in page


def test_an_administrator_assigns_a_number_that_ages_with_a_reason(world, admin):
    given, account = bakery(world)
    did = released()
    in_force(admin)
    chosen = {"ids": did.pk, "client": given.client_id, "package": given.pk, "account": account.pk}
    browser = client_of(admin)

    refused = browser.post("/dids/assign/", chosen | {"step": "preview"}).content.decode()
    assert "ageing after use by another client" in refused and "Reason to override ageing" in refused
    too_long = browser.post("/dids/assign/", chosen | {"step": "apply", "override": "x" * 201})
    assert too_long.status_code == 422
    browser.post("/dids/assign/", chosen | {"step": "apply", "override": "Same owner after a merger"})

    assert DID.objects.get(pk=did.pk).account == account
    change = Change.objects.filter(kind="assign").latest("pk")
    assert "Reason: Same owner after a merger" in page_of(admin, f"/audit/{change.pk}/")
    assert "Same owner after a merger" in page_of(admin, f"/dids/{did.pk}/history/")


def test_others_have_no_field_for_a_reason_and_their_reason_counts_for_nothing(world, admin):
    given, account = bakery(world)
    did = released()
    in_force(admin)
    chosen = {"ids": did.pk, "client": given.client_id, "package": given.pk, "account": account.pk}
    browser = client_of(member("Supervisor"))

    shown = browser.post("/dids/assign/", chosen | {"step": "preview"}).content.decode()
    browser.post("/dids/assign/", chosen | {"step": "apply", "override": "I would like to"})

    assert "Reason to override ageing" not in shown
    assert DID.objects.get(pk=did.pk).status == "instock"


def test_numbers_on_hold_are_counted_by_the_clock_and_all_rules_with_one_query(admin):
    for prefix in ("25", "256", "3"):
        AgeingRule(prefix=prefix, days=45, source="the contract").create(by=admin)
    house = carrier()
    numbers_in("hold", ["2560001", "2560002", "2510003"], house)
    numbers_in("instock", ["2560004"], house)

    def counted(now):
        found = minimums(admin, now).rules
        return {one.prefix: (one.total, one.on_hold) for one in found if one.prefix in ("25", "256", "3")}

    with CaptureQueriesContext(connection) as queries:
        assert counted(clock.now()) == {"25": (4, 3), "256": (3, 2), "3": (0, 0)}
    assert sum("dids_headstock" in query["sql"] for query in queries) == 1
    assert counted(clock.now() + timedelta(days=365)) == {"25": (4, 0), "256": (3, 0), "3": (0, 0)}
