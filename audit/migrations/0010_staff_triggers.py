"""The triggers that keep the records of users and roles."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_resumes_as_triggers"), ("staff", "0004_role_records")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
