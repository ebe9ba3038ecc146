"""The triggers of the counters by prefix, which count up the version of the numbers In Stock."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0017_reservation_triggers"), ("dids", "0017_free_numbers")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
