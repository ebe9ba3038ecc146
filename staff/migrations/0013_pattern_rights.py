"""Give administrators the permission to set the rules that mark special numbers.

A role without history is recorded as found, so that a new installation starts without changes; that of another
one is recorded as a change of the system's after the migrations, see ``staff.records.catch_up``.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from didmgmt.operations import RunPostgreSQL

ROLES = ("Administrator",)
RIGHTS = ("change_patternrule",)
# The triggers that would record it as written outside the application; the next migration of audit, which
# depends on this one, creates them again.
DROP = "DROP FUNCTION IF EXISTS staff_rolerecord_write(), staff_rolerecordhistory_write() CASCADE"


def give_rights(apps, schema_editor):
    using = schema_editor.connection.alias
    app_config = apps.get_app_config("dids")
    app_config.models_module = True
    create_permissions(app_config, verbosity=0, using=using, apps=apps)
    app_config.models_module = None
    rights = apps.get_model("auth", "Permission").objects.using(using)
    rights = rights.filter(content_type__app_label="dids", codename__in=RIGHTS)
    records = apps.get_model("staff", "RoleRecord").objects.using(using)
    history = apps.get_model("staff", "RoleRecordHistory").objects.using(using)
    for role in apps.get_model("auth", "Group").objects.using(using).filter(name__in=ROLES):
        role.permissions.add(*rights)
        if not history.filter(object_id=role.pk).exists():
            held = role.permissions.values_list("content_type__app_label", "codename")
            names = sorted(f"{app}.{codename}" for app, codename in held)
            records.filter(pk=role.pk).update(permissions=", ".join(names))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("dids", "0025_marks"),
        ("staff", "0012_ageing_rights"),
    ]
    operations = [
        RunPostgreSQL(DROP, RunPostgreSQL.noop),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]
