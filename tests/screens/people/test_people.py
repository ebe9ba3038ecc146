"""Administrators manage people: nobody gains permissions with it, and nobody is locked out."""

import pytest
from django.contrib.auth.models import Group, Permission

import audit
from audit.models import Change
from operators.models import Operator
from staff.models import StaffRecordHistory, User
from staff.people import RefusedError, set_active
from tests.world import PASSWORD, client_of, member

pytestmark = pytest.mark.django_db
NEW = {"password1": "battery-staple-7", "password2": "battery-staple-7"}
ANOTHER = {"new_password1": "horse-staple-8", "new_password2": "horse-staple-8"}


def role(name):
    return Group.objects.get(name=name)


def sent(person, **changes):
    """Return what the form of a person sends, with ``changes``."""
    names = ("username", "first_name", "last_name", "email")
    fields = {name: getattr(person, name) for name in names} | {"reseller": person.reseller_id or ""}
    return fields | {"groups": [*person.groups.values_list("pk", flat=True)]} | changes


def save(browser, person, **changes):
    return browser.post(f"/people/{person.pk}/", sent(person, **changes))


def read(response):
    return response.content.decode()


def test_a_person_is_created_with_a_role_and_a_reseller_in_one_change(administrator, world):
    browser = client_of(administrator)
    fields = {"username": "nina", "reseller": world.reseller.pk, "groups": [role("Clerk").pk]} | NEW
    assert browser.post("/people/new/", fields).url == "/people/"
    nina = User.objects.get(username="nina")
    assert nina.has_perm("dids.add_did") and nina.reseller == world.reseller
    assert nina.check_password(NEW["password1"])
    changes = {row.change for row in StaffRecordHistory.objects.filter(object_id=nina.pk)}
    assert [(c.actor, c.label, c.source) for c in changes] == [
        (administrator, "New user nina", "/people/new/")
    ]
    page = read(browser.get("/people/?name=nin"))
    assert "Person nina saved." in page and "Clerk" in page and "Reseller 1" in page


def test_a_new_person_is_created_once_however_often_the_form_is_sent(administrator):
    browser = client_of(administrator)
    fields = {"username": "nina", "form_token": "x"} | NEW
    first, second = (browser.post("/people/new/", fields) for _ in range(2))
    assert first.url == second.url == "/people/"
    assert "already done" in read(browser.get("/people/"))
    assert Change.objects.filter(label="New user nina").count() == 1


def test_what_is_wrong_with_a_new_person_is_said_at_its_field(administrator):
    fields = {"username": "administrator", "password1": "abc", "password2": "abd"}
    page = read(client_of(administrator).post("/people/new/", fields))
    assert "There is already a person with this user name." in page
    assert "The two passwords differ." in page


WEAK = {
    "1234567": ["has fewer than 8 characters", "is one of the most common ones", "has only digits"],
    "nina.ross": ["is too much like the user name, name or email address"],
}


@pytest.mark.parametrize(("password", "reasons"), WEAK.items(), ids=list(WEAK))
def test_a_weak_password_is_refused_in_the_same_words_everywhere(administrator, password, reasons):
    nina = member("Clerk", username="nina.ross")
    forms = {
        "/people/new/": (
            administrator,
            {"username": "nina.roos", "password1": password, "password2": password},
        ),
        f"/people/{nina.pk}/password/": (
            administrator,
            {"new_password1": password, "new_password2": password},
        ),
        "/password/": (
            nina,
            {"old_password": PASSWORD, "new_password1": password, "new_password2": password},
        ),
    }
    for address, (who, fields) in forms.items():
        browser = client_of(who)
        form = read(browser.get(address))
        assert "At least 8 characters, not only digits, and not like the user name." in form, address
        page = read(browser.post(address, fields))
        for reason in reasons:
            assert f"This password {reason}" in page, (address, reason)
        for django in ("Your password", "too similar", "too common", "Old password", "confirmation"):
            assert django not in form + page, address


def test_an_edit_writes_what_was_changed_and_says_who_did_it(administrator, viewer):
    User.objects.filter(pk=viewer.pk).update(last_name="Kept")
    assert (
        save(client_of(administrator), viewer, last_name="Kept", groups=[role("Clerk").pk]).status_code == 302
    )
    viewer = User.objects.get(pk=viewer.pk)
    assert (viewer.last_name, viewer.groups.get().name) == ("Kept", "Clerk")
    last = StaffRecordHistory.objects.filter(object_id=viewer.pk).latest("history_id")
    assert (last.roles, last.change.actor, last.change.label) == (
        "Clerk",
        administrator,
        "User viewer edited",
    )
    changes = Change.objects.count()
    save(client_of(administrator), viewer)
    assert Change.objects.count() == changes


def test_a_deactivated_person_is_signed_out_and_can_be_activated_again(administrator, viewer):
    browser, theirs = client_of(administrator), client_of(viewer)
    assert "can’t sign in any more" in read(browser.get(f"/people/{viewer.pk}/deactivate/"))
    browser.post(f"/people/{viewer.pk}/deactivate/")
    assert theirs.get("/dids/").url.startswith("/login/")
    assert "Deactivated" in read(browser.get("/people/?active=no"))
    browser.post(f"/people/{viewer.pk}/activate/")
    assert client_of(viewer).get("/clients/").status_code == 200
    labels = [c.label for c in Change.objects.filter(kind="staff").order_by("pk")]
    assert labels == ["User viewer deactivated", "User viewer activated"]


def test_a_new_password_ends_the_sessions_of_its_person(administrator, viewer):
    theirs, url = client_of(viewer), f"/people/{viewer.pk}/password/"
    opened = read(client_of(administrator).get(url))
    assert "The person can change it after signing in." in opened and "Your password" not in opened
    wrong = ANOTHER | {"new_password2": "another"}
    assert "The two passwords differ." in read(client_of(administrator).post(url, wrong))
    assert client_of(administrator).post(url, ANOTHER).status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password(ANOTHER["new_password1"])
    assert theirs.get("/dids/").url.startswith("/login/")
    assert Change.objects.latest("pk").label == "New password of user viewer"


LOCK_OUT = {
    "deactivate": ("deactivate/", {}, "You can’t deactivate yourself."),
    "delete": ("delete/", {}, "You can’t delete yourself."),
    "role": ("", {"groups": []}, "You would lose your own permission to manage people."),
    "reseller": ("", {"reseller": "{reseller}"}, "You would lose your own permission to manage people."),
}


@pytest.mark.parametrize("act", LOCK_OUT)
def test_nobody_locks_themselves_out(administrator, world, act):
    path, changes, sentence = LOCK_OUT[act]
    changes = {key: world.reseller.pk if value == "{reseller}" else value for key, value in changes.items()}
    before = Change.objects.count()
    answer = client_of(administrator).post(
        f"/people/{administrator.pk}/{path}", sent(administrator, **changes)
    )
    assert answer.status_code == 422 and sentence in read(answer)
    administrator = User.objects.get(pk=administrator.pk)
    assert administrator.is_active and administrator.reseller is None and administrator.groups.exists()
    assert Change.objects.count() == before


def test_of_two_who_deactivate_one_another_one_stays(administrator):
    other = member("Administrator", username="other")
    set_active(other, active=False, by=administrator)
    with pytest.raises(RefusedError, match="Nobody would be left who can manage people"):
        set_active(administrator, active=False, by=other)  # whose request had begun before
    assert User.objects.get(pk=administrator.pk).is_active


def test_administrators_neither_see_nor_edit_superusers(administrator):
    root, browser = User.objects.create_superuser("root", password=PASSWORD), client_of(administrator)
    assert "root" not in read(browser.get("/people/"))
    for act in ("", "password/", "deactivate/", "delete/"):
        assert browser.post(f"/people/{root.pk}/{act}", sent(root) | ANOTHER).status_code == 404
    assert User.objects.get(pk=root.pk).check_password(PASSWORD)
    page = read(client_of(root).get("/people/"))
    assert "root" in page and "Superuser" in page


def test_an_administrator_cannot_make_a_superuser_and_a_superuser_can(administrator, viewer):
    for person in (viewer, administrator):
        save(client_of(administrator), person, is_superuser="on")
        assert not User.objects.get(pk=person.pk).is_superuser
    root = User.objects.create_superuser("root", password=PASSWORD)
    save(client_of(root), viewer, is_superuser="on")
    assert User.objects.get(pk=viewer.pk).is_superuser


def test_a_role_with_more_permissions_is_neither_offered_nor_given(administrator, viewer):
    bosses = Group.objects.create(name="Bosses")
    bosses.permissions.add(Permission.objects.get(codename="delete_group"))
    browser = client_of(administrator)
    assert "Bosses" not in read(browser.get(f"/people/{viewer.pk}/"))
    assert "This option doesn’t exist" in read(save(browser, viewer, groups=[bosses.pk]))
    assert not viewer.groups.filter(pk=bosses.pk).exists()


@pytest.mark.parametrize("active", [True, False])
def test_a_person_with_more_permissions_is_shown_but_not_edited(administrator, active):
    boss = member("Administrator", username="boss", is_active=active)
    boss.user_permissions.add(Permission.objects.get(codename="delete_group"))
    browser = client_of(administrator)
    page = read(browser.get("/people/"))
    assert "boss" in page and f"/people/{boss.pk}/" not in page
    for act in ("", "password/", "deactivate/", "activate/", "delete/"):
        assert browser.post(f"/people/{boss.pk}/{act}", sent(boss) | ANOTHER).status_code == 403
    assert User.objects.get(pk=boss.pk).is_active == active


def test_a_person_with_changes_stays_on_record(administrator, clerk, world):
    with audit.change("operator", by=clerk):
        Operator.objects.update(name="Renamed")
    browser = client_of(administrator)
    for answer in (browser.get(f"/people/{clerk.pk}/delete/"), browser.post(f"/people/{clerk.pk}/delete/")):
        assert "clerk is on record with 1 change. Deactivate clerk instead" in read(answer)
    assert User.objects.filter(pk=clerk.pk).exists()


def test_a_person_without_traces_can_be_deleted(administrator, viewer):
    assert client_of(administrator).post(f"/people/{viewer.pk}/delete/").status_code == 302
    assert not User.objects.filter(pk=viewer.pk).exists()
    last = StaffRecordHistory.objects.filter(object_id=viewer.pk).latest("history_id")
    assert (last.event, last.change.label) == ("-", "User viewer deleted")


def test_the_list_costs_no_query_per_person(administrator, django_assert_max_num_queries):
    for n in range(12):
        member("Clerk", username=f"clerk{n}")
    browser = client_of(administrator)
    with django_assert_max_num_queries(14):
        assert "clerk11" in read(browser.get("/people/?role=" + str(role("Clerk").pk)))


def test_people_bound_to_a_reseller_and_others_have_no_way_in(administrator, world, clerk):
    assert "/people/" in read(client_of(administrator).get("/dids/"))
    User.objects.filter(pk=administrator.pk).update(reseller=world.reseller)
    for user in (administrator, clerk):
        assert client_of(user).get("/people/").status_code == 403
        assert "/people/" not in read(client_of(user).get("/dids/"))
