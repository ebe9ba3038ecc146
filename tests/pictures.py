"""Take the pictures of docs/ again, of the product as it is, filled with demonstration data.

python -m tests.pictures

``PICTURES`` are those of the README. ``PAGES`` are all pages, at a desk and on a phone in the dark;
docs/pages.md, which shows them, is written as well.
"""

import csv
import io
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests import chromium

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SIZE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
QUALITY = 50  # of JPEG files: 130 kB for a page and its phone
START_WITHIN = 300  # seconds, with the demonstration data
ROWS = 120  # of the inventory's own, in the file to import


def main():
    path = chromium.chromium() or sys.exit("Error: there is no Chromium; name one with CHROMIUM.")
    with product() as (address, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        page = browser.new_page(base_url=address, viewport=SIZE, color_scheme="light")
        page.goto("/")
        sections = [take(page, "sign-in", "Sign in")]
        page.locator("[name=username]").fill("admin")
        page.locator("[name=password]").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/dids/")
        for name, show in PICTURES.items():
            show(page)
            page.screenshot(path=DOCS / f"{name}.png", animations="disabled")
            print(f"docs/{name}.png", flush=True)
        a_token_and_a_webhook(page)
        for name, (path, *rest) in PAGES.items():
            page.goto(path)
            for below in rest:
                page.goto(page.locator("[data-row-link]").first.get_attribute("href") + below)
            sections.append(take(page, name, page.title().removesuffix(" · DID Management")))
        browser.close()
    (DOCS / "pages.md").write_text("\n".join([HEAD, *sections]), encoding="utf-8")


def take(page, name, title):
    """Take a page at a desk, and on a phone in the dark; return the section of docs/pages.md about it."""
    for suffix, size, scheme in (("", SIZE, "light"), ("-phone", PHONE, "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        path = DOCS / "pages" / f"{name}{suffix}.jpg"
        page.screenshot(path=path, animations="disabled", type="jpeg", quality=QUALITY)
    page.set_viewport_size(SIZE)
    page.emulate_media(color_scheme="light")
    print(f"docs/pages/{name}.jpg", flush=True)
    return (
        f"## {title}\n\n"
        f'<img src="pages/{name}.jpg" width="700" alt="{title}, at a desk">'
        f' <img src="pages/{name}-phone.jpg" width="200" alt="{title}, on a phone in the dark">\n'
    )


@contextmanager
def product():
    """Run the product on an empty folder; yield its address and the administrator's password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        mine = {"VAR_DIR": folder, "PORT": str(port), "HOST": "127.0.0.1", "DEMO": "1"}
        mine["ADMIN_PASSWORD"] = secrets.token_urlsafe(12)
        others = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        command = [sys.executable, "manage.py", "serve"]
        with subprocess.Popen(command, cwd=ROOT, env=others | mine, stdout=sys.stderr) as server:
            try:
                wait_for(server, port)
                yield f"http://127.0.0.1:{port}", mine["ADMIN_PASSWORD"]
            finally:
                server.terminate()


def wait_for(server, port):
    last = time.monotonic() + START_WITHIN
    while server.poll() is None and time.monotonic() < last:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.5)
    sys.exit("Error: the product did not start; the lines above say why.")


def the_list(page):
    page.goto("/dids/?q=*05")


def a_number(page):
    page.goto("/dids/?status=hold")
    page.locator("[data-row-link]").first.click()
    page.get_by_text("On Hold since").wait_for()


def a_mass_edit(page):
    page.goto("/dids/?status=active&status=blocked&status=instock&per_page=500")
    page.get_by_label("Select every row of this page").check()
    page.get_by_label("Selected numbers").get_by_role("button", name="Mass Edit").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("combobox", name="Status").select_option("hold")
    dialog.get_by_label("Hold days", exact=True).fill("14")
    expect(dialog.get_by_text("also get: Hold days 14")).to_be_visible(timeout=30_000)


def an_import(page):
    """Check a file with new numbers, changed ones, unchanged ones and one that is refused."""
    text = page.request.get("/dids/export/?status=instock&format=csv").text()
    known = list(csv.DictReader(text.splitlines()))[:ROWS]
    new = [known[0] | {"ID": "", "DID": f"441632960{n}"} for n in range(100, 400)]
    unreadable = known[0] | {"ID": "", "DID": "ask Clara"}
    for row in known[::2]:
        row["Notes"] = "Fax"
    text = io.StringIO()
    table = csv.DictWriter(text, known[0])
    table.writeheader()
    table.writerows([*new[:5], *known, unreadable, *new[5:]])
    file = {"name": "oldmoor-exchange.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}
    page.goto("/dids/import/")
    page.get_by_role("button", name="File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload and choose columns").click()
    page.wait_for_url("**/columns/")
    page.get_by_role("button", name="Check all").click()
    page.wait_for_url("**/check/")


def dids_of_a_client(page):
    page.goto("/dids/?status=active&sort=client")
    page.locator("[data-row-link]").first.click()
    page.get_by_role("link", name="All numbers of").click()
    page.wait_for_url("**/dids/")
    page.get_by_role("heading", level=1).wait_for()


def the_audit_log(page):
    page.goto("/audit/")


def a_token_and_a_webhook(page):
    """Create them, for the pages that list them."""
    page.goto("/tokens/new/")
    page.get_by_label("Name", exact=True).fill("billing-sync")
    page.get_by_label("dids: read").check()
    page.get_by_label("clients: read").check()
    page.get_by_role("button", name="Create token").click()
    close_secret(page)
    page.goto("/webhooks/new/")
    page.get_by_label("URL").fill("https://billing.example/hooks/did")
    page.get_by_label("Description").fill("Billing")
    page.get_by_label("(did.assigned)").check()
    page.get_by_label("(did.released)").check()
    page.get_by_role("button", name="Create", exact=True).click()
    close_secret(page)


def close_secret(page):
    page.get_by_label("I have stored the secret").check()
    page.get_by_role("button", name="Close").click()
    page.get_by_text("can’t be shown again").wait_for()


PICTURES = {
    "list": the_list,
    "number": a_number,
    "mass-edit": a_mass_edit,
    "import": an_import,
    "client-dids": dids_of_a_client,
    "audit-log": the_audit_log,
}

HEAD = "# The pages\n\nWith demonstration data; `make pictures` takes them again.\n"

# An address, and what follows the address of the first row's link on the page before.
PAGES = {
    "first-steps": ("/start/",),
    "statuses": ("/start/statuses/",),
    "find": ("/find/?q=meri",),
    "dids": ("/dids/",),
    "dids-searched": ("/dids/?status=hold&advanced=1",),
    "dids-none": ("/dids/?q=999999999999",),
    "dids-refused": ("/dids/?stauts=reserved",),
    "overview": ("/overview/",),
    "dids-as-of": ("/dids/?as_of=2026-06-01",),
    "did-active": ("/dids/?status=active", ""),
    "did-in-stock": ("/dids/?status=instock", ""),
    "did-history": ("/dids/?status=hold", "history/"),
    "new-dids": ("/dids/new/",),
    "view": ("/dids/views/new/",),
    "import-file": ("/dids/import/",),
    "blocks": ("/blocks/?country=GB",),
    "find-a-run": ("/free-runs/?count=20&multiple=10",),
    "who-had-it": ("/audit/who-had-it/",),
    "calendar": ("/calendar/",),
    "calendar-feed": ("/calendar/feed/",),
    "reservations": ("/reservations/",),
    "reserve": ("/reservations/new/",),
    "operators": ("/operators/",),
    "operator-new": ("/operators/new/",),
    "operators-import": ("/operators/import/",),
    "clients": ("/clients/",),
    "client-new": ("/clients/new/",),
    "client": ("/clients/", ""),
    "client-give": ("/clients/", "give/"),
    "client-add-dids": ("/clients/", "dids/add/"),
    "packages": ("/packages/",),
    "package": ("/packages/", ""),
    "client-packages": ("/client-packages/",),
    "resellers": ("/resellers/",),
    "audit": ("/audit/",),
    "change": ("/audit/", ""),
    "undo": ("/audit/?page=2", "undo/"),
    "jobs": ("/jobs/",),
    "job": ("/jobs/", ""),
    "tokens": ("/tokens/",),
    "token-new": ("/tokens/new/",),
    "webhooks": ("/webhooks/",),
    "webhook": ("/webhooks/", ""),
    "webhook-new": ("/webhooks/new/",),
    "api-reference": ("/api-reference/",),
    "stock-levels": ("/stock-levels/",),
    "rules": ("/rules/",),
    "notifications": ("/notifications/",),
    "people": ("/people/",),
    "person-new": ("/people/new/",),
    "roles": ("/roles/",),
    "role-new": ("/roles/new/",),
    "settings": ("/me/",),
    "password": ("/password/",),
}

if __name__ == "__main__":
    main()
