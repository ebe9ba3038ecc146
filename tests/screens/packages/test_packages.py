"""Packages: the list, a package's page, changed hold days, archiving and deleting."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.classes import CLASSES
from clients.models import Package, PackageHistory
from dids.models import DID, ClientPackage, Mark, PatternRule
from tests.world import client_of

HTMX = {"HX-Request": "true"}


def rows_of(page):
    return [package.name for package in page.context["listing"].rows]


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


def fields_of(world, **others):
    every = {"allowed_classes": [*CLASSES]}
    return {"name": "Basic", "reseller": world.reseller.pk, "did_limit": "5"} | every | others


def test_the_list_counts_running_client_packages_and_numbers_in_use(world, viewer):
    ClientPackage.objects.create(client=world.client, package=world.package, active=False)
    page = client_of(viewer).get("/packages/")
    (basic,) = page.context["listing"].rows
    assert (basic.client_count, basic.did_count) == (1, 2)
    assert "New Package" not in page.content.decode()


SORTS = ["id", "name", "reseller", "limit", "tags", "classes", "days", "clients", "dids", "state"]


@pytest.mark.parametrize("sort", SORTS)
def test_it_sorts_by_every_column_both_ways(world, viewer, sort):
    Package.objects.create(
        reseller=world.reseller_2,
        name="Large",
        did_limit=9,
        allowed_tags="vip",
        hold_days=1,
        archived_at=timezone.now(),
    )
    browser = client_of(viewer)
    for sign in ("", "-"):
        assert sorted(rows_of(browser.get(f"/packages/?sort={sign}{sort}"))) == ["Basic", "Large"]


def test_it_shows_and_filters_the_classes_that_each_package_may_hold(world, viewer):
    for name, classes in (("Gold", "gold"), ("Plain", "unmarked, bronze")):
        Package.objects.create(reseller=world.reseller, name=name, did_limit=9, allowed_classes=classes)
    browser = client_of(viewer)
    page = " ".join(browser.get("/packages/").content.decode().split())
    cells = re.findall(r'<td class="col-classes"> <span class="\w+">([^<]*)</span> </td>', page)
    assert cells == ["All", "gold", "unmarked, bronze"]
    for one, names in (
        ("gold", ["Basic", "Gold"]),
        ("silver", ["Basic"]),
        ("unmarked", ["Basic", "Plain"]),
        ("bronze", ["Basic", "Plain"]),
    ):
        assert rows_of(browser.get(f"/packages/?allowed_class={one}")) == names
    refused = browser.get("/packages/?allowed_class=tin")
    assert rows_of(refused) == [] and "There is no class of numbers “tin”." in refused.content.decode()


def test_it_filters_by_name_reseller_and_whether_it_is_archived(world, viewer):
    large = Package.objects.create(reseller=world.reseller_2, name="Large", did_limit=9)
    ClientPackage.archive_package(large, by=SYSTEM)
    browser = client_of(viewer)
    assert rows_of(browser.get("/packages/?name=bas")) == ["Basic"]
    assert rows_of(browser.get(f"/packages/?reseller={world.reseller_2.pk}")) == ["Large"]
    assert rows_of(browser.get("/packages/?archived=yes")) == ["Large"]
    assert rows_of(browser.get("/packages/?archived=no")) == ["Basic"]
    assert rows_of(browser.get("/packages/?archived=maybe")) == []


def test_a_page_needs_the_same_queries_for_any_number_of_packages(world, viewer, django_assert_num_queries):
    Package.objects.bulk_create(
        Package(reseller=world.reseller, name=f"P {n}", did_limit=1) for n in range(120)
    )
    browser = client_of(viewer)
    with django_assert_num_queries(7):
        page = browser.get("/packages/?per_page=100&sort=-dids")
    assert rows_of(page)[0] == "Basic" and len(rows_of(page)) == 100


def test_a_new_package_is_recorded(world, provisioner):
    fields = fields_of(world, name="Gold", allowed_tags="vip; gold , vip", hold_days="7")
    answer = client_of(provisioner).post("/packages/new/", fields, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/packages/"
    gold = Package.objects.get(name="Gold")
    assert (gold.did_limit, gold.allowed_tags, gold.hold_days) == (5, "gold, vip", 7)
    change = PackageHistory.objects.get(object_id=gold.pk).change
    assert (change.label, change.touched) == ("New package Gold", 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Basic"),
        ("did_limit", ""),
        ("did_limit", "-1"),
        ("did_limit", "2147483648"),
        ("did_limit", "ten"),
        ("allowed_tags", "x" * 51),
        ("allowed_classes", []),
        ("allowed_classes", ["platinum"]),
        ("hold_days", "366"),
        ("reseller", "0"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field(world, provisioner, field, value):
    page = client_of(provisioner).post("/packages/new/", fields_of(world, name="Gold") | {field: value})
    assert page.status_code == 422 and list(page.context["form"].errors) == [field]


def test_ticked_classes_are_a_rule_and_all_of_them_are_none(world, provisioner):
    browser, url = client_of(provisioner), f"/packages/{world.package.pk}/edit/"
    form = browser.get(url).context["form"]
    assert form["allowed_classes"].value() == ""
    assert browser.get(url, headers=HTMX).content.decode().count(" checked") == 4

    browser.post(url, fields_of(world, allowed_classes=["gold", "bronze"]))
    assert Package.objects.get(pk=world.package.pk).allowed_classes == "bronze, gold"
    assert browser.get(url, headers=HTMX).content.decode().count(" checked") == 2
    assert "bronze, gold" in browser.get(f"/packages/{world.package.pk}/").content.decode()
    assert PackageHistory.objects.latest("pk").allowed_classes == "bronze, gold"

    browser.post(url, fields_of(world))
    assert Package.objects.get(pk=world.package.pk).allowed_classes == ""


def test_a_new_rule_says_how_many_numbers_of_other_classes_stay(world, provisioner):
    rule = PatternRule.objects.create(position=1, mark_class="gold", kind="pattern", text="67", name="67")
    Mark.objects.create(did=DID.objects.get(number="2567"), rule=rule, number="2567")
    url = f"/packages/{world.package.pk}/edit/"
    for classes, note in (
        (["gold"], " 2 numbers that clients have with it are of classes that it does not take; they stay."),
        (["unmarked"], " 1 number that clients have with it is of a class that it does not take; it stays."),
        (["unmarked", "gold"], ""),
    ):
        answer = client_of(provisioner).post(url, fields_of(world, allowed_classes=classes), follow=True)
        assert messages_of(answer) == [f"Package Basic saved.{note}"]


def test_changed_hold_days_move_the_ends_of_its_holds_in_the_same_change(world, provisioner):
    before = DID.objects.get(number="2563").hold_until
    url = f"/packages/{world.package.pk}/edit/"
    answer = client_of(provisioner).post(url, fields_of(world, hold_days="40"), follow=True)
    assert messages_of(answer) == ["Package Basic saved. 1 number on Hold now ends at a different time."]
    assert DID.objects.get(number="2563").hold_until == before + timedelta(days=10)
    change = Change.objects.latest("pk")
    assert (change.label, change.actor, change.touched) == ("Package Basic edited", provisioner, 2)


def test_other_edits_leave_the_holds_alone(world, provisioner):
    url = f"/packages/{world.package.pk}/edit/"
    answer = client_of(provisioner).post(url, fields_of(world, did_limit="6"), follow=True)
    assert messages_of(answer) == ["Package Basic saved."]
    assert Change.objects.latest("pk").touched == 1


def test_a_package_that_clients_have_stays_with_its_reseller(world, provisioner):
    page = client_of(provisioner).post(
        f"/packages/{world.package.pk}/edit/", fields_of(world, reseller=world.reseller_2.pk)
    )
    assert page.status_code == 422 and list(page.context["form"].errors) == ["reseller"]


def test_the_page_shows_clients_and_numbers_of_the_package(world, viewer):
    html = " ".join(client_of(viewer).get(f"/packages/{world.package.pk}/").text.split())
    assert "1 client has it now; it carries 2 numbers." in html
    assert "Rose Orig" in html and "2 of 5" in html and "Archive" not in html


def test_archiving_is_previewed_and_done_in_one_change(world, provisioner):
    browser, url = client_of(provisioner), f"/packages/{world.package.pk}/archive/"
    assert "will go on Hold" in browser.get(url).content.decode()
    answer = browser.post(url, {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Package Basic archived. 2 numbers put on Hold."]
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == ("Package Basic archived", 4)
    answer = browser.post(url, {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Package Basic archived. Nothing had to be changed."]

    restore = f"/packages/{world.package.pk}/restore/"
    assert browser.get(restore).status_code == 405
    assert messages_of(browser.post(restore, follow=True)) == [
        "Package Basic restored. Still switched off for 1 client."
    ]
    assert messages_of(browser.post(restore, follow=True)) == ["Package Basic is not archived."]


def test_numbers_with_zero_hold_days_are_listed_separately(world, provisioner):
    DID.objects.filter(number="2567").edit(by=SYSTEM, hold_days=0, after_hold="reserved")
    html = client_of(provisioner).get(f"/packages/{world.package.pk}/archive/").content.decode()
    assert "<b>1</b> without a hold, because of 0 hold days." in html and "(30 days)." in html


def test_a_package_with_client_packages_is_not_deleted(world, supervisor):
    page = client_of(supervisor).post(f"/packages/{world.package.pk}/delete/")
    assert page.status_code == 422
    assert "It has 1 client package. " in page.content.decode()
    assert "Archive it instead" in page.content.decode()


def test_an_unused_package_is_deleted(world, supervisor):
    spare = Package.objects.create(reseller=world.reseller, name="Spare", did_limit=1)
    browser, url = client_of(supervisor), f"/packages/{spare.pk}/delete/"
    assert messages_of(browser.post(url, follow=True)) == ["Package Spare deleted."]
    assert browser.post(url).status_code == 404
    assert PackageHistory.objects.filter(object_id=spare.pk, event="-").exists()


def test_other_resellers_get_404_and_viewers_can_only_read(world, stranger, viewer):
    page = f"/packages/{world.package.pk}/"
    for tail in ("edit/", "delete/", "archive/", "restore/"):
        assert client_of(stranger).post(page + tail).status_code == 404
        assert client_of(viewer).post(page + tail).status_code == 403
    assert client_of(stranger).get("/packages/choices/").json()["results"] == []
