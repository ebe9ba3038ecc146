"""The triggers that keep the lowest id of the numbers with a prefix."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_words"), ("dids", "0012_first_ids")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
