"""The triggers that write history, with the reservations of numbers."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# Of tables that stay when those that these triggers write are dropped
DROP = "DROP FUNCTION dids_reservationhistory_write() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("audit", "0016_reservations"), ("dids", "0015_reservations")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql")), RunPostgreSQL(RunPostgreSQL.noop, DROP)]
