"""The triggers that keep the records of users and roles."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# Of tables that stay when the records that these triggers write are dropped
DROP = (
    "DROP FUNCTION staff_staffrecord_write(), staff_rolerecord_write(), staff_user_password_write() CASCADE"
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_resumes_as_triggers"), ("staff", "0004_role_records")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql")), RunPostgreSQL(RunPostgreSQL.noop, DROP)]
