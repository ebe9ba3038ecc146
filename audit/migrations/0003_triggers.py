"""The triggers that write history, counters and prefixes; when they change, freeze them in a new migration."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_initial"),
        ("clients", "0001_initial"),
        ("dids", "0001_initial"),
        ("operators", "0001_initial"),
        ("staff", "0001_initial"),
    ]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
