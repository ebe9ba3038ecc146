"""The page of API tokens: who sees which, what can be ticked, and that a secret is shown once."""

import re
from html import unescape

import pytest

from audit.models import Change
from didmgmt import clock
from didmgmt.form_tokens import ALREADY
from dids.models import DID
from jobs.models import Job
from screens.programs.tokens import VARIABLES, examples
from staff import scopes, tokens
from staff.models import Token, User
from tests.screens.test_axe import violations
from tests.staff.test_tokens import ADDRESS, issue, refusal
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
NEW = {"name": "portal-staging", "expires_at": "365", "scope_dids": "write", "scope_clients": "read"}
TEXT = re.compile(r"did_[A-Za-z0-9]+\.[A-Za-z0-9]+")


def read(response):
    return unescape(response.content.decode())


def create(browser, **changes):
    return browser.post("/tokens/new/", NEW | changes)


def test_a_token_is_created_and_its_secret_is_shown_once(supervisor):
    browser = client_of(supervisor)
    response = create(browser, networks="203.0.113.64/27\n2001:db8::/48")
    [text] = {*TEXT.findall(read(response))}
    token = Token.objects.get()
    assert (token.owner, token.scopes) == (supervisor, "dids:write clients:read")
    assert token.network_list == ["203.0.113.64/27", "2001:db8::/48"]
    assert tokens.user_of(f"Bearer {text}", "203.0.113.65").has_perm("dids.hold_did")
    assert Change.objects.latest("pk").label == "API token portal-staging of supervisor created"
    page = read(browser.get("/tokens/"))
    assert f"did_{token.key}" in page and not TEXT.search(page)


def test_the_same_form_sent_again_creates_no_second_token_and_shows_no_secret(supervisor):
    browser = client_of(supervisor)
    assert create(browser, form_token="once").status_code == 200
    again = browser.post("/tokens/new/", NEW | {"form_token": "once"}, follow=True)
    assert Token.objects.count() == 1 and ALREADY in read(again)
    assert again.redirect_chain[-1][0] == "/tokens/" and not TEXT.search(read(again))


def offered_in(page):
    """Return {(resource, level)} that the matrix of the dialog offers."""
    found = re.findall(r'name="scope_([a-z_]+)" value="([a-z]+)"', page)
    return {(resource.replace("_", "-"), level) for resource, level in found}


@pytest.mark.parametrize("role", ["Provisioner", "Supervisor", "Administrator"])
def test_only_what_the_person_may_do_can_be_ticked(role):
    user = member(role)
    offered = offered_in(read(client_of(user).get("/tokens/new/")))
    expected = {
        (resource, level)
        for resource, levels in scopes.SCOPES.items()
        for level, rights in levels.items()
        if any(user.has_perm(right) for right in rights)
    }
    assert offered == expected
    assert (("dids", "admin") in offered) == (role != "Provisioner")


def test_a_scope_that_was_not_offered_is_refused_at_the_matrix(provisioner):
    response = create(client_of(provisioner), scope_dids="admin")
    assert response.status_code == 422 and not Token.objects.exists()


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"name": ""}, "Fill in this field."),
        ({"networks": "203.0.113.300"}, "“203.0.113.300” is not an address."),
        ({"scope_dids": "", "scope_clients": ""}, "Choose at least one scope."),
        ({"expires_at": "9999"}, "“9999” is not one of the options."),
        ({"reseller": "999999"}, "This option doesn’t exist"),
        ({"name": "x" * 101}, "Enter at most 100 characters; these are 101."),
        ({"name": "a\0b"}, "Remove the invisible null character"),
    ],
)
def test_wrong_input_is_an_error_at_its_field(supervisor, sent, sentence):
    response = create(client_of(supervisor), **sent)
    assert response.status_code == 422 and sentence in read(response)
    assert not Token.objects.exists()


def test_a_name_that_another_token_has_is_an_error_at_the_name(supervisor):
    browser = client_of(supervisor)
    create(browser)
    response = create(browser)
    assert response.status_code == 422 and "This name is taken by another token." in read(response)


def test_a_bound_person_creates_tokens_of_the_own_reseller(world, owner):
    browser = client_of(owner)
    assert 'name="reseller"' not in read(browser.get("/tokens/new/"))
    create(browser, reseller=world.reseller_2.pk)
    assert Token.objects.get().reseller == world.reseller


def test_a_viewer_creates_no_token_and_reads_why(viewer):
    browser = client_of(viewer)
    assert "You need the permission to create tokens." in read(browser.get("/tokens/"))
    assert create(browser).status_code == 403 and not Token.objects.exists()


def test_a_revoked_token_is_refused_at_once_and_its_last_use_is_named_before(supervisor):
    token, header = issue(supervisor)
    Token.objects.update(last_used_at=clock.now(), last_used_from="203.0.113.5")
    browser = client_of(supervisor)
    assert "from 203.0.113.5." in read(browser.get(f"/tokens/{token.pk}/revoke/"))
    response = browser.post(f"/tokens/{token.pk}/revoke/", follow=True)
    assert "billing-sync is revoked: requests with it are refused from now on." in read(response)
    assert refusal(header).code == "revoked"
    again = browser.post(f"/tokens/{token.pk}/revoke/")
    assert again.status_code == 422 and "billing-sync was revoked on" in read(again)


def test_revoking_names_the_jobs_that_will_stop(world, supervisor):
    token, header = issue(supervisor)
    Job.objects.submit(kind="edit", owner=tokens.user_of(header, ADDRESS), params={"ids": [], "fields": {}})
    page = read(client_of(supervisor).get(f"/tokens/{token.pk}/revoke/"))
    assert "1 unfinished job of this token will stop." in page


def test_who_manages_people_sees_and_revokes_their_tokens(world, owner, stranger, administrator):
    token, header = issue(owner)
    assert "billing-sync" not in read(client_of(stranger).get("/tokens/"))
    assert client_of(stranger).post(f"/tokens/{token.pk}/revoke/").status_code == 404
    browser = client_of(administrator)
    assert "billing-sync" in read(browser.get(f"/tokens/?person={owner.pk}&state=usable"))
    browser.post(f"/tokens/{token.pk}/revoke/")
    assert refusal(header).code == "revoked"
    assert "billing-sync" in read(browser.get("/tokens/?state=revoked"))
    assert "No API tokens match" in read(browser.get("/tokens/?state=expired"))


def test_a_token_that_ends_within_two_weeks_is_warned_of(supervisor, administrator):
    issue(supervisor, days=14)
    issue(supervisor, name="later", days=15)
    page = read(client_of(supervisor).get("/tokens/"))
    assert "expires in 14 days" in " ".join(page.split()) and page.count("notice-warning") == 1
    assert "notice-warning" not in read(client_of(administrator).get("/tokens/"))


def test_a_person_with_a_token_is_kept(administrator, supervisor):
    issue(supervisor)
    page = read(client_of(administrator).get(f"/people/{supervisor.pk}/delete/"))
    assert "1 API token" in page and User.objects.filter(pk=supervisor.pk).exists()


def test_deactivating_a_person_names_the_tokens_that_stop(administrator, supervisor):
    header = issue(supervisor)[1]
    issue(supervisor, name="revoked")[0].revoke(by=supervisor)
    browser = client_of(administrator)
    page = read(browser.get(f"/people/{supervisor.pk}/deactivate/"))
    assert "1 API token of supervisor will be refused from then on." in page
    browser.post(f"/people/{supervisor.pk}/deactivate/")
    assert refusal(header).code == "inactive"


def test_a_reseller_is_kept_until_its_tokens_can_no_longer_be_used(world, administrator, supervisor):
    token, _ = issue(supervisor, reseller=world.reseller_2)
    DID.objects.filter(operator=world.operator_2).delete()
    world.operator_2.delete()
    browser, address = client_of(administrator), f"/resellers/{world.reseller_2.pk}/delete/"
    page = read(browser.get(address))
    assert "It has 1 usable API token." in page and "Delete them first, and revoke API tokens." in page
    token.revoke(by=supervisor)
    assert "Reseller 2 deleted." in read(browser.post(address, follow=True))
    page = read(client_of(supervisor).get("/tokens/?state=revoked"))
    assert '<td class="col-reseller"><span class="cut">Deleted reseller</span></td>' in page


def test_the_audit_log_shows_what_a_token_may_do_in_words_of_the_form(administrator):
    issue(administrator, networks="203.0.113.64/27")
    page = read(client_of(administrator).get(f"/audit/{Change.objects.latest('pk').pk}/"))
    assert "dids:write" in page and "203.0.113.64/27" in page and "1 API token" in page


def test_changes_of_tokens_offer_no_undo_and_say_what_to_do_instead(administrator):
    token, _header = issue(administrator)
    token.revoke(by=administrator)
    browser = client_of(administrator)
    sentences = ("Revoke it under API.", "A revoked token stays revoked. Create another one.")
    for change, sentence in zip(reversed(Change.objects.order_by("-pk")[:2]), sentences, strict=True):
        assert f"/audit/{change.pk}/undo/" not in browser.get(f"/audit/{change.pk}/").content.decode()
        assert sentence in browser.get(f"/audit/{change.pk}/undo/").content.decode()


def test_the_examples_name_the_variables_to_set_first(supervisor):
    page = read(client_of(supervisor).get("/tokens/"))
    used = {name for _, command, _ in examples("/api/v1") for name in re.findall(r"\$([A-Z]+)", command)}
    assert used == set(re.findall(r"^([A-Z]+)=", VARIABLES, re.M)) and VARIABLES in page
    assert "this really writes" in page


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_secret_is_selected_and_stays_until_the_box_is_ticked(page_of):
    user = member("Supervisor")
    page = page_of(user)
    page.goto("/tokens/")
    page.get_by_role("link", name="New Token").first.click()
    dialog = page.locator("#dialog-slot dialog[open]")
    dialog.get_by_label("Name", exact=True).fill("portal")
    dialog.get_by_role("button", name="Create token").click()
    dialog.locator(".field-error").first.wait_for()
    found = violations(page)
    assert found == [], "\n".join(found)
    dialog.get_by_label("dids: read").check()
    dialog.get_by_role("button", name="Create token").click()
    secret = page.get_by_label("The token with its secret")
    secret.wait_for()
    assert TEXT.fullmatch(page.evaluate("getSelection().toString()"))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close").click()
    assert secret.is_visible() and violations(page) == []
    page.get_by_label("I have stored the secret").check()
    page.get_by_role("button", name="Close").click()
    page.get_by_text("The token “portal” is created.").wait_for()
    assert violations(page) == []
    assert not secret.is_visible()
