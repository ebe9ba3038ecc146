"""axe-core finds nothing on any page, in both themes, on desktop and phone; a thumb reaches everything."""

from datetime import timedelta
from itertools import groupby

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import expect

from audit import SYSTEM
from audit.models import Change
from dids.job_kinds import submit_create
from dids.models import DID, CountedDay, Reservation, StockDay, head_geography, stock_days
from dids.numbering.ranges import Numbers
from jobs.models import Job
from tests.screens.test_access import endpoint_of
from tests.screens.thumb import out_of_reach
from tests.world import member, suggested_rule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
NUMBER = "2563"  # on Hold, so that every field has a value


# Text that fades in after an answer of the server has too little contrast for a moment. What shows progress
# moves until it ends.
SETTLED = """!document.querySelector('.htmx-request, .htmx-settling')
  && document.getAnimations().every(({ effect }) => effect.getComputedTiming().iterations === Infinity)"""

# The light theme is checked by every rule, the dark one by those whose result depends on colors.
OPTIONS = {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}
# Returning what was passed as well would take a quarter of the time.
RUN = "(options) => axe.run({...options, resultTypes: ['violations']}).then((results) => results.violations)"


def violations(page):
    """Return the violations in both themes and widths, and what a thumb can’t reach, one line each."""
    page.wait_for_load_state()
    for _ in range(500):  # wait_for_function is refused by the Content-Security-Policy
        if page.evaluate(SETTLED):
            break
        page.wait_for_timeout(20)
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = []
    for width, (x, y) in WIDTHS.items():
        page.set_viewport_size({"width": x, "height": y})
        if width == "phone":
            found += out_of_reach(page)
        for scheme, options in OPTIONS.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for violation in page.evaluate(RUN, options):
                where = "; ".join(node["html"][:200] for node in violation["nodes"][:3])
                found.append(f"{width}, {scheme}: {violation['id']}: {violation['help']}: {where}")
    return found


@pytest.fixture
def open_page(page_of, world):
    """Return a function that opens an address as a user with the role and returns the page."""
    values = {
        "number": world.did(NUMBER).pk,
        "free": world.did("256999").pk,
        "operator": world.operator.pk,
        "client": world.client.pk,
        "account": world.account.pk,
        "package": world.package.pk,
        "client_package": world.client_package.pk,
        "now": f"{timezone.now():%Y-%m-%dT%H:%M:%S.%fZ}",
        "reseller": world.reseller.pk,
        "change": Change.objects.latest("pk").pk,
    }
    pages = {}

    def open_path(path, role="Supervisor", status=200):
        if role not in pages:
            user = member(role)
            pages[role] = page_of(user)
            if "/jobs/" in path:
                values["job"] = new_numbers(user, world).pk
                call_command("worker", "--once")
                values["waiting"] = new_numbers(user, world).pk
        visit(pages[role], path.format(**values), status)
        return pages[role]

    return open_path


def new_numbers(user, world, count=12_000):
    """Queue a job that creates this many numbers."""
    numbers = Numbers([("700000", str(699_999 + count))])
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    return submit_create(user, numbers, operator=world.operator, **fields)


def visit(page, path, status=200):
    assert page.goto(path).status == status


PALE_TEXT_AND_A_PICTURE_WITHOUT_A_NAME = """() => {
  const text = document.createElement("p");
  text.textContent = "Pale";
  text.style.color = "#888";
  text.style.background = "#999";
  document.querySelector("main").append(text, document.createElement("img"));
}"""


def test_a_violation_is_found(open_page):
    page = open_page("/operators/")
    page.evaluate(PALE_TEXT_AND_A_PICTURE_WITHOUT_A_NAME)
    found = {": ".join(line.split(": ")[:2]) for line in violations(page)}
    pale = {f"{width}, {scheme}: color-contrast" for width in WIDTHS for scheme in ("light", "dark")}
    assert found == pale | {f"{width}, light: image-alt" for width in WIDTHS}


SMALL_AND_WIDE = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(".actions .btn { min-height: 30px !important } .table-frame { width: 420px }");
  document.adoptedStyleSheets = [sheet];
}"""


def test_what_a_thumb_cannot_reach_is_found(open_page):
    page = open_page("/operators/")
    page.evaluate(SMALL_AND_WIDE)
    found = violations(page)
    assert any("New Operator" in line or "operators/new" in line for line in found)
    assert any("px wide" in line for line in found)


PAGES = [
    "/start/",
    "/start/statuses/",
    "/dids/",
    "/find/?q=rose",
    "/dids/?q=999999",
    "/dids/?status=nonsense",
    "/dids/?status=hold&sort=-number",
    "/dids/?as_of={now}",
    "/dids/?as_of=yesterday",
    "/dids/?as_of=2001-01-01T00:00",
    "/dids/{number}/",
    "/dids/{number}/history/",
    "/dids/new/",
    "/dids/mass-edit/?ids={number}",
    "/dids/delete/?ids={free}",
    "/dids/delete/?ids={number}",
    "/dids/assign/?ids={free}",
    "/clients/{client}/dids/",
    "/clients/{client}/dids/?status=nonsense",
    "/clients/{client}/dids/?q=999999",
    "/clients/{client}/dids/add/",
    "/clients/{client}/dids/add/?way=paste",
    "/clients/{client}/dids/add/?way=run",
    "/clients/{client}/dids/add/?package=x",
    "/audit/{change}/undo/",
    "/overview/",
    "/blocks/?prefix=25&select=256990-256999",
    "/blocks/?prefix=25&block=259",
    "/blocks/?prefix=25&select=256500-259999",
    "/blocks/?prefix=25&block=259&select=256500-259999",
    "/blocks/?prefix=25&from=1&to=never",
    "/overview/?group=country",
    "/overview/?as_of=never",
    "/blocks/?prefix=never",
    "/free-runs/",
    "/free-runs/?count=2&multiple=10&gaps=1",
    "/free-runs/?count=900&begins=never",
    "/audit/who-had-it/",
    "/audit/who-had-it/?numbers=2563",
    "/audit/who-had-it/?numbers=2563,2567,256999,999",
    "/audit/who-had-it/?numbers=x&at=never",
    "/audit/who-had-it/statement/?numbers=2563,2567,256999,999",
    "/calendar/",
    "/calendar/?kind=hold_ends",
    "/calendar/?from=never",
    "/calendar/feed/",
    "/reservations/",
    "/reservations/?ends=none",
    "/reservations/?ends=nonsense",
    "/reservations/new/",
    "/reservations/new/?ids={free}",
    "/operators/",
    "/operators/?reseller=0",
    "/operators/?name=nobody",
    "/operators/new/",
    "/operators/{operator}/",
    "/operators/{operator}/delete/",
    "/clients/",
    "/clients/?closed=yes",
    "/clients/?closed=nonsense",
    "/clients/new/",
    "/clients/{client}/",
    "/clients/{client}/delete/",
    "/clients/{client}/close/",
    "/clients/{client}/give/",
    "/clients/{client}/accounts/{account}/",
    "/packages/",
    "/packages/?name=nothing",
    "/packages/new/",
    "/packages/{package}/",
    "/packages/{package}/archive/",
    "/client-packages/",
    "/client-packages/?state=off",
    "/client-packages/{client_package}/activate/",
    "/client-packages/{client_package}/deactivate/",
    "/client-packages/{client_package}/end/",
    "/audit/",
    "/audit/?type=did",
    "/audit/?object=nobody",
    "/audit/?since=tomorrow",
    "/audit/{change}/",
    "/audit/{change}/?per_page=100",
    "/audit/outside/",
    "/jobs/",
    "/jobs/{job}/",
    "/jobs/{waiting}/",
    "/jobs/?state=failed",
    "/jobs/?state=nonsense",
    "/operators/import/",
    "/packages/import/",
    "/me/",
    "/api-reference/",
    "/password/",
    "/password/done/",
]


def section_of(path):
    return path.split("/")[1]


SECTIONS = {name: list(paths) for name, paths in groupby(sorted(PAGES, key=section_of), key=section_of)}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_pages_of_a_section_have_no_violation(open_page, section):
    found = {
        path: violations(open_page(path, status=422 if "never" in path else 200))
        for path in SECTIONS[section]
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_overview_of_a_past_day_has_no_violation(open_page):
    page, yesterday = open_page("/overview/"), timezone.localdate() - timedelta(days=1)
    head_geography.renew()
    stock_days.keep_stock(timezone.now())
    CountedDay.objects.update(day=yesterday)
    StockDay.objects.update(day=yesterday)
    visit(page, f"/overview/?group=country&as_of={yesterday}")
    page.get_by_text("As of…").click()
    assert page.get_by_role("heading", name="By country").is_visible() and violations(page) == []
    visit(page, "/overview/?as_of=2001-01-01", 422)
    assert page.get_by_role("link", name="Show ").is_visible() and violations(page) == []


def test_the_pages_of_a_viewer_have_no_violation(open_page):
    page = open_page("/dids/", "Viewer")
    assert violations(page) == []
    visit(page, "/dids/new/", 403)
    assert violations(page) == []
    visit(page, "/nothing/here/", 404)
    assert violations(page) == []


def test_the_pages_of_webhooks_have_no_violation(page_of, world):
    page = page_of(member("Administrator"))
    visit(page, "/webhooks/")
    assert "No webhooks yet" in page.inner_text("main") and violations(page) == []
    endpoint = endpoint_of(world.reseller, "https://rose.example/hook")
    visit(page, f"/webhooks/{endpoint.pk}/?delivery={endpoint.deliveries.get().pk}")
    assert "as sent" in page.inner_text("main") and violations(page) == []
    for path in ("replay", "edit"):
        visit(page, f"/webhooks/{endpoint.pk}/{path}/")
        assert violations(page) == []
    visit(page, "/webhooks/")
    page.get_by_role("link", name="New Webhook").click()
    page.get_by_label("URL").fill("https://billing.example/hooks/did")
    page.get_by_label("Numbers were edited").check()
    page.get_by_role("button", name="Create").click()
    secret = page.get_by_label("The secret that signs")
    secret.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close").click()
    assert secret.input_value().startswith("whsec_") and violations(page) == []
    page.get_by_label("I have stored the secret").check()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="billing.example/hooks/did")).to_be_visible()


def test_the_dialogs_of_reservations_have_no_violation(page_of, world):
    kept = {"reseller": world.reseller, "client": world.client, "purpose": "Second site"}
    draft = Reservation.draft(by=SYSTEM, ends_at=timezone.now() + timedelta(hours=1), **kept)
    DID.objects.filter(number="256999").reserve(draft, by=SYSTEM)
    DID.objects.create_numbers(["256998"], operator=world.operator, by=SYSTEM)
    page = page_of(member("Supervisor"))
    visit(page, "/reservations/")
    assert "Rose Orig" in page.inner_text("main") and violations(page) == []
    for path in ("extend", "end", "assign"):
        visit(page, f"/reservations/{draft.pk}/{path}/")
        assert violations(page) == []
    visit(page, "/reservations/")
    page.get_by_role("link", name="Reserve numbers").click()
    page.get_by_label("Numbers", exact=True).fill("256998, 256999")
    page.get_by_label("Name", exact=True).first.check()
    page.locator("#reserve_name").fill("Orsini")
    page.locator("#reserve_purpose").fill("Trial")
    page.get_by_label("3 days").check()
    page.get_by_role("button", name="Reserve 1 number").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Reserve 1 number").click()
    expect(page.get_by_text("1 number reserved for Orsini until")).to_be_visible()


def test_the_rules_have_no_violation(page_of, world):
    suggested_rule()
    page = page_of(member("Administrator"))
    visit(page, "/rules/")
    assert violations(page) == []
    page.get_by_role("link", name="Accept the rule of +41").click()
    page.get_by_role("button", name="Accept", exact=True).wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.get_by_text("The minimum hold of +41 is in force: 180 days.")).to_be_visible()
    page.get_by_role("link", name="Add a prefix").click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Enter the first digits of the numbers, such as 41.")).to_be_visible()
    assert violations(page) == []


def test_the_pattern_marks_have_no_violation(page_of, world):
    page = page_of(member("Administrator"))
    visit(page, "/rules/")
    page.get_by_role("link", name="Use the suggested rules").click()
    page.get_by_role("button", name="Use them").click()
    expect(page.get_by_text("8 rules and 48 words are in force.")).to_be_visible()
    assert violations(page) == []
    call_command("worker", "--once")
    visit(page, f"/dids/{DID.objects.get(number='111').pk}/")
    assert violations(page) == []
    page.get_by_role("link", name="Three alike at the end").click()
    expect(page.get_by_role("link", name="256999")).to_be_visible()
    visit(page, "/rules/")
    assert violations(page) == []
    page.get_by_label("Numbers to try").fill("33199004774\n442079460177")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("rule 6, Mirror of four")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Words").click()
    page.get_by_label("Words", exact=True).fill("TAXI\nCAFÉ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Line 2: “CAFÉ” has characters that are on no key.")).to_be_visible()
    assert violations(page) == []
    visit(page, "/rules/")
    page.get_by_role("link", name="Edit rule 5").click()
    page.get_by_label("Pattern or length").fill("aabb")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("“aabb” is not a pattern.")).to_be_visible()
    assert violations(page) == []


def test_the_stock_levels_have_no_violation(page_of, world):
    page = page_of(member("Supervisor"))
    visit(page, "/stock-levels/")
    assert "No stock levels yet" in page.inner_text("main") and violations(page) == []
    page.get_by_role("link", name="New level").first.click()
    page.get_by_label("Prefix", exact=True).first.check()
    page.get_by_role("textbox", name="Prefix").fill("25")
    level = page.get_by_role("spinbutton", name="Level")
    level.fill("0")
    page.get_by_role("button", name="Set the level").click()
    expect(page.get_by_text("Enter 1 or more.")).to_be_visible()
    assert violations(page) == []
    level.fill("3")
    page.get_by_role("button", name="Set the level").click()
    expect(page.get_by_text("2 missing")).to_be_visible()
    assert violations(page) == []


def test_the_notifications_have_no_violation(page_of, world):
    user = member("Supervisor")
    page = page_of(user)
    visit(page, "/notifications/")
    assert "No notifications yet" in page.inner_text("main") and violations(page) == []
    Job.objects.filter(pk=new_numbers(user, world, 1).pk).update(params={})
    new_numbers(user, world, 20)
    call_command("worker", "--once")
    visit(page, "/notifications/")
    assert "2 unread" in page.inner_text("header") and violations(page) == []


def test_an_empty_system_has_no_violation(page_of, db):
    page = page_of(member("Supervisor"))
    for path in ("/operators/", "/clients/", "/packages/", "/client-packages/"):
        visit(page, path)
        assert "yet" in page.inner_text("main")
        assert violations(page) == []
    page.goto("/dids/")
    assert "Set up in five steps" in page.inner_text("main")
    assert violations(page) == []


def test_signing_in_has_no_violation(page, db):
    visit(page, "/login/")
    assert violations(page) == []
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".notice-error")).to_be_visible()
    assert violations(page) == []


# --- dialogs and menus ------------------------------------------------------------------------------


def test_the_open_search_has_no_violation(open_page):
    page = open_page("/dids/?status=reserved")
    page.get_by_role("link", name="Change the filter Status: Reserved").click()
    expect(page.get_by_label("Blocked")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Advanced Search").click()
    expect(page.get_by_role("search", name="Advanced Search").get_by_label("Blocked")).to_be_visible()
    assert violations(page) == []


def test_the_open_menu_and_the_list_of_keys_have_no_violation(open_page):
    page = open_page("/dids/")
    page.locator("summary.person").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator("#keys[open]").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name=f"Actions for {NUMBER}").click()
    expect(page.get_by_role("dialog", name=f"Actions for {NUMBER}")).to_be_visible()
    assert violations(page) == []


def test_a_list_with_ticked_rows_has_no_violation(open_page):
    page = open_page("/dids/")
    for box in page.get_by_role("checkbox", name="Select").all()[:3]:
        box.check()
    assert violations(page) == []


@pytest.mark.parametrize("button", ["Mass Edit", "Delete"])
def test_a_dialog_for_ticked_rows_has_no_violation(open_page, button):
    page = open_page("/dids/")
    page.locator("tbody input[type=checkbox]").first.check()
    page.locator(".selection-bar").get_by_role("button", name=button).click()
    page.locator("#dialog-slot dialog[open]").wait_for()
    assert violations(page) == []


def test_the_preview_of_a_mass_edit_has_no_violation(open_page):
    page = open_page("/dids/mass-edit/?ids={number}")
    page.locator("[name=change_status]").check()
    page.locator("[name=status]").select_option("blocked")
    page.get_by_text("refused").first.wait_for()
    assert violations(page) == []


def test_the_steps_of_assigning_have_no_violation(open_page):
    page = open_page("/clients/{client}/dids/add/")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Assign to rose_orig").click()
    page.get_by_text("will be assigned").wait_for()
    assert violations(page) == []
    page.goto("/dids/")
    page.locator("tbody input[type=checkbox]").first.check()
    page.locator(".selection-bar").get_by_role("button", name="Assign").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Client").fill("rose")
    dialog.get_by_role("option", name="Rose Orig").click()
    page.get_by_text("will be refused").wait_for()
    assert violations(page) == []


def test_the_operators_dialogs_have_no_violation(open_page):
    page = open_page("/operators/")
    page.get_by_role("link", name="New Operator").click()
    dialog = page.locator("#dialog-slot dialog[open]")
    dialog.wait_for()
    assert violations(page) == []
    dialog.get_by_role("button", name="OK").click()
    page.locator("dialog .field-error").first.wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Delete DID Operator", exact=True).click()
    page.get_by_text("It has 12 numbers").wait_for()
    assert violations(page) == []


def test_the_resellers_have_no_violation(open_page):
    page = open_page("/resellers/", "Administrator")
    assert violations(page) == []
    page.get_by_role("link", name="Reseller 1", exact=True).click()
    page.locator("#dialog-slot dialog[open]").wait_for()
    assert violations(page) == []


def test_people_and_roles_are_managed_in_the_browser(open_page):
    page = open_page("/people/", "Administrator")
    assert violations(page) == []
    page.get_by_role("link", name="New Person").click()
    dialog = page.locator("#dialog-slot dialog[open]")
    dialog.get_by_label("User name").fill("nina")
    dialog.get_by_label("Clerk").check()
    dialog.get_by_role("button", name="OK").click()
    dialog.locator(".field-error").first.wait_for()
    assert violations(page) == []
    for label in ("Password", "Password again"):
        dialog.get_by_label(label, exact=True).fill("battery-staple-7")
    dialog.get_by_role("button", name="OK").click()
    page.get_by_text("Person nina saved.").wait_for()
    page.get_by_role("link", name="Deactivate nina").click()
    dialog.get_by_role("button", name="Deactivate nina").wait_for()
    assert violations(page) == []
    dialog.get_by_role("button", name="Deactivate nina").click()
    page.get_by_text("nina is deactivated").wait_for()
    visit(page, "/roles/")
    page.get_by_role("link", name="Clerk", exact=True).click()
    dialog.get_by_text("Import numbers").wait_for()
    assert violations(page) == []


def test_a_package_is_given_switched_off_and_on_in_the_browser(open_page, world):
    page = open_page("/clients/{client}/")
    page.get_by_role("link", name="Give package").click()
    dialog = page.locator("#dialog-slot dialog[open]")
    dialog.get_by_role("button", name="Give package").click()
    dialog.locator(".field-error").first.wait_for()
    assert violations(page) == []
    dialog.get_by_role("combobox", name="Package").click()
    page.get_by_role("option", name="Basic").click()
    dialog.get_by_role("button", name="Give package").click()
    page.get_by_text("Rose Orig now has package Basic, with room for 5 numbers.").wait_for()

    page.get_by_role("link", name="Deactivate Basic of Rose Orig").last.click()
    page.get_by_text("numbers will go on Hold").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Deactivate, 2 numbers on Hold").click()
    page.get_by_text("2 numbers put on Hold.").wait_for()

    page.get_by_role("link", name="Activate Basic of Rose Orig", exact=True).click()
    page.get_by_role("button", name="Activate, take 2 numbers back").click()
    page.get_by_text("2 numbers returned from Hold").wait_for()
    assert violations(page) == []


def test_the_questions_of_an_import_have_no_violation(open_page, tmp_path):
    file = tmp_path / "numbers.csv"
    numbers = "".join(f"{number};free;\n" for number in range(441632960100, 441632960140))
    file.write_text(f"DID;Status;Notes\n{numbers}+44 (0)1632 960116;parked;\n1632960411;;\n7;;\nTotal;;\n")
    page = open_page("/dids/import/")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Upload and choose columns").click()
    page.get_by_role("heading", name="To decide").wait_for()
    assert violations(page) == []

    page.locator(".decide footer button").click()
    page.get_by_text("2 questions are open").first.wait_for()
    expect(page.locator("#id_operator")).to_be_focused()
    page.get_by_role("button", name="Use the proposals").click()
    expect(page.get_by_role("button", name="Use the proposals")).to_have_count(0)
    page.get_by_label("parked means").select_option("leave")
    page.get_by_text("1 of 5 open").first.wait_for()
    page.get_by_label("Refuse new numbers without an operator").check()
    page.get_by_text("all 5 decided").first.wait_for()
    expect(page.locator("#id_without_operator")).to_be_focused()
    assert violations(page) == []


def test_the_steps_of_an_import_have_no_violation(open_page, tmp_path):
    file = tmp_path / "numbers.csv"
    file.write_text("DID;Operator;Notes\n100;DID Operator;fresh\n12x;DID Operator;\n200;Nobody;\n")
    page = open_page("/dids/import/")
    assert violations(page) == []
    page.get_by_role("button", name="Upload and choose columns").click()
    page.get_by_text("Choose a file to import.").wait_for()
    assert violations(page) == []

    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Upload and choose columns").click()
    page.get_by_role("button", name="Check all").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Check all").click()
    page.get_by_role("button", name="Import 1 number").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Import 1 number").click()
    page.get_by_text("1 number created").wait_for()
    assert violations(page) == []
    page.get_by_role("link", name="Show the number").click()
    expect(page.get_by_role("link", name="100", exact=True)).to_be_visible()


def test_a_running_job_is_followed_to_its_end(open_page, world):
    page = open_page("/jobs/{waiting}/")
    page.get_by_text("Waiting for a worker").wait_for()
    job = Job.objects.claim("w")
    chunks = []
    job.run("w", lambda: chunks.append(1) or len(chunks) > 1)
    page.get_by_text("5,000 of 12,000 numbers").wait_for()
    assert violations(page) == []
    call_command("worker", "--once")
    page.get_by_text("already exist and were skipped").first.wait_for()
    expect(page.get_by_role("button", name="Cancel the job")).to_have_count(0)
    assert violations(page) == []


def test_the_check_of_operators_to_import_has_no_violation(open_page, tmp_path):
    file = tmp_path / "operators.csv"
    page = open_page("/operators/import/")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_text("Choose a file to import.").wait_for()
    assert violations(page) == []

    file.write_text("Name,Reseller,Hold days\nOliver,Nobody,\nDID Operator,Reseller 1,x\n")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_text("2 rows are refused").wait_for()
    assert violations(page) == []

    page.get_by_role("link", name="Choose another file").click()
    file.write_text("Name,Reseller,Hold days\nOliver,Reseller 1,\nDID Operator,Reseller 1,9\n")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 2 operators").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Import 2 operators").click()
    page.get_by_text("1 operator created, 1 updated, 0 unchanged.").wait_for()
