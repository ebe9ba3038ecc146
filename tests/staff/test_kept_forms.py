"""A form that is sent after its session has ended comes back after sign-in, without scripts."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone

from didmgmt.forms import COMES_BACK
from didmgmt.kept_forms import LOST, OTHERS
from didmgmt.models import KeptForm
from dids.models import DID
from tests.screens.imports.test_import_wizard import columns_of, upload
from tests.world import PASSWORD, client_of, member

pytestmark = pytest.mark.django_db
LIST = "\r\n".join(f"49406{number:07}" for number in range(0, 10_000, 2))  # 5,000 numbers without a range


@pytest.fixture
def piotr(world):
    return member("Supervisor", username="piotr")


def ended(browser):
    """End the session as the day does: its row is gone, its cookie is still sent."""
    Session.objects.all().delete()
    return browser


def token(page):
    return re.search(r'name="form_token" value="([^"]+)"', page.content.decode())[1]


def new_form(browser, world, numbers=LIST):
    """Open New DIDs and return its fields, filled in."""
    fields = {
        "form_token": token(browser.get("/dids/new/")),
        "numbers": numbers,
        "operator": world.operator.pk,
    }
    return fields | {"status": "reserved", "after_hold": "instock", "tags": "gold", "notes": "Order 1128"}


def sign_in(browser, address, username="piotr"):
    return browser.post(
        address, {"username": username, "password": PASSWORD, "next": unquote(address.partition("=")[2])}
    )


def test_a_pasted_list_of_5000_numbers_comes_back_filled_in_and_is_then_created(piotr, world):
    browser = client_of(piotr)
    fields = new_form(browser, world)
    to_sign_in = ended(browser).post("/dids/new/", fields)
    assert to_sign_in.url == "/login/?next=%2Fdids%2Fnew%2F"
    assert "your form comes back as you filled it in" in browser.get(to_sign_in.url).content.decode()

    back = sign_in(browser, to_sign_in.url)
    assert back.url == "/dids/new/"
    form = browser.get(back.url)
    text = form.content.decode()
    assert COMES_BACK in text and "Order 1128" in text and 'value="gold"' in text
    assert re.search(r"<textarea[^>]*>\s*([\d\s]+)</textarea>", text)[1].split() == LIST.split()
    assert not DID.objects.filter(notes="Order 1128").exists()

    browser.post("/dids/new/", fields | {"form_token": token(form), "numbers": LIST[:200]})
    assert DID.objects.filter(notes="Order 1128").count() == 15
    assert COMES_BACK not in browser.get("/dids/new/").content.decode()
    assert not KeptForm.objects.exists()


def test_an_edit_and_a_mass_edit_come_back_and_write_nothing_by_themselves(piotr, world):
    browser, did = client_of(piotr), world.did("2567")
    page = browser.get(f"/dids/{did.pk}/")
    version = re.search(r'name="version" value="(\d+)"', page.content.decode())[1]
    fields = {"form_token": token(page), "version": version, "notes": "Half a sentence", "status": "active"}
    sent = ended(browser).post(f"/dids/{did.pk}/", fields)
    page = browser.get(sign_in(browser, sent.url).url)
    assert page.status_code == 422 and "Half a sentence" in page.content.decode()

    fields = {"form_token": token(page), "ids": did.pk, "scope": "ids", "step": "apply", "change_notes": "on"}
    sent = ended(browser).post("/dids/mass-edit/", fields | {"notes": "For all of them"})
    page = browser.get(sign_in(browser, sent.url).url).content.decode()
    assert "For all of them" in page and f'name="ids" value="{did.pk}"' in page
    did.refresh_from_db()
    assert did.notes not in ("Half a sentence", "For all of them")


def test_what_has_no_fields_is_asked_about_before_it_is_carried_out(piotr, world):
    browser, did = client_of(piotr), world.did("2567")
    fields = {"form_token": token(browser.get(f"/dids/{did.pk}/")), "ids": did.pk, "page": "number"}
    path = f"/clients/{world.client.pk}/dids/block/"
    sent = ended(browser).post(path, fields)

    page = browser.get(sign_in(browser, sent.url).url).content.decode()
    assert "Send it now?" in page and f'action="{path}"' in page
    did.refresh_from_db()
    assert did.status == "active"
    browser.post(path, fields)
    did.refresh_from_db()
    assert did.status == "blocked"


def test_forms_without_a_token_come_back_although_the_row_of_their_session_is_gone(piotr):
    browser = client_of(piotr)
    sent = ended(browser).post("/dids/search/", {"q": LIST})
    page = browser.get(sign_in(browser, sent.url).url).content.decode()
    assert "Send it now?" in page and LIST.splitlines()[-1] in page and 'action="/dids/search/"' in page

    sent = ended(browser).post("/me/", {"time_zone": "Asia/Tokyo"})
    page = browser.get(sign_in(browser, sent.url).url).content.decode()
    assert COMES_BACK in page and re.search(r'value="Asia/Tokyo"[^>]* selected', page)
    piotr.refresh_from_db()
    assert piotr.time_zone != "Asia/Tokyo"


def test_a_mapping_comes_back_as_it_was_and_is_checked_when_sent_again(piotr, world):
    browser = client_of(piotr)
    step_2 = browser.get(upload(browser, "DID,Operator,Tag\n4940123,DID Operator,gold\n").url)
    path, mapping = step_2.request["PATH_INFO"], columns_of(step_2) | {"column2": "notes"}
    sent = ended(browser).post(path, mapping)
    again = browser.get(sign_in(browser, sent.url).url)
    assert COMES_BACK in again.content.decode() and columns_of(again) == mapping
    check = browser.get(browser.post(path, mapping).url)
    assert check.context["counts"]["created"] == 1


def test_another_user_of_the_browser_gets_nothing_of_the_form(piotr, world):
    member("Supervisor", username="clara")
    browser = client_of(piotr)
    fields = new_form(browser, world, "4940123")
    sent = ended(browser).post("/dids/new/", fields)
    page = browser.get(sign_in(browser, sent.url, "clara").url).content.decode()
    assert OTHERS in page and "4940123" not in page
    assert not KeptForm.objects.exists()


def test_a_form_is_kept_for_the_browser_that_sent_it_and_for_an_hour(piotr, world):
    browser, elsewhere = client_of(piotr), Browser()
    fields = new_form(browser, world, "4940123")
    sent = ended(browser).post("/dids/new/", fields)
    sign_in(elsewhere, sent.url)
    assert "4940123" not in elsewhere.get("/dids/new/").content.decode()

    KeptForm.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "4940123" not in browser.get(sign_in(browser, sent.url).url).content.decode()


def test_only_forms_of_our_pages_are_kept_and_few_of_a_user(piotr, world):
    browser = client_of(piotr)
    fields = new_form(browser, world, "4940123")
    forged = Browser()
    forged.cookies[settings.SEEN_COOKIE_NAME] = f"1.{piotr.pk}.digest:signature"
    forged.post("/dids/new/", fields)
    ended(browser).post("/dids/new/", fields | {"notes": "x" * KeptForm.LONGEST})
    assert not KeptForm.objects.exists()
    for _ in range(KeptForm.MOST + 2):
        ended(browser).post("/dids/new/", fields | {"new_password1": "battery-staple"})
    assert KeptForm.objects.count() == KeptForm.MOST
    assert "battery" not in "".join(KeptForm.objects.values_list("body", flat=True))


def test_a_form_that_cannot_be_kept_leads_back_to_its_page_and_never_to_another_site(piotr, world):
    browser = Browser()
    move = f"/clients/{world.client.pk}/dids/block/"
    sent = browser.post(move, {"ids": "1"}, headers={"Referer": "http://testserver/dids/?q=25"})
    assert sent.url == "/login/?next=http%3A%2F%2Ftestserver%2Fdids%2F%3Fq%3D25"
    sent = browser.post(move, {"ids": "1"}, headers={"Referer": "https://evil.example/"})
    assert sent.url == "/login/?next=%2F"
    assert LOST in browser.get(sent.url).content.decode()


def test_a_script_is_told_of_an_ended_session_of_another_user_and_of_an_old_token(piotr, world):
    clara = member("Viewer", username="clara")
    page = {"X-Page-User": str(piotr.pk)}
    same = client_of(piotr).get("/session/", headers=page)
    assert (same.status_code, bool(same["X-CSRF-Token"])) == (204, True)

    other = client_of(clara).get("/dids/mass-edit/", headers=page)
    assert (other.status_code, other["X-Session"], other["X-User"]) == (409, "other", "clara")
    browser = client_of(piotr)
    over = ended(browser).post("/dids/new/", {}, headers=page)
    assert (over.status_code, over["X-Session"], over.has_header("Location")) == (401, "ended", False)
    assert settings.SESSION_COOKIE_NAME not in over.cookies  # by then it may be that of a new session

    strict = Browser(enforce_csrf_checks=True)
    stale = strict.post("/dids/new/", {}, headers=page)
    assert (stale.status_code, stale["X-Session"]) == (403, "stale")
    assert "The form was not carried out" in strict.post("/dids/new/", {}).content.decode()


def test_signing_in_over_a_page_is_for_its_user_alone_and_counts_wrong_passwords(piotr, world, settings):
    settings.AXES_FAILURE_LIMIT = 3
    clara, page = member("Viewer", username="clara"), {"X-Page-User": str(piotr.pk)}

    def again(browser, username, password=PASSWORD):
        return browser.post("/login/", {"username": username, "password": password}, headers=page)

    assert again(Browser(), "piotr").status_code == 204
    assert "belongs to another user" in again(Browser(), "clara").content.decode()
    assert again(client_of(clara), "piotr").status_code == 409
    browser = Browser()
    assert "Wrong user name or password" in again(browser, "piotr", "guess").content.decode()
    for _ in range(2):
        last = again(browser, "piotr", "guess")
    assert (last.status_code, "Too many wrong passwords" in last.content.decode()) == (422, True)
    assert "Too many wrong passwords" in again(browser, "piotr").content.decode()
