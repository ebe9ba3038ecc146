"""The triggers that write history, with the status to which a number returns from Hold."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_guards"), ("dids", "0007_resumes_as")]
    operations = [CreateTriggers(Path(__file__).with_suffix(".sql"))]
