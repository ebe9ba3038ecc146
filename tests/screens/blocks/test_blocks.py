"""The block map on its page: grids, the way down, a selected range, and the keys."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from clients.models import Reseller
from dids.models import DID
from tests.dids.models.test_assigning import text
from tests.world import client_of, make_world, member

FREE = [f"44207946{n:04}" for n in (*range(30), *range(35, 40), *range(100, 250))]


def fill(world):
    DID.objects.create_numbers(FREE, operator=world.operator, by=SYSTEM)
    DID.objects.create_numbers(
        [f"44207947{n:04}" for n in range(3)], operator=world.operator, by=SYSTEM, status="archive"
    )


@pytest.fixture
def clerk(world):
    fill(world)
    return client_of(member("Supervisor"))


@pytest.mark.django_db
def test_the_map_shows_parts_and_then_numbers(clerk):
    page = text(clerk.get("/blocks/?prefix=44207946&digits=12"))
    assert "+44 20 7946 xxxx" in page and "185 numbers, 185 In Stock, 1 whole hundred free" in page
    page = text(clerk.get("/blocks/?prefix=4420&digits=12"))
    assert "+44 20 79xx xxxx" in page
    assert "188 numbers" in page


@pytest.mark.django_db
def test_a_thousand_shows_its_free_runs_as_lines(clerk):
    page = text(clerk.get("/blocks/?prefix=44207946&digits=12&block=442079460"))
    assert "the longest is 150, from 442079460100 to 442079460249" in " ".join(page.split())
    assert "In Stock: 00–29, 35–39" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("prefix=x", "“x” is no beginning of a number"),
        ("prefix=99999999", "None of your numbers begins with “99999999”."),
        ("prefix=44207946&digits=9", "None of your numbers with 9 digits begins with “44207946”."),
        ("digits=7", "None of your numbers has 7 digits. Choose one of the countries."),
        ("digits=many", "“many” is no number of digits. Enter a whole number, such as 12."),
        ("country=FR", "There are no numbers of the country “FR”."),
        ("prefix=44207946&select=442079470000-442079470001", "is no range of numbers in +44 20 7946 00xx"),
        ("prefix=44207946&select=all", "“all” is no range of numbers"),
    ],
)
def test_a_bad_address_says_what_is_wrong_and_shows_the_map(clerk, query, sentence):
    page = clerk.get(f"/blocks/?{query}")
    assert page.status_code == 422 and sentence in text(page) and "Countries" in text(page)


@pytest.mark.django_db
def test_numbers_of_other_resellers_are_not_owned(world):
    fill(world)
    other = client_of(member("Viewer", reseller=world.reseller_2))
    DID.objects.create_numbers(["442079460031", "331990001"], operator=world.operator_2, by=SYSTEM)
    assert other.get("/blocks/?prefix=44207947").status_code == 422
    page = other.get("/blocks/?prefix=44207946&digits=12")
    cells = [cell for row in page.context["number_rows"] for cell in row["cells"] if cell["status"]]
    assert [cell["number"] for cell in cells] == ["442079460031"]
    assert page.context["numbers"] == 1


@pytest.mark.django_db
def test_an_empty_map_leads_to_the_list(world):
    viewer = member("Viewer", reseller=Reseller.objects.create(name="New"))
    page = text(client_of(viewer).get("/blocks/?prefix=44"))
    assert "No numbers to map" in page and "Go to DID Management" in page


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_keys_move_select_and_zoom(page_of):
    fill(make_world())
    page = page_of(member("Supervisor"))
    page.goto("/blocks/?prefix=44207946&digits=12&block=4420794600")
    bar, focus = page.locator("#block-selection"), page.locator(":focus")
    numbers = page.locator("[data-numbers]")
    numbers.locator("[tabindex='0']").focus()
    expect(numbers.locator("[tabindex='0']")).to_have_count(1)  # one tab stop
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(focus).to_have_attribute("data-number", "442079460011")
    page.keyboard.press("Shift+ArrowRight")  # faster than the server answers
    page.keyboard.press("Shift+ArrowDown")
    expect(bar).to_contain_text("12 numbers")
    expect(bar).to_contain_text("all In Stock; leaves 11 and 7 of a free run of 30")
    expect(page).to_have_url(re.compile("select=442079460011-442079460022"))
    page.keyboard.press("a")  # the free run under focus
    expect(bar).to_contain_text("30 numbers 442079460000 – 442079460029")
    page.keyboard.press("Escape")
    expect(bar.get_by_role("region")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("select"))

    # A click, and Shift with a click over numbers that nobody has
    numbers.locator("[data-number='442079460028']").click()
    numbers.locator("[data-number='442079460036']").click(modifiers=["Shift"])
    expect(bar).to_contain_text("9 numbers")
    page.get_by_role("button", name="Mass Edit…").click()
    expect(page.get_by_role("dialog")).to_contain_text("4 numbers")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(bar).to_contain_text("9 numbers")
    page.get_by_role("link", name="Clear selection").click()
    expect(bar.get_by_role("region")).to_have_count(0)

    page.keyboard.press("Escape")  # zooms out: to the thousand
    page.wait_for_url(re.compile("block=442079460$"))
    grid = page.locator("[data-block-grid]").first
    grid.locator("[data-cell]").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("block=4420794601$"))
    page.keyboard.press("f")
    page.wait_for_url(re.compile("/free-runs/.*begins=4420794601"))
