"""The triggers that write history, with those of users; when they change, freeze them in a new migration."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0006_staff_changes"),
        ("dids", "0001_initial"),
        ("operators", "0001_initial"),
        ("staff", "0003_staff_records"),
    ]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
