"""The triggers that mark special numbers, and those of roles and packages, whose columns have changed."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# Of a table that stays when the one that these triggers write is dropped
DROP = "DROP FUNCTION dids_mark_insert(), dids_mark_update(), dids_mark_delete() CASCADE"


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0022_pattern_rules"),
        ("clients", "0003_allowed_classes"),
        ("dids", "0025_marks"),
        ("staff", "0013_pattern_rights"),
    ]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql")), RunPostgreSQL(RunPostgreSQL.noop, DROP)]
