"""A pasted list that is too long for an address is stored; the address of the list has its token."""

import io
import re
from datetime import timedelta

import pytest
from django.utils import timezone
from openpyxl import load_workbook
from playwright.sync_api import expect

from didmgmt.models import StoredSearch
from dids.models import DID
from dids.periodic import delete_stored_searches
from jobs.models import Job
from tests.world import client_of, make_world, member

PASTED = ", ".join(["111", "112", "113", *(str(n) for n in range(370_052_000_000, 370_052_009_900))])


def stored(browser, to="/dids/", **fields):
    """Return the address that a posted search leads to."""
    response = browser.post(f"/dids/search/?to={to}", {"q": PASTED} | fields)
    assert response.status_code == 302
    return response.url


def test_ten_thousand_pasted_numbers_have_a_short_address(world, supervisor):
    browser = client_of(supervisor)
    address = stored(browser, sort="-number")
    assert re.fullmatch(r"/dids/\?sort=-number&list=[\w-]{22}", address)
    page = browser.get(address)
    assert [did.number for did in page.context["listing"].rows] == ["113", "112", "111"]
    assert "9,903 numbers from 111 to 370052009899" in page.content.decode()
    assert len(page.content) < 200_000
    assert stored(browser, sort="-number") == address  # stored once


def test_a_short_search_stays_in_the_address(world, supervisor):
    response = client_of(supervisor).post("/dids/search/", {"q": "4420", "match": "begins"})
    assert response.url == "/dids/?match=begins&q=4420"
    assert not StoredSearch.objects.exists()


def test_a_typed_search_replaces_the_stored_list(world, supervisor):
    browser = client_of(supervisor)
    listing = browser.get(f"{stored(browser)}&q=112").context["listing"]
    assert "112" in [did.number for did in listing.rows]
    assert listing.query == "q=112"


def test_a_stored_list_of_another_person_or_of_long_ago_is_refused_with_a_sentence(world, supervisor, viewer):
    address = stored(client_of(supervisor))
    for browser in (client_of(viewer), client_of(supervisor)):
        page = browser.get(address)
        assert page.context["listing"].rows == []
        assert "This pasted list is not available." in page.content.decode()
        assert browser.get(address.replace("/dids/", "/dids/export/")).status_code == 302
        StoredSearch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert delete_stored_searches(timezone.now()) == 1
    assert not StoredSearch.objects.exists()


def test_export_and_mass_edit_take_a_stored_list(world, supervisor, monkeypatch):
    monkeypatch.setattr("screens.numbers.mass_edit.SMALL", 0)
    browser = client_of(supervisor)
    query = stored(browser).partition("?")[2]
    file = b"".join(browser.get(f"/dids/export/?{query}").streaming_content).decode()
    assert file.count("\n") == 9_904
    assert file.count(",not in the inventory,") == 9_900

    posted = {"scope": "all", "query": query, "expected": "3", "step": "apply"}
    browser.post("/dids/mass-edit/", posted | {"change_notes": "on", "notes": "seen"})
    Job.objects.claim("worker").run("worker")
    assert sorted(DID.objects.filter(notes="seen").values_list("number", flat=True)) == ["111", "112", "113"]


def test_an_assignment_takes_a_stored_list_and_is_undone(world, supervisor, monkeypatch):
    monkeypatch.setattr("screens.clients.assign.SMALL", 0)
    browser = client_of(supervisor)
    query = stored(browser, q=f"256999, {PASTED}").partition("?")[2]
    posted = {"scope": "all", "query": query, "expected": "4", "client": world.client.pk}
    posted |= {"package": world.client_package.pk, "account": world.account.pk}
    preview = browser.post("/dids/assign/", posted | {"step": "preview"})
    assert preview.status_code == 200
    browser.post("/dids/assign/", posted | {"step": "apply"})
    job = Job.objects.get()
    Job.objects.claim("worker").run("worker")
    assert world.did("256999").client_package == world.client_package

    job.refresh_from_db()
    browser.post(f"/audit/{job.change_id}/undo/", {"step": "apply"})
    assert world.did("256999").client_package is None


def test_a_job_writes_a_workbook_of_a_stored_list(world, supervisor, monkeypatch):
    monkeypatch.setattr("screens.numbers.export.XLSX_AT_ONCE", 1)
    browser = client_of(supervisor)
    query = stored(browser, q="111, 112, 113" + " ," * 1_000).partition("?")[2]
    browser.post(f"/dids/export/?{query}&format=xlsx", {"scope": "list", "format": "xlsx"})
    Job.objects.claim("worker").run("worker")
    file = b"".join(browser.get(f"/jobs/{Job.objects.get().pk}/file/").streaming_content)
    rows = load_workbook(io.BytesIO(file), read_only=True).active.iter_rows(values_only=True)
    assert [row[3] for row in rows if row[0]] == ["DID", "111", "112", "113"]


def test_a_delete_takes_a_stored_list(world, supervisor):
    browser = client_of(supervisor)
    query = stored(browser).partition("?")[2]
    browser.post("/dids/delete/", {"scope": "all", "query": query, "expected": "3", "step": "apply"})
    assert not DID.objects.filter(number__in=["111", "112", "113"]).exists()


def test_the_tabs_of_a_client_take_a_stored_list(world, supervisor):
    browser = client_of(supervisor)
    path = f"/clients/{world.client.pk}/dids/"
    address = stored(browser, to=path)
    assert address.startswith(f"{path}?list=")
    assert browser.get(address).context["listing"].valid


def test_a_search_never_leads_to_another_site(world, supervisor):
    assert stored(client_of(supervisor), to="//elsewhere.example/").startswith("/dids/?list=")


def test_a_text_of_more_than_a_million_characters_is_refused(world, supervisor):
    response = client_of(supervisor).post("/dids/search/", {"q": "1" * 1_000_001}, follow=True)
    assert "1,000,001 characters; at most 1,000,000 can be searched for" in response.content.decode()


def test_only_the_newest_lists_of_a_person_are_kept(world, supervisor, monkeypatch):
    monkeypatch.setattr(StoredSearch, "MOST", 2)
    tokens = [StoredSearch.objects.store(supervisor, text) for text in "abc"]
    assert set(StoredSearch.objects.values_list("token", flat=True)) == set(tokens[1:])


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pasting_ten_thousand_numbers_into_the_search_opens_the_list(page_of):
    make_world()
    page = page_of(member("Supervisor"))
    page.goto("/dids/")
    search = page.get_by_role("combobox", name="Search or jump to")
    page.keyboard.press("/")
    search.fill(PASTED)
    search.press("Enter")
    page.wait_for_url(re.compile(r"/dids/\?list=[\w-]{22}$"))
    expect(page.locator("h1 .total")).to_have_text("3")
    page.goto("/dids/?q==112")
    expect(page.locator("h1 .total")).to_have_text("1")
    page.go_back()
    expect(page.locator("h1 .total")).to_have_text("3")
