"""What is on the clipboard after a number was copied, for each choice of how numbers are shown and copied."""

import pytest

from audit import SYSTEM
from dids.models import DID, ClientPackage
from tests.world import make_world, member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

DIGITS, SHORT = ["442079460001", "442079460002"], "2567"
SELECTED = """(selector) => {
  const [first, ...others] = document.querySelectorAll(selector);
  const range = document.createRange();
  range.setStartBefore(first);
  range.setEndAfter(others.at(-1) ?? first);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


@pytest.fixture(params=["digits", "grouped"])
def shown(request):
    return request.param


@pytest.fixture(params=["digits", "e164"])
def visit(request, shown, page_of, live_server):
    """Sign in somebody who has made both choices; return the page and how the numbers are to be copied."""
    world = make_world()
    DID.objects.create_numbers(DIGITS, operator=world.operator, by=SYSTEM)
    user = member("Administrator")
    user.groups_numbers, user.copies_e164 = shown == "grouped", request.param == "e164"
    user.save()
    page = page_of(user)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    page.goto("/dids/?q=44*")
    sign = "+" if request.param == "e164" else ""
    return page, [f"{sign}{number}" for number in DIGITS]


def clipboard(page):
    return page.evaluate("navigator.clipboard.readText()")


def copied(page, *, keys="Control+c"):
    page.evaluate("navigator.clipboard.writeText('')")
    page.keyboard.press(keys)
    return clipboard(page)


def test_numbers_of_the_list_are_copied_as_chosen(visit, shown):
    page, (first, second) = visit
    link = page.locator("table.dids tbody td.col-number a").first
    page.get_by_role("button", name=f"Copy {DIGITS[0]}").click()
    page.locator("#polite", has_text=f"Copied {first}").wait_for()
    assert clipboard(page) == first

    page.evaluate(SELECTED, "table.dids tbody td.col-number a")
    lines = [cell for line in copied(page).splitlines() for cell in line.split("\t")]
    assert [cell for cell in lines if cell.strip().lstrip("+").startswith("44")] == [first, second]

    page.evaluate(SELECTED, "table.dids tbody tr:first-child td.col-number a")
    assert copied(page).strip() == first
    signs = link.locator("[data-sign]").evaluate_all("signs => signs.map(sign => sign.dataset.sign).join('')")
    assert signs.strip() == ("" if shown == "digits" or first.startswith("+") else "+")


def test_the_title_of_a_number_is_copied_as_chosen_by_button_and_double_click(visit):
    page, (first, _) = visit
    page.goto(f"/dids/{DID.objects.get(number=DIGITS[0]).pk}/")
    page.get_by_role("button", name=f"Copy {DIGITS[0]}").click()
    page.locator("#polite", has_text=f"Copied {first}").wait_for()
    assert clipboard(page) == first
    page.locator(".did-title > span").dblclick()
    assert copied(page).strip() == first


def test_numbers_that_are_missing_and_those_of_a_client_are_copied_as_chosen(visit):
    page, (first, second) = visit
    DID.objects.filter(number=DIGITS[1]).delete_unused(by=SYSTEM)
    page.goto(f"/dids/?q={DIGITS[0]},{DIGITS[1]},999")
    page.get_by_role("button", name="Copy 2", exact=True).click()
    page.locator("#polite", has_text="Copied 2 numbers").wait_for()
    assert sorted(clipboard(page).split("\n")) == sorted([second, "999"])

    given = ClientPackage.objects.get(dids__number=SHORT)
    DID.objects.filter(number=DIGITS[0]).assign(given, given.client.accounts.first(), by=SYSTEM)
    page.goto(f"/clients/{given.client_id}/dids/?q=44*")
    page.get_by_role("button", name=f"Copy {DIGITS[0]}").click()
    page.locator("#polite", has_text=f"Copied {first}").wait_for()
    assert clipboard(page) == first
    page.evaluate(SELECTED, "td.col-number a")
    assert copied(page).strip() == first
