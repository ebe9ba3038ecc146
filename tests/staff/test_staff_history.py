"""Changes of users and roles are in the audit log: who gave whom what, and never a password."""

from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client as Browser

from audit import history
from audit.models import Change
from staff.models import StaffRecord, StaffRecordHistory, User
from tests.staff.test_staff_admin import PEOPLE, save
from tests.world import PASSWORD, client_of

NEW = {"password1": "battery-staple-7", "password2": "battery-staple-7", "usable_password": "true"}


def last_change():
    return Change.objects.filter(kind=Change.Kind.STAFF).latest("pk")


def shown(user, change):
    return client_of(user).get(f"/audit/{change.pk}/").content.decode()


def test_a_role_and_a_reseller_that_are_given_are_recorded_with_who_gave_them(administrator, viewer, world):
    clerks = Group.objects.get(name="Clerk")
    changes = {"groups": [clerks.pk], "reseller": world.reseller.pk, "username": "victor"}
    assert save(client_of(administrator), viewer, **changes).status_code == 302
    change = last_change()
    assert (change.actor, change.label, change.source) == (
        administrator,
        "User victor edited",
        f"{PEOPLE}{viewer.pk}/change/",
    )
    page = shown(administrator, change)
    for text in ("Viewer", "Clerk", "Reseller 1", "viewer", "victor"):
        assert text in page


def test_a_deactivation_is_recorded(administrator, viewer):
    save(client_of(administrator), viewer, is_active="")
    before, after = StaffRecordHistory.objects.filter(object_id=viewer.pk).order_by("history_id")
    assert (before.active, after.active) == (True, False)


def test_a_user_is_recorded_from_creation_to_deletion(administrator):
    browser = client_of(administrator)
    browser.post(f"{PEOPLE}add/", {"username": "nina"} | NEW)
    nina = User.objects.get(username="nina")
    browser.post(f"{PEOPLE}{nina.pk}/delete/", {"post": "yes"})
    rows = StaffRecordHistory.objects.filter(object_id=nina.pk).order_by("history_id")
    assert [(row.event, row.change.actor, row.change.label) for row in rows] == [
        ("+", administrator, "New user nina"),
        ("-", administrator, "User nina deleted"),
    ]
    assert rows[0].password_set_at


def test_a_password_that_is_set_is_recorded_without_its_value(administrator, viewer):
    client_of(administrator).post(f"{PEOPLE}{viewer.pk}/password/", NEW)
    assert last_change().actor == administrator
    first = StaffRecord.objects.get(pk=viewer.pk).password_set_at
    own = {
        "old_password": NEW["password1"],
        "new_password1": "horse-staple-8",
        "new_password2": "horse-staple-8",
    }
    client_of(User.objects.get(pk=viewer.pk)).post("/password/", own)
    assert last_change().actor == viewer
    assert StaffRecord.objects.get(pk=viewer.pk).password_set_at > first
    viewer.refresh_from_db()
    for row in StaffRecordHistory.objects.values():
        assert viewer.password not in map(str, row.values())


def test_history_has_no_column_for_passwords_and_sign_ins():
    columns = {column for _, column in history.columns(StaffRecord)}
    assert not columns & {"password", "last_login"}


def test_signing_in_writes_no_history(viewer):
    viewer.record(by=viewer)
    rows = StaffRecordHistory.objects.count()
    Browser().post("/login/", {"username": viewer.username, "password": PASSWORD})
    viewer.refresh_from_db()
    assert viewer.last_login
    assert StaffRecordHistory.objects.count() == rows


def test_own_settings_are_recorded(viewer):
    client_of(viewer).post("/me/", {"first_name": "Vi", "last_name": "Ewer", "time_zone": "UTC"})
    assert StaffRecord.objects.get(pk=viewer.pk).person == "Vi Ewer"


def test_a_bound_administrator_sees_their_branch_only(administrator, stranger, owner, viewer, world):
    for user in (owner, viewer):
        save(client_of(administrator), user, first_name="Renamed")
        assert client_of(stranger).get(f"/audit/{last_change().pk}/").status_code == 404
    save(client_of(administrator), stranger, first_name="Renamed")
    assert "Renamed" in shown(stranger, last_change())


def test_a_superuser_of_the_command_line_is_recorded(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="root", email="", verbosity=0)
    change = last_change()
    assert (change.actor_name, change.label) == ("system", "New user root")
    assert StaffRecord.objects.get(name="root").superuser


def test_what_was_changed_in_a_shell_is_recorded_as_the_systems(administrator, viewer):
    viewer.record(by=administrator)
    viewer.groups.add(Group.objects.get(name="Supervisor"))
    save(client_of(administrator), viewer, first_name="Vi")
    rows = StaffRecordHistory.objects.filter(object_id=viewer.pk).order_by("history_id")
    assert [(row.change.actor_name, row.roles) for row in rows] == [
        ("administrator", "Viewer"),
        ("system", "Supervisor, Viewer"),
        ("administrator", "Supervisor, Viewer"),
    ]


def test_a_permission_that_a_role_gets_is_recorded(administrator, stranger):
    root = User.objects.create_superuser("root", password=PASSWORD)
    role = Group.objects.get(name="Viewer")
    given = Permission.objects.get(codename="delete_did")
    kept = list(role.permissions.values_list("pk", flat=True))
    client_of(root).post(
        f"/admin/auth/group/{role.pk}/change/", {"name": role.name, "permissions": [*kept, given.pk]}
    )
    change = last_change()
    assert (change.label, change.data["given"], change.data["taken"]) == (
        "Role Viewer edited",
        ["delete_did"],
        [],
    )
    assert client_of(administrator).get(f"/audit/{change.pk}/").status_code == 200
    assert client_of(stranger).get(f"/audit/{change.pk}/").status_code == 404


def test_saving_without_a_change_records_nothing(administrator, viewer):
    viewer.record(by=administrator)
    rows = StaffRecordHistory.objects.count()
    save(client_of(administrator), viewer)
    assert StaffRecordHistory.objects.count() == rows


def test_a_change_of_a_user_is_not_undone_in_the_audit_log(administrator, supervisor, viewer):
    save(client_of(administrator), viewer, first_name="Vi")
    dialog = client_of(supervisor).get(f"/audit/{last_change().pk}/undo/").content.decode()
    assert "Changes of users and roles can&#x27;t be undone here." in dialog
