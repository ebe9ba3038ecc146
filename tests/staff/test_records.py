"""Whatever writes users, their roles or a role's permissions, history has it: who, when and what."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser

import audit
from audit import history
from audit.models import Change, Touched
from dids.history.external_writes import ExternalWrite
from staff import records
from staff.models import RoleRecord, RoleRecordHistory, StaffRecord, StaffRecordHistory, User
from tests.audit.forging import forge, verify
from tests.world import PASSWORD, client_of

pytestmark = pytest.mark.django_db


def execute(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def rows_of(user):
    return StaffRecordHistory.objects.filter(object_id=user.pk).order_by("history_id")


def rows_of_role(role):
    return RoleRecordHistory.objects.filter(object_id=role.pk).order_by("history_id")


def microsecond_of(row):
    return ExternalWrite(row.at, StaffRecord, 1, []).microsecond


def permission(name):
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def test_the_first_change_of_a_role_records_what_it_was_before(db):
    role = Group.objects.get(name="Viewer")
    assert RoleRecord.objects.get(pk=role.pk).permissions.count(", ") == role.permissions.count() - 1
    role.permissions.clear()
    assert "dids.view_did" in rows_of_role(role).first().permissions
    assert rows_of_role(role).last().permissions == ""


def test_every_write_of_a_user_has_a_row_without_password_and_sign_in(viewer, world):
    User.objects.filter(pk=viewer.pk).update(email="vi@example.com", reseller=world.reseller)
    viewer.groups.add(Group.objects.get(name="Clerk"))
    execute("UPDATE staff_user SET is_active = %s WHERE id = %s", False, viewer.pk)
    viewer.user_permissions.add(permission("dids.delete_did"))
    viewer.groups.clear()
    found = [(r.event, r.email, r.reseller_id, r.roles, r.active, r.permissions) for r in rows_of(viewer)]
    assert found[-5:] == [
        ("~", "vi@example.com", world.reseller.pk, "Viewer", True, ""),
        ("~", "vi@example.com", world.reseller.pk, "Clerk, Viewer", True, ""),
        ("~", "vi@example.com", world.reseller.pk, "Clerk, Viewer", False, ""),
        ("~", "vi@example.com", world.reseller.pk, "Clerk, Viewer", False, "dids.delete_did"),
        ("~", "vi@example.com", world.reseller.pk, "", False, "dids.delete_did"),
    ] or found[-2][3] in ("Clerk", "Viewer")  # SQLite has a row for each role
    columns = {column for _, column in history.columns(StaffRecord)}
    assert not columns & {"password", "last_login"}


def test_every_write_of_a_role_has_a_row(viewer):
    role, right = Group.objects.get(name="Viewer"), permission("dids.delete_did")
    role.permissions.add(right)
    execute(
        "DELETE FROM auth_group_permissions WHERE permission_id = %s AND group_id = %s", right.pk, role.pk
    )
    Group.objects.filter(pk=role.pk).update(name="Seer")
    given, taken, renamed = rows_of_role(role)[1:]  # the first one is what it was before
    assert "dids.delete_did" in given.permissions and "dids.delete_did" not in taken.permissions
    assert (renamed.name, renamed.permissions) == ("Seer", taken.permissions)
    assert rows_of(viewer).last().roles == "Seer"
    Group.objects.get(pk=role.pk).delete()
    assert rows_of_role(role).last().event == "-"
    assert rows_of(viewer).last().roles == ""


def test_a_write_outside_of_a_change_is_listed_as_made_outside_the_application(administrator, viewer):
    execute("UPDATE staff_user SET is_superuser = %s WHERE id = %s", True, viewer.pk)
    row = rows_of(viewer).last()
    assert (row.superuser, row.change) == (True, None)
    outside = client_of(administrator).get(f"/audit/outside/staffrecord/{microsecond_of(row)}/")
    assert "Superuser" in outside.content.decode()


def test_a_new_password_is_recorded_however_it_is_set_and_never_its_value(viewer):
    for write in (
        lambda: (viewer.set_password("battery-staple-7"), viewer.save()),
        lambda: execute("UPDATE staff_user SET password = 'forged' WHERE id = %s", viewer.pk),
    ):
        before, rows = rows_of(viewer).last().password_set_at, rows_of(viewer).count()
        write()
        assert rows_of(viewer).count() == rows + 1 and rows_of(viewer).last().password_set_at > before
    stored = User.objects.values_list("password", flat=True)
    assert not {value for row in StaffRecordHistory.objects.values() for value in row.values()} & {*stored}
    assert (
        User.objects.create_user("robot").pk
        and rows_of(User.objects.get(username="robot"))[0].password_set_at is None
    )


def test_signing_in_writes_no_history_unless_the_hash_is_renewed(viewer, settings):
    rows = rows_of(viewer).count()
    Browser().post("/login/", {"username": viewer.username, "password": PASSWORD})
    viewer.refresh_from_db()
    assert viewer.last_login and rows_of(viewer).count() == rows
    hashers = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    settings.PASSWORD_HASHERS = hashers
    Browser().post("/login/", {"username": viewer.username, "password": PASSWORD})
    change = rows_of(viewer).last().change
    assert (change.actor_name, change.label) == ("system", "Password hash of viewer renewed at sign-in")


def test_bound_people_see_the_records_of_their_reseller_only(world, administrator, stranger, owner):
    role = Group.objects.get(name="Supervisor")
    with audit.change("staff", by=administrator, label="Role Supervisor edited") as change:
        Group.objects.filter(pk=role.pk).update(name="Boss of it all")
    counted = dict(Touched.objects.filter(change=change).values_list("kind", "reseller_id"))
    assert counted == {"rolerecord": None, "staffrecord": world.reseller.pk}
    assert client_of(stranger).get(f"/audit/{change.pk}/").status_code == 404
    seen = client_of(owner).get(f"/audit/{change.pk}/").content.decode()
    assert "owner" in seen and "Role Supervisor edited" not in seen and "1 role" not in seen
    assert "Boss of it all" in client_of(administrator).get(f"/audit/{change.pk}/").content.decode()


def test_a_page_of_the_audit_log_says_in_plain_words_what_a_role_got_and_lost(administrator):
    role = Group.objects.get(name="Viewer")
    with audit.change("staff", by=administrator, label="Role Viewer edited") as change:
        role.permissions.add(permission("dids.delete_did"))
    page = client_of(administrator).get(f"/audit/{change.pk}/").content.decode()
    assert "Delete numbers" in page and "See numbers" not in page


def test_a_forged_role_is_found(viewer, own_seal_log):
    right = permission("dids.delete_did")
    forge(f"UPDATE auth_group_permissions SET permission_id = {right.pk} WHERE id = 1")
    assert "staff_rolerecord: roles changed without a record: 1 (id" in verify()


def test_what_no_trigger_has_seen_is_recorded_by_the_next_migration(viewer):
    StaffRecord.objects.filter(pk=viewer.pk).update(roles="Nothing")
    records.catch_up()
    row = rows_of(viewer).last()
    assert (row.roles, row.change.label, row.change.actor_name) == (
        "Viewer",
        "Users and roles as found",
        "system",
    )
    changes = Change.objects.count()
    records.catch_up()
    assert Change.objects.count() == changes


def test_a_superuser_of_the_command_line_is_the_systems(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="root", email="", verbosity=0)
    row = rows_of(User.objects.get(username="root")).get()
    assert (row.superuser, row.change.actor_name, row.change.label) == (True, "system", "New superuser")


def test_own_settings_and_passwords_are_recorded_with_who_changed_them(viewer):
    client_of(viewer).post("/me/", {"first_name": "Vi", "last_name": "Ewer", "time_zone": "UTC"})
    assert (rows_of(viewer).last().person, rows_of(viewer).last().change.actor) == ("Vi Ewer", viewer)
    new = {"new_password1": "horse-staple-8", "new_password2": "horse-staple-8"}
    client_of(viewer).post("/password/", {"old_password": PASSWORD} | new)
    assert rows_of(viewer).last().change.label == "User viewer edited"
