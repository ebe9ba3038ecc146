"""Create the five roles as groups. Each has the permissions of the previous one and some of its own."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

APPS = ("audit", "clients", "staff", "operators", "jobs", "dids")

ROLES = {
    "Viewer": {
        "dids": "view_did export_did view_clientpackage",
        "operators": "view_operator",
        "clients": "view_reseller view_client view_account view_package",
        "audit": "view_change",
        "jobs": "view_job",
    },
    "Clerk": {
        "dids": "add_did change_did import_did",
        "operators": "add_operator change_operator",
    },
    "Provisioner": {
        "dids": "assign_did block_did hold_did add_clientpackage change_clientpackage",
        "clients": "add_client change_client add_account change_account add_package change_package",
    },
    "Supervisor": {
        "dids": "end_hold_did restore_did delete_did delete_clientpackage",
        "operators": "delete_operator",
        "clients": "delete_client delete_account delete_package",
        "audit": "undo_change",
    },
    "Administrator": {
        "staff": "view_user add_user change_user delete_user",
        "auth": "view_group",
        "clients": "add_reseller change_reseller delete_reseller",
    },
}


def create_roles(apps, schema_editor):
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    using = schema_editor.connection.alias
    # Django creates permissions after the last migration, and they are needed now.
    for app_config in apps.get_app_configs():
        if app_config.label in (*APPS, "auth"):
            app_config.models_module = True
            create_permissions(app_config, verbosity=0, using=using, apps=apps)
            app_config.models_module = None
    rights = []
    for role, own in ROLES.items():
        for app, codenames in own.items():
            rights += [
                Permission.objects.using(using).get(content_type__app_label=app, codename=codename)
                for codename in codenames.split()
            ]
        Group.objects.using(using).get_or_create(name=role)[0].permissions.add(*rights)


def remove_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Group.objects.using(schema_editor.connection.alias).filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("audit", "0002_initial"),
        ("clients", "0001_initial"),
        ("dids", "0001_initial"),
        ("jobs", "0001_initial"),
        ("operators", "0001_initial"),
        ("staff", "0001_initial"),
    ]
    operations = [migrations.RunPython(create_roles, remove_roles)]
