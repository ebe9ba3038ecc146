"""The triggers that keep when a client last left which number, and those of roles, which a migration dropped."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# Of a table that stays when the one that these triggers write is dropped
DROP = "DROP FUNCTION dids_release_count() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("audit", "0020_ageing"), ("dids", "0023_ageing"), ("staff", "0012_ageing_rights")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql")), RunPostgreSQL(RunPostgreSQL.noop, DROP)]
