"""The five roles, their permissions, and the migration that creates them."""

from itertools import pairwise

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit import triggers
from dids.lifecycle import statuses as status
from tests import roles
from tests.world import member

pytestmark = pytest.mark.django_db

ROLES = ["Viewer", "Clerk", "Provisioner", "Supervisor", "Administrator"]


def rights_of(role):
    pairs = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in pairs}


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("Viewer", "dids.view_did dids.export_did clients.view_reseller jobs.view_job", "dids.change_did"),
        (
            "Clerk",
            "dids.add_did dids.import_did operators.change_operator",
            "dids.assign_did clients.add_client",
        ),
        ("Provisioner", "dids.assign_did dids.hold_did clients.change_package", "dids.end_hold_did"),
        (
            "Supervisor",
            "dids.end_hold_did dids.restore_did dids.delete_did operators.delete_operator audit.undo_change",
            "staff.add_user clients.add_reseller",
        ),
        ("Administrator", "staff.add_user clients.delete_reseller auth.view_group", "auth.change_group"),
    ],
)
def test_a_role_has_its_permissions_and_not_those_of_higher_roles(role, may, may_not):
    user = member(role)
    assert [right for right in may.split() if not user.has_perm(right)] == []
    assert [right for right in may_not.split() if user.has_perm(right)] == []


def test_each_role_has_all_permissions_of_the_previous_one():
    for lower, higher in pairwise(ROLES):
        assert rights_of(lower) < rights_of(higher)


def test_a_viewer_changes_nothing():
    assert {right.split(".")[1].split("_")[0] for right in rights_of("Viewer")} == {"view", "export"}


def test_every_move_can_be_made_by_some_role():
    needed = {f"dids.{move.right}" for move in status.MOVES.values()}
    assert needed <= rights_of("Supervisor")


@pytest.mark.django_db(transaction=True)
@pytest.mark.owner
def test_the_roles_can_be_removed_and_created_again_before_any_permission_exists():
    before = {role: rights_of(role) for role in ROLES}
    call_command("migrate", "staff", "0001", verbosity=0)
    try:
        assert not Group.objects.filter(name__in=ROLES).exists()
        Permission.objects.all().delete()
        executor = MigrationExecutor(connection)
        if connection.vendor == "sqlite":
            triggers.drop(connection)  # as the command does, because they name columns that come back later
        executor.migrate(executor.loader.graph.leaf_nodes())
        assert {role: rights_of(role) for role in ROLES} == before
    finally:
        call_command("migrate", verbosity=0)
        roles.grant()
