"""What users may do: permissions in plain words, and the rule that nobody grants more than they have."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, OuterRef, Q

from didmgmt.statements import Statement
from staff.models import User

# {area: {permission: what it allows}}, in the order of forms. Other permissions of Django's have no effect.
AREAS = {
    "Numbers": {
        "dids.view_did": "See numbers",
        "dids.export_did": "Export numbers",
        "dids.add_did": "Create numbers",
        "dids.change_did": "Edit numbers, reserve, stock and archive them, and set stock levels",
        "dids.import_did": "Import numbers",
        "dids.assign_did": "Assign numbers to clients",
        "dids.block_did": "Block and unblock numbers",
        "dids.hold_did": "Put numbers on Hold",
        "dids.end_hold_did": "End a hold early",
        "dids.restore_did": "Restore numbers from the Archive",
        "dids.delete_did": "Delete numbers",
        "dids.override_ageing": "Pass numbers on before their minimum hold is over, with a reason",
        "dids.change_ageingrule": "Set and accept minimum holds",
        "dids.change_patternrule": "Set the rules that mark special numbers",
    },
    "Operators": {
        "operators.view_operator": "See operators",
        "operators.add_operator": "Create operators",
        "operators.change_operator": "Edit operators",
        "operators.delete_operator": "Delete operators",
    },
    "Clients and packages": {
        "clients.view_client": "See clients",
        "clients.add_client": "Create clients",
        "clients.change_client": "Edit, close and reopen clients",
        "clients.delete_client": "Delete clients",
        "clients.view_account": "See accounts",
        "clients.add_account": "Create accounts",
        "clients.change_account": "Edit accounts",
        "clients.delete_account": "Delete accounts",
        "clients.view_package": "See packages",
        "clients.add_package": "Create packages",
        "clients.change_package": "Edit and archive packages",
        "clients.delete_package": "Delete packages",
        "dids.view_clientpackage": "See which packages clients have",
        "dids.add_clientpackage": "Give packages to clients",
        "dids.change_clientpackage": "Switch the packages of clients on and off, and set their ends",
        "dids.delete_clientpackage": "Take packages from clients",
    },
    "History and jobs": {
        "audit.view_change": "See the audit log and who had a number",
        "audit.undo_change": "Undo changes",
        "jobs.view_job": "See their own jobs",
    },
    "Webhooks": {
        "events.view_endpoint": "See webhooks and what was sent to them",
        "events.change_endpoint": "Create, edit and delete webhooks, and send events again",
    },
    "Resellers": {
        "clients.view_reseller": "See the names of resellers",
        "clients.add_reseller": "Create resellers",
        "clients.change_reseller": "Edit resellers",
        "clients.delete_reseller": "Delete resellers",
    },
    "People": {
        "staff.view_user": "See people",
        "staff.add_user": "Create people",
        "staff.change_user": "Edit and deactivate people, set passwords, and see the jobs of others",
        "staff.delete_user": "Delete people who have done nothing yet",
        "staff.add_token": "Create API tokens, by which programs use their rights",
        "auth.view_group": "See roles",
        "auth.add_group": "Create roles",
        "auth.change_group": "Edit roles",
        "auth.delete_group": "Delete roles",
    },
}
_WORDS = {permission: words for rights in AREAS.values() for permission, words in rights.items()}


def _through(model, name):
    return model._meta.get_field(name).remote_field.through.objects


_granted = Statement(
    lambda user: (
        Permission.objects.order_by()
        .filter(
            Q(pk__in=_through(User, "user_permissions").filter(user=user).values("permission"))
            | Q(
                pk__in=_through(Group, "permissions")
                .filter(group__in=_through(User, "groups").filter(user=user).values("group"))
                .values("permission")
            )
        )
        .values_list("content_type__app_label", "codename")
    )
)


def granted_to(pk):
    """Return the permissions of a user, given by its primary key, such as {"dids.view_did"}; one query.

    Being a superuser is not counted.
    """
    return {f"{app}.{codename}" for app, codename in _granted.rows(user=pk)}


def in_words(permission):
    """Return what a permission such as "dids.delete_did" allows; itself if it is none of ours."""
    return _WORDS.get(permission, permission)


def code(permission):
    """Return "dids.delete_did" for a ``Permission`` with its content type."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def rights_of(person):
    """Return the permissions granted to a user, active or not; being a superuser is not counted."""
    return Permission.objects.filter(Q(group__user=person) | Q(user=person))


def holders(right):
    """Return the active users who have a permission such as "dids.view_did", superusers among them."""
    app, _, codename = right.partition(".")
    wanted = Permission.objects.filter(content_type__app_label=app, codename=codename)
    by_role = Group.objects.filter(permissions__in=wanted, user=OuterRef("pk"))
    alone = wanted.filter(user=OuterRef("pk"))
    return User.objects.filter(Q(is_superuser=True) | Exists(by_role) | Exists(alone), is_active=True)


def rights_beyond(person):
    """Return the permissions that a user lacks."""
    if person.is_superuser:
        return Permission.objects.none()
    return Permission.objects.exclude(pk__in=rights_of(person).values("pk"))


def permissions_named(codes):
    """Return the ``Permission`` rows of codes such as "dids.delete_did"."""
    found = Permission.objects.select_related("content_type")
    found = found.filter(codename__in={one.partition(".")[2] for one in codes})
    return [permission for permission in found if code(permission) in codes]


def by_area(permissions):
    """Return [(area, [what it allows])] for permissions with their content types, without empty areas."""
    held = {code(permission) for permission in permissions}
    found = {area: [words for right, words in of.items() if right in held] for area, of in AREAS.items()}
    return [(area, words) for area, words in found.items() if words]
