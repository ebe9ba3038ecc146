"""The triggers that write history, with the classes of numbers that a package may hold."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0023_mark_triggers"), ("clients", "0003_allowed_classes")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
