"""The block map on its page: grids, the way down, a selected range, and the keys."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from clients.models import Account, Reseller
from dids.models import DID, ClientPackage
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
        ("prefix=44207946&select=442079470000-442079470001", "is no range of numbers in +44 20 7946 xxxx"),
        ("prefix=44207946&select=all", "“all” is no range of numbers"),
    ],
)
def test_a_bad_address_says_what_is_wrong_and_shows_the_map(clerk, query, sentence):
    page = clerk.get(f"/blocks/?{query}")
    assert page.status_code == 422 and sentence in text(page) and "Countries" in text(page)


@pytest.mark.django_db
def test_a_range_is_typed_without_a_script(clerk):
    address = "/blocks/?prefix=44207946&digits=12&block=4420794600"
    answer = clerk.get(f"{address}&from=%2B44 20 7946 0100&to=44 2079460249")
    assert answer.status_code == 302
    assert answer.url.endswith("block=4420794601&select=442079460100-442079460249")
    page = text(clerk.get(answer.url))
    assert "150 numbers" in page and "all In Stock" in page
    answer = clerk.get(f"{address}&from=442079460010&to=442079460249")
    assert "block=4420794600&" in answer.url  # as it has some of them


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        ("442079460090", "", "Fill in this field."),
        ("x", "442079460090", "it is not a number"),
        (
            "442079460090",
            "442079470000",
            "442079470000 is not in +44 20 7946 xxxx. Enter a number of 12 digits that begins with 44207946.",
        ),
        ("442079460090", "44207946", "44207946 is not in +44 20 7946 xxxx."),
        ("442079460090", "442079460010", "442079460010 is before 442079460090. Enter a later number."),
    ],
)
def test_a_wrong_end_of_a_range_gets_an_error_at_its_field(clerk, first, last, sentence):
    page = clerk.get("/blocks/", {"prefix": "44207946", "digits": 12, "from": first, "to": last})
    assert page.status_code == 422 and sentence in text(page)


@pytest.mark.django_db
def test_all_that_can_be_done_with_a_large_range_goes_by_the_range(clerk, world):
    page = clerk.get("/blocks/?prefix=44207946&digits=12&select=442079460000-442079469999")
    assert "10,000 numbers" in text(page) and page.context["selected"].counts == {"instock": 185}
    assert page.context["query"] == "q=442079460000+-+442079469999"
    chosen = {"scope": "all", "expected": 185, "query": page.context["query"]}
    assert "185 numbers" in text(clerk.post("/dids/mass-edit/", chosen))
    clerk.post("/dids/mass-edit/", chosen | {"step": "apply", "change_notes": "on", "notes": "Block"})
    assert DID.objects.filter(notes="Block").count() == 185


@pytest.mark.django_db
def test_a_range_of_short_numbers_is_never_read_as_one_number(world):
    DID.objects.create_numbers(["10000", "1000012345"], operator=world.operator, by=SYSTEM)
    viewer = client_of(member("Viewer"))
    page = viewer.get("/blocks/?prefix=1&digits=5&select=10000-12345")
    listed = viewer.get(f"/dids/?{page.context['query']}").context["listing"].rows
    assert [did.number for did in listed] == ["10000"]


@pytest.mark.django_db
def test_what_is_selected_stays_on_the_way_through_the_blocks(clerk):
    select = "select=442079460010-442079460249"
    page = clerk.get(f"/blocks/?prefix=44207946&digits=12&block=4420794600&{select}")
    (left, crumbs) = page.context["rows"], page.context["crumbs"]
    assert select in left[0]["cells"][1]["url"] and select in crumbs[-1][1]
    states = [(cell["selected"], cell["partly"]) for cell in left[0]["cells"][:4]]
    assert states == [(False, True), (True, False), (False, True), (False, False)]
    lines = clerk.get(f"/blocks/?prefix=44207946&digits=12&block=442079460&{select}").context["lines"]
    assert [(line["chosen"]["begin"], line["chosen"]["length"]) for line in lines[:4]] == [
        (10, 90),
        (0, 100),
        (0, 50),
        (0, 0),
    ]
    assert select in lines[3]["url"]


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


BLOCK = "/blocks/?prefix=44207946&digits=12&block=4420794600"


@pytest.fixture
def drawn(page_of):
    """Return a function that opens the block map at an address."""
    fill(make_world())
    page = page_of(member("Supervisor"))

    def drawn(address):
        page.goto(address)
        return page

    return drawn


def middle_of(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def number_of(page, number):
    return page.locator(f"[data-number='{number}']")


def part_of(page, prefix):
    return page.locator(f"td[data-range^='{prefix}'] > [data-cell]:not([data-number])")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_handle_is_dragged_to_change_the_range(drawn):
    page = drawn(f"{BLOCK}&select=442079460010-442079460014")
    bar, said = page.locator("#block-selection"), page.locator("#block-said")
    first, last = (page.locator(f".range-handle[data-end='{end}']") for end in ("first", "last"))
    page.mouse.move(*middle_of(last))
    page.mouse.down()
    page.mouse.move(*middle_of(number_of(page, "442079460027")), steps=4)
    expect(bar).to_contain_text("18 numbers")  # before it is let go
    page.mouse.up()
    expect(said).to_have_text(re.compile("^18 numbers 442079460010 – 442079460027, all In Stock"))
    expect(page).to_have_url(re.compile("select=442079460010-442079460027"))

    page.mouse.move(*middle_of(first))  # beyond the other end
    page.mouse.down()
    page.mouse.move(*middle_of(number_of(page, "442079460029")), steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("select=442079460027-442079460029"))
    page.mouse.move(*middle_of(first))  # and to a part
    page.mouse.down()
    page.mouse.move(*middle_of(part_of(page, "4420794602")), steps=4)
    expect(bar).to_contain_text("271 numbers")
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(bar).to_contain_text("3 numbers")
    expect(page).to_have_url(re.compile("select=442079460027-442079460029"))
    page.reload()
    expect(bar).to_contain_text("3 numbers")
    expect(page.locator("td[aria-selected=true] > [data-number]")).to_have_count(3)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_handle_is_dragged_by_a_finger(drawn):
    page = drawn(f"{BLOCK}&select=442079460010-442079460014")
    page.set_viewport_size({"width": 390, "height": 844})
    handle = page.locator(".range-handle[data-end='last']")
    handle.scroll_into_view_if_needed()
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    x, y = middle_of(handle)
    to_x, to_y = middle_of(number_of(page, "442079460025"))
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.6, 1):
        point = {"x": x + (to_x - x) * part, "y": y + (to_y - y) * part}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#block-selection")).to_contain_text("16 numbers")
    expect(page).to_have_url(re.compile("select=442079460010-442079460025"))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_parts_are_selected_whole_and_stay_selected(drawn):
    page = drawn(BLOCK)
    bar = page.locator("#block-selection")
    part_of(page, "4420794601").click(modifiers=["Shift"])
    expect(bar).to_contain_text("100 numbers")
    part_of(page, "4420794604").click(modifiers=["Shift"])
    expect(bar).to_contain_text("400 numbers")
    expect(bar).to_contain_text("150 In Stock")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    expect(bar).to_contain_text("1,300 numbers")
    page.get_by_role("button", name="Mass Edit…").click()
    expect(page.get_by_role("dialog")).to_contain_text("150 numbers")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    part_of(page, "4420794602").click()  # another block, with the same selection
    page.wait_for_url(re.compile("block=4420794602.*select=442079460100-442079461399"))
    expect(page.locator("td[aria-selected=true] > [data-number]")).to_have_count(100)
    page.get_by_role("link", name="0xxx", exact=True).first.click()  # a thousand, as lines
    page.wait_for_url(re.compile("block=442079460&"))
    page.locator("td[data-range^='4420794606'] svg").click(modifiers=["Shift"])
    expect(bar).to_contain_text("600 numbers")
    bar.get_by_role("link", name="Show in DIDs").click()
    expect(page.locator("h1")).to_contain_text("150")
    page.go_back()
    expect(bar).to_contain_text("600 numbers")
    bar.get_by_label("From").fill("+44 20 7946 0000")
    page.get_by_role("button", name="Select", exact=True).click()
    expect(bar).to_contain_text("700 numbers")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_assign_offers_those_of_the_range_that_are_in_stock(drawn):
    page = drawn(BLOCK)
    numbers = DID.objects.filter(number__in=["442079460000", "442079460001"])
    numbers.assign(*given_to_rose(), by=SYSTEM)
    page.goto(f"{BLOCK}&select=442079460000-442079460019")
    bar = page.locator("#block-selection")
    expect(bar).to_contain_text("20 numbers")
    expect(bar).to_contain_text("18 In Stock, 2 Active")
    page.get_by_role("button", name="Assign…").click()
    expect(page.get_by_role("dialog")).to_contain_text("18 numbers")


def given_to_rose():
    given = ClientPackage.objects.get()
    return given, Account.objects.get(client=given.client)
