"""The lifecycle of a number in a browser: assigned, blocked, on Hold, and In Stock again."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import expect

from audit import SYSTEM
from dids.models import DID, DIDHistory
from tests.world import member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
NUMBER = "256999"
STEPS = ["instock", "active", "blocked", "active", "hold", "active", "hold", "instock"]


@pytest.fixture
def check_screens(page_of, world):
    """Return a function that checks status, reason and routing on every screen that shows the number."""
    page = page_of(member("Supervisor"))
    tab = f"/clients/{world.client.pk}/dids/"

    def check(status, sentence, calls, *, in_use=True):
        page.goto(f"/dids/?q=={NUMBER}")
        expect(page.locator("tbody .col-status")).to_contain_text(status)
        expect(page.locator("tbody .col-client")).to_contain_text("rose_orig" if in_use else "–")
        page.goto(f"{tab}?q=={NUMBER}")
        if in_use:
            expect(page.locator("tbody .col-status")).to_contain_text(status)
        else:
            expect(page.get_by_text("No numbers match")).to_be_visible()
        page.goto(f"/dids/{world.did(NUMBER).pk}/")
        expect(page.get_by_text(sentence)).to_be_visible()
        expect(page.get_by_text(calls)).to_be_visible()
        page.goto(f"{tab}?q=={NUMBER}")

    check.page, check.tab = page, tab
    return check


def test_a_number_goes_from_stock_to_a_client_and_back(check_screens, world):
    page, client_package = check_screens.page, world.client_package
    check_screens("In Stock", "can be assigned to a client", "Unreachable: it is In Stock", in_use=False)

    page.goto(check_screens.tab)
    page.get_by_role("link", name="Add DIDs").click()
    page.get_by_label(f"Select {NUMBER}").check()
    page.get_by_role("button", name="Assign to rose_orig").click()
    expect(page.get_by_text("Basic: 3 of 5 numbers free now, 2 afterwards.")).to_be_visible()
    page.get_by_role("button", name="Assign 1 number").click()
    expect(page.get_by_text("1 number assigned to rose_orig under package Basic.")).to_be_visible()
    check_screens("Active", "because supervisor assigned it to Rose Orig", "Calls go to account rose_orig")

    page.get_by_role("button", name=f"Block {NUMBER}").click()
    expect(page.get_by_text("1 number blocked.")).to_be_visible()
    check_screens("Blocked", "because supervisor blocked it", "Unreachable: it is Blocked")
    page.get_by_role("button", name=f"Activate {NUMBER}").click()
    expect(page.get_by_text("1 number activated.")).to_be_visible()
    check_screens("Active", "because supervisor unblocked it", "Calls go to account rose_orig")

    client_package.deactivate(by=SYSTEM)
    check_screens("Hold", "because package Basic of Rose Orig was switched off", "Unreachable: it is on Hold")
    client_package.activate(by=SYSTEM)
    check_screens("Active", "because the system gave it back to Rose Orig", "Calls go to account rose_orig")

    type(client_package).objects.update(ends_at=timezone.now() - timedelta(minutes=1))
    page.goto(f"/dids/{world.did(NUMBER).pk}/")
    expect(page.get_by_text("Unreachable: package Basic of Rose Orig is no longer active")).to_be_visible()
    call_command("worker", "--once")
    check_screens("Hold", "because package Basic of Rose Orig ended", "Unreachable: it is on Hold")

    DID.objects.filter(number=NUMBER).update(hold_until=timezone.now())
    over = "because its Hold after use by Rose Orig ended"
    check_screens("In Stock", over, "Unreachable: it is In Stock", in_use=False)
    call_command("worker", "--once")
    check_screens("In Stock", over, "Unreachable: it is In Stock", in_use=False)

    lived = DIDHistory.objects.filter(number=NUMBER).order_by("history_id").values_list("status", flat=True)
    assert [status for n, status in enumerate(lived) if n == 0 or lived[n - 1] != status] == STEPS


def test_numbers_are_assigned_from_the_list(check_screens, world):
    page = check_screens.page
    page.goto("/dids/")
    for number in (NUMBER, "111"):
        page.get_by_label(f"Select {number}", exact=True).check()
    page.locator("[data-selection-bar]").get_by_role("button", name="Assign").click()
    dialog = page.get_by_role("dialog", name="Assign to a client")
    dialog.get_by_role("combobox", name="Client").fill("rose")
    dialog.get_by_role("option", name="Rose Orig").click()
    expect(dialog.get_by_text("1 will be assigned. 1 will be refused.")).to_be_visible()
    expect(dialog.get_by_role("combobox", name="Package")).to_have_value("Basic, 3 of 5 numbers free")
    dialog.get_by_role("button", name="Assign 1 number").click()

    expect(
        page.get_by_text("1 number assigned to rose_orig under package Basic. 1 refused (111)")
    ).to_be_visible()
    assert world.did(NUMBER).account == world.account


def test_ticked_numbers_of_a_client_are_moved_together(check_screens, world):
    page = check_screens.page
    page.goto(check_screens.tab)
    for number in ("2563", "2567", "2568"):
        page.get_by_label(f"Select {number}", exact=True).check()
    page.locator("[data-selection-bar]").get_by_role("button", name="Activate").click()

    expect(page.get_by_text("2 numbers activated, 1 unchanged.")).to_be_visible()
    expect(page.locator("[data-selection-bar]")).not_to_be_visible()
    assert set(DID.objects.filter(account=world.account).values_list("status", flat=True)) == {"active"}


def choose(container, name, text):
    """Choose an option of a remote select by typing and clicking."""
    container.get_by_role("combobox", name=name).fill(text)
    container.get_by_role("option", name=text).first.click()


def test_the_five_steps_of_the_manual_and_a_package_switched_off_and_on(check_screens, world):
    page, client = check_screens.page, world.client
    dialog = page.locator("#dialog-slot dialog[open]")

    # 1. an operator
    page.goto("/operators/")
    page.get_by_role("link", name="New Operator").click()
    dialog.get_by_label("Name").fill("Oliver")
    choose(dialog, "Reseller", "Reseller 1")
    dialog.get_by_role("button", name="OK").click()
    expect(page.get_by_text("Operator Oliver saved.")).to_be_visible()

    # 2. numbers In Stock
    page.goto("/dids/new/")
    page.get_by_label("DID(s)").fill("700100-700102")
    choose(page, "Operator", "Oliver")
    page.get_by_role("button", name="Create 3 DIDs").click()
    expect(page.get_by_text("3 DIDs created for Oliver.")).to_be_visible()

    # 3. a package
    page.goto("/packages/")
    page.get_by_role("link", name="New Package").click()
    dialog.get_by_label("Name").fill("Starter")
    choose(dialog, "Reseller", "Reseller 1")
    dialog.get_by_label("DID limit").fill("2")
    dialog.get_by_role("button", name="OK").click()
    expect(page.get_by_text("Package Starter saved.")).to_be_visible()

    # 4. the package given to the client
    page.goto(f"/clients/{client.pk}/")
    page.get_by_role("link", name="Give package").click()
    choose(dialog, "Package", "Starter")
    dialog.get_by_role("button", name="Give").click()
    expect(page.get_by_text("Package Starter")).to_be_visible()
    client_package = client.client_packages.get(package__name="Starter")

    # 5. numbers picked on the client's DIDs tab
    page.get_by_role("link", name="DIDs", exact=True).last.click()
    page.get_by_role("link", name="Add DIDs").click()
    page.wait_for_url("**/add/")
    choose(page, "Package", "Starter")
    page.get_by_label("Select 700100").check()
    page.get_by_label("Select 700101").check()
    page.get_by_role("button", name="Assign to rose_orig").click()
    page.get_by_role("button", name="Assign 2 numbers").click()
    expect(page.get_by_text("2 numbers assigned to rose_orig under package Starter.")).to_be_visible()

    # Switching the package off previews the holds; switching it on takes the numbers back.
    page.goto(f"/client-packages/?client={client.pk}")
    row = page.locator("tbody tr", has_text="Starter")
    row.get_by_role("link", name="Deactivate").click()
    dialog.get_by_role("button", name="Deactivate, 2 numbers on Hold").click()
    expect(page.get_by_text("Package Starter of Rose Orig switched off.")).to_be_visible()
    assert statuses_of(client_package) == {"700100": "hold", "700101": "hold"}
    page.locator("tbody tr", has_text="Starter").get_by_role("link", name="Activate").click()
    dialog.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("2 numbers returned from Hold")).to_be_visible()
    assert statuses_of(client_package) == {"700100": "active", "700101": "active"}


def statuses_of(client_package):
    return dict(DID.objects.filter(client_package=client_package).values_list("number", "status"))
