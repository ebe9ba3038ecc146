"""Roles say in plain words what they allow; superusers change them, and everything is in the audit log."""

import pytest
from django.contrib.auth.models import Group, Permission

from audit.models import Change
from staff.models import RoleRecordHistory, User
from staff.rights import AREAS, code
from tests.world import PASSWORD, client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db):
    return User.objects.create_superuser("root", password=PASSWORD)


def role(name):
    return Group.objects.get(name=name)


def sent(name, *rights):
    """Return what the form of a role sends: its name, and its permissions by area."""
    areas = {f"area_{n}": [r for r in rights if r in offered] for n, offered in enumerate(AREAS.values())}
    return {"name": name} | areas


def rights_of(role):
    return {code(right) for right in role.permissions.select_related("content_type")}


def read(response):
    return response.content.decode()


def test_every_permission_of_a_role_has_words_and_every_word_a_permission():
    words = {right for rights in AREAS.values() for right in rights}
    assert {right for each in Group.objects.all() for right in rights_of(each)} <= words
    assert words <= {code(right) for right in Permission.objects.select_related("content_type")}


def test_administrators_read_what_a_role_allows(administrator):
    browser, viewers = client_of(administrator), role("Viewer")
    page = read(browser.get("/roles/"))
    assert "See numbers; Export numbers" in page and "New Role" not in page
    dialog = read(browser.get(f"/roles/{viewers.pk}/"))
    assert "Viewer may" in dialog and "See numbers" in dialog and "<form" not in dialog.split("<dialog")[1]
    assert browser.post(f"/roles/{viewers.pk}/", sent("Seer")).status_code == 403


def test_a_superuser_changes_a_role_in_one_change(root):
    viewers, browser = role("Viewer"), client_of(root)
    rights = rights_of(viewers) - {"dids.export_did"} | {"dids.delete_did"}
    assert browser.post(f"/roles/{viewers.pk}/", sent("Seer", *rights)).url == "/roles/"
    viewers.refresh_from_db()
    assert (viewers.name, rights_of(viewers)) == ("Seer", rights)
    change = RoleRecordHistory.objects.filter(object_id=viewers.pk).latest("history_id").change
    assert (change.actor, change.label) == (root, "Role Seer edited")
    page = read(browser.get(f"/audit/{change.pk}/"))
    assert "Delete numbers" in page and "Export numbers" in page and "See clients" not in page


def test_a_role_is_created_once_and_deleted_when_nobody_has_it(root):
    browser = client_of(root)
    for _ in range(2):
        browser.post("/roles/new/", sent("Watcher", "dids.view_did") | {"form_token": "x"})
    watcher = role("Watcher")
    assert rights_of(watcher) == {"dids.view_did"}
    assert Change.objects.filter(label="New role Watcher").count() == 1
    someone = member("Watcher", username="wanda")
    for refused in (
        browser.get(f"/roles/{watcher.pk}/delete/"),
        browser.post(f"/roles/{watcher.pk}/delete/"),
    ):
        assert "1 person has the role Watcher. Give them another role first." in read(refused)
    someone.groups.clear()
    browser.post(f"/roles/{watcher.pk}/delete/")
    assert not Group.objects.filter(name="Watcher").exists()
    assert Change.objects.filter(label="Role Watcher deleted").exists()
    taken = browser.post("/roles/new/", sent("Viewer"))
    assert "There is already a role with this name." in read(taken)


def test_nobody_gives_a_role_more_than_they_have_or_takes_their_own_right(administrator):
    boss = role("Administrator")
    boss.permissions.add(Permission.objects.get(codename="change_group"))
    viewers, browser = role("Viewer"), client_of(administrator)
    browser.post(f"/roles/{viewers.pk}/", sent("Viewer", "dids.view_did", "auth.delete_group"))
    assert "auth.delete_group" not in rights_of(viewers)
    refused = browser.post(
        f"/roles/{boss.pk}/", sent("Administrator", *rights_of(boss) - {"staff.change_user"})
    )
    assert "You would lose your own permission to manage people." in read(refused)
    assert "staff.change_user" in rights_of(boss)
    viewers.permissions.add(Permission.objects.get(codename="delete_group"))
    assert browser.post(f"/roles/{viewers.pk}/", sent("Viewer")).status_code == 403
