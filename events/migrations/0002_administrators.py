"""Let administrators manage webhooks.

Roles without history are recorded as found, see the migration of ``staff`` that gives the right to create
tokens.
"""

from pathlib import Path

from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# The triggers that would record it as written outside the application
DROP = "DROP FUNCTION IF EXISTS staff_rolerecord_write(), staff_rolerecordhistory_write() CASCADE"
TRIGGERS = Path(settings.BASE_DIR, "audit", "migrations", "0013_token_triggers.sql")


def give_rights(apps, schema_editor):
    using = schema_editor.connection.alias
    app_config = apps.get_app_config("events")
    app_config.models_module = True
    create_permissions(app_config, verbosity=0, using=using, apps=apps)
    app_config.models_module = None
    rights = apps.get_model("auth", "Permission").objects.using(using)
    rights = rights.filter(
        content_type__app_label="events", codename__in=["view_endpoint", "change_endpoint"]
    )
    records = apps.get_model("staff", "RoleRecord").objects.using(using)
    history = apps.get_model("staff", "RoleRecordHistory").objects.using(using)
    for role in apps.get_model("auth", "Group").objects.using(using).filter(name="Administrator"):
        role.permissions.add(*rights)
        if not history.filter(object_id=role.pk).exists():
            held = role.permissions.values_list("content_type__app_label", "codename")
            names = sorted(f"{app}.{codename}" for app, codename in held)
            records.filter(pk=role.pk).update(permissions=", ".join(names))


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0013_token_triggers"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("events", "0001_webhooks"),
        ("staff", "0008_token_right"),
    ]
    operations = [
        RunPostgreSQL(DROP, RunPostgreSQL.noop),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
        CreateTriggers(TRIGGERS),
    ]
