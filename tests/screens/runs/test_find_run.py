"""Find a run: numbers in a row that are In Stock."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from dids import marks
from dids.models import DID
from tests.dids.models.test_assigning import text
from tests.world import client_of, make_world, member


@pytest.fixture
def clerk(world):
    numbers = [*range(6000, 6009), *range(6010, 6013), *range(6020, 6026)]
    DID.objects.create_numbers([*map(str, numbers)], operator=world.operator, by=SYSTEM, tags=["gold"])
    return client_of(member("Supervisor"))


def found(page):
    return [(row["run"].first, row["run"].last, row["left"]) for row in page.context["rows"]]


def test_the_page_asks_before_it_searches(clerk):
    page = clerk.get("/free-runs/")
    assert page.status_code == 200 and "Enter how many numbers you need one after another." in text(page)


def test_the_shortest_free_run_comes_first_and_its_rest_is_told(clerk):
    page = clerk.get("/free-runs/", {"count": "3", "tag": "gold"})
    assert "3 free runs hold 3 in a row 12 places" in text(page)
    assert found(page) == [("6010", "6012", "none"), ("6020", "6022", "3"), ("6000", "6002", "6")]
    first = clerk.get("/free-runs/", {"count": "3", "tag": "gold", "order": "first", "multiple": "10"})
    blank = clerk.get("/free-runs/", {"count": "3", "multiple": "", "gaps": "", "order": "", "tag": "gold"})
    assert found(blank) == found(page)
    assert found(first) == [("6000", "6002", "6"), ("6010", "6012", "none"), ("6020", "6022", "3")]


def test_a_run_may_have_gaps(clerk):
    page = clerk.get("/free-runs/", {"count": "12", "begins": "60", "gaps": "1"})
    assert found(page) == [("6000", "6012", "none")]


def test_without_a_run_the_longest_one_is_offered(clerk):
    page = clerk.get("/free-runs/", {"count": "12", "begins": "+60", "multiple": "10"})
    assert "The longest free run is 9: 6000 – 6008." in text(page)
    assert 'href="?count=9&amp;begins=%2B60"' in page.content.decode()
    nothing = clerk.get("/free-runs/", {"count": "12", "begins": "999"})
    assert "No number that fits is In Stock." in text(nothing)


def test_what_was_found_is_assigned_and_seen_on_the_list(clerk, world):
    page = clerk.get("/free-runs/", {"count": "3", "begins": "60"})
    query = page.context["rows"][0]["query"]
    listed = clerk.get(f"/dids/?{query}").context["listing"].rows
    assert [one.number for one in listed] == ["6010", "6011", "6012"]
    dialog = clerk.post("/dids/assign/", {"scope": "all", "expected": "3", "query": query})
    assert dialog.status_code == 200 and "3 numbers" in text(dialog)
    DID.objects.filter(number="6011").edit(by=SYSTEM, status="reserved")
    late = clerk.post("/dids/assign/", {"scope": "all", "expected": "3", "query": query})
    assert late.status_code == 422


def test_a_run_for_a_package_has_no_numbers_that_it_refuses(clerk, world):
    marks.use_suggested(by=member("Administrator"), version=0)
    package = world.package
    asked = {"count": "3", "begins": "60", "package": str(package.pk)}
    assert len(found(clerk.get("/free-runs/", asked))) == 3
    package.allowed_classes = "unmarked, silver, gold"
    package.save()
    assert found(clerk.get("/free-runs/", asked))[-1] == ("6000", "6002", "6")
    package.allowed_classes = "unmarked, bronze, gold"
    package.save()
    # 6000 and 6006 are silver.
    assert found(clerk.get("/free-runs/", asked))[1] == ("6001", "6003", "2")
    page = clerk.get("/free-runs/", asked | {"count": "9"})
    assert "The longest free run is 6: 6020 – 6025." in text(page)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"count": ""}, "Enter how many numbers in a row."),
        ({"count": "0"}, "Enter 1 or more."),
        ({"count": "10001"}, "Enter 10000 or less."),
        ({"count": "3", "gaps": "6"}, "Enter 5 or less."),
        ({"count": "3", "multiple": "7"}, "“7” is not one of the options."),
        ({"count": "3", "begins": "44x"}, "44x"),
        ({"count": "3", "begins": "44,45"}, "44,45"),
        ({"count": "3", "tag": "golf"}, "No number has the tag “golf”. Check the spelling."),
        ({"count": "3", "operator": "999"}, "This option doesn’t exist"),
        ({"count": "3", "statuss": "x"}, "statuss"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(clerk, parameters, sentence):
    page = clerk.get("/free-runs/", parameters)
    assert page.status_code == 422 and sentence in text(page)


@pytest.mark.django_db(transaction=True)
@pytest.mark.browser
def test_a_run_is_found_and_assigned_in_a_browser(page_of):
    world = make_world()
    DID.objects.create_numbers([*map(str, range(6000, 6030))], operator=world.operator, by=SYSTEM)
    page = page_of(member("Supervisor"))
    page.goto("/dids/")
    page.get_by_role("link", name="Find a run").click()
    page.get_by_label("In a row").fill("2")
    page.get_by_label("Begins with").fill("60")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("radio", name=re.compile("6000 – 6001"))).to_be_checked()
    page.get_by_role("button", name="Assign 2 numbers…").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 numbers")
