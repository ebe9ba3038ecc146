"""Changes that an unbound person made in several resellers at once, as one of them reads them."""

import re

import pytest
from django.urls import reverse

import audit
from audit.models import Change
from dids.models import DID
from tests.carrier import carrier, numbers_in
from tests.imports import imported
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

SECRET = r"South|southern|secret|4820020|\b3 (?:numbers|history rows)"


@pytest.fixture
def north(db):
    south = carrier("South")
    numbers_in("instock", ["48200200", "48200201"], south)
    north = carrier("North")
    numbers_in("instock", ["100"], north)
    north.clerk = member("Administrator", username="north", reseller=north.reseller)
    return north


def change_of_both(kind, boss):
    """Write the numbers of both resellers in one change, and return it."""
    with audit.change(kind, by=boss, label="Import of South secret.csv") as change:
        DID.objects.all().edit(by=boss, notes="seen")
    return change


def pages(clerk, change):
    """Return what the pages about a change and its number 100 say."""
    browser, (did,) = client_of(clerk), DID.objects.filter(number="100")
    paths = [
        "/audit/", "/audit/?object=100", f"/audit/{change.pk}/", f"/audit/{change.pk}/rows.csv",
        f"/audit/{change.pk}/undo/", f"/dids/{did.pk}/", f"/dids/{did.pk}/history/",
        "/audit/who-had-it/?numbers=100", "/audit/who-had-it/csv/?numbers=100", reverse("jobs:list"),
    ]  # fmt: skip
    return "".join(b"".join(browser.get(path)).decode() for path in paths)


@pytest.mark.parametrize("kind", ["import", "mass_edit", "undo"])
def test_a_change_of_several_resellers_tells_each_only_its_part(north, kind):
    change = change_of_both(kind, member("Supervisor"))
    text = pages(north.clerk, change)
    assert re.findall(SECRET, text) == []
    assert "<b>1 number</b> will be reverted" in text
    assert f"<b>{change.get_kind_display()}</b> by supervisor" in text


def test_an_undo_names_only_what_its_user_may_read(north):
    change = change_of_both("import", member("Supervisor"))
    browser = client_of(north.clerk)
    answer = browser.post(f"/audit/{change.pk}/undo/", {"step": "apply"}, follow=True)
    assert re.findall(SECRET, answer.text) == [] and "1 number reverted." in answer.text
    undo = Change.objects.latest("pk")
    assert (undo.label, undo.data["undone"], undo.touched) == ("Undo of Import", "Import", 1)
    assert re.findall(SECRET, pages(north.clerk, undo)) == []


def test_the_name_of_an_unbound_persons_file_is_hidden_even_if_it_touched_nothing_else(north):
    imported("DID;Notes\n100;new\n", member("Supervisor"), name="South secret.csv")
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == ("Import of South secret.csv", 1)
    assert re.findall(SECRET, pages(north.clerk, change)) == []


def test_own_labels_are_readable(north):
    done = DID.objects.filter(number="100").edit(by=north.clerk, label="Mine", notes="new")
    assert "<b>Mine</b>" in client_of(north.clerk).get(f"/audit/{done.change}/undo/").text
