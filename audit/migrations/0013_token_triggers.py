"""The triggers that keep the records of API tokens."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# Of tables that stay when the records that these triggers write are dropped
DROP = "DROP FUNCTION staff_tokenrecord_write() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("audit", "0012_first_id_triggers"), ("staff", "0008_token_right")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql")), RunPostgreSQL(RunPostgreSQL.noop, DROP)]
