"""Django's admin manages users and roles, and nobody gains permissions with it."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission

import audit
from operators.models import Operator
from staff.models import User
from tests.world import PASSWORD, client_of, member

PEOPLE = "/admin/staff/user/"


def form_of(page):
    """Return what the page's form would submit unchanged."""
    form = page.context["adminform"].form
    data = {
        name: form.initial.get(name) for name in form.fields if form.initial.get(name) not in (None, False)
    }
    return {name: [x.pk for x in value] if isinstance(value, list) else value for name, value in data.items()}


def save(browser, person, **changes):
    url = f"{PEOPLE}{person.pk}/change/"
    return browser.post(url, form_of(browser.get(url)) | changes)


def test_the_admin_has_users_and_roles_only(administrator):
    assert {model._meta.label for model in admin.site._registry} == {"staff.User", "auth.Group"}
    page = client_of(administrator).get("/admin/").content.decode()
    assert PEOPLE in page


@pytest.mark.parametrize("without", ["is_staff", "is_active", "reseller"])
def test_only_staff_not_bound_to_a_reseller_have_access(administrator, world, without):
    browser = client_of(administrator)
    assert browser.get("/admin/").status_code == 200
    setattr(administrator, without, world.reseller if without == "reseller" else False)
    administrator.save()
    assert browser.get("/admin/").status_code == (302 if without == "is_active" else 403)


def test_sign_in_uses_the_products_own_page(client, administrator):
    page = client.get("/admin/", follow=True)
    assert page.redirect_chain[-1][0] == "/login/?next=/admin/"
    signed_in = client.post(
        "/login/", {"username": administrator.username, "password": PASSWORD, "next": "/admin/"}
    )
    assert signed_in.url == "/admin/"


def test_an_administrator_creates_a_user_with_a_role_and_a_reseller(administrator, world):
    browser = client_of(administrator)
    password = {"password1": "battery-staple-7", "password2": "battery-staple-7", "usable_password": "true"}
    made = browser.post(f"{PEOPLE}add/", {"username": "nina", "reseller": world.reseller.pk} | password)
    nina = User.objects.get(username="nina")
    assert made.url == f"{PEOPLE}{nina.pk}/change/"
    clerks = Group.objects.get(name="Clerk")
    assert save(browser, nina, groups=[clerks.pk], time_zone="Europe/Berlin").status_code == 302
    nina = User.objects.get(pk=nina.pk)
    assert nina.has_perm("dids.add_did") and nina.reseller == world.reseller
    assert nina.time_zone == "Europe/Berlin"


def test_an_unknown_time_zone_is_refused_with_an_example(administrator, viewer):
    page = save(client_of(administrator), viewer, time_zone="Europe/Atlantis")
    assert "is not a time zone. Enter one like Europe/Berlin or UTC." in page.content.decode()


def test_an_administrator_cannot_make_a_superuser(administrator, viewer):
    browser = client_of(administrator)
    every = [permission.pk for permission in Permission.objects.all()]
    for person in (viewer, administrator):
        save(browser, person, is_superuser="on", user_permissions=every)
        person.refresh_from_db()
        assert not person.is_superuser
        assert not person.user_permissions.exists()


def test_administrators_neither_see_nor_edit_superusers(administrator):
    root = User.objects.create_superuser("root", password=PASSWORD)
    browser = client_of(administrator)
    assert "root" not in browser.get(PEOPLE).content.decode()
    for action in ("change", "delete", "password", "history"):
        answer = browser.post(f"{PEOPLE}{root.pk}/{action}/", {"password1": "x", "password2": "x"})
        assert answer.status_code in (302, 403, 404)
    assert User.objects.get(pk=root.pk).check_password(PASSWORD)


def test_a_group_with_more_permissions_is_not_offered(administrator, viewer):
    bosses = Group.objects.create(name="Bosses")
    bosses.permissions.add(Permission.objects.get(codename="delete_group"))
    page = save(client_of(administrator), viewer, groups=[bosses.pk])
    assert f"Select a valid choice. {bosses.pk} is not one of the available choices." in page.content.decode()
    assert not viewer.groups.filter(pk=bosses.pk).exists()


@pytest.mark.parametrize("active", [True, False])
def test_a_user_with_more_permissions_cannot_be_edited(administrator, active):
    boss = member("Administrator", username="boss", is_active=active)
    boss.user_permissions.add(Permission.objects.get(codename="delete_group"))
    browser = client_of(administrator)
    for action in ("change", "password", "delete"):
        answer = browser.post(f"{PEOPLE}{boss.pk}/{action}/", {"post": "yes"})
        assert answer.status_code == 403
    assert User.objects.filter(pk=boss.pk).exists()


def test_administrators_view_roles_and_superusers_change_them(administrator):
    url = f"/admin/auth/group/{Group.objects.get(name='Viewer').pk}/change/"
    assert client_of(administrator).get(url).status_code == 200
    assert client_of(administrator).post(url, {"name": "Seer"}).status_code == 403
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert client_of(root).post(url, {"name": "Seer"}).status_code == 302
    assert Group.objects.filter(name="Seer").exists()


def test_a_superuser_can_create_another(viewer):
    root = User.objects.create_superuser("root", password=PASSWORD)
    save(client_of(root), viewer, is_superuser="on")
    assert User.objects.get(pk=viewer.pk).is_superuser


def test_a_user_with_changes_cannot_be_deleted(administrator, clerk, world):
    with audit.change("operator", by=clerk):
        Operator.objects.update(name="Renamed")
    browser = client_of(administrator)
    for answer in (browser.get(f"{PEOPLE}{clerk.pk}/delete/"), browser.post(f"{PEOPLE}{clerk.pk}/delete/")):
        assert "clerk has made changes and stays on record." in answer.content.decode()
    assert User.objects.filter(pk=clerk.pk).exists()


def test_a_user_without_changes_can_be_deleted(administrator, viewer):
    browser = client_of(administrator)
    assert browser.post(f"{PEOPLE}{viewer.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=viewer.pk).exists()
