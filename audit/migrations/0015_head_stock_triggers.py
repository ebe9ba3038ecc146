"""Fill the counters by prefix from the inventory and create the triggers that keep them, in one transaction."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

_STATUSES = ("reserved", "instock", "active", "blocked", "hold", "archive")
_HEAD = {
    "postgresql": "left(number, -4)",
    "sqlite": "substr(number, 1, max(length(number) - 4, 0))",
}


def fill(apps, schema_editor):
    """Count all numbers once. On PostgreSQL writers of numbers wait until the triggers are there."""
    vendor = schema_editor.connection.vendor
    if vendor == "postgresql":
        schema_editor.execute("LOCK TABLE dids_did IN SHARE ROW EXCLUSIVE MODE")
    counts = ", ".join(f"count(CASE WHEN status = '{status}' THEN 1 END)" for status in _STATUSES)
    schema_editor.execute(
        f"INSERT INTO dids_headstock (head, operator_id, {', '.join(_STATUSES)})"
        f" SELECT {_HEAD[vendor]}, operator_id, {counts} FROM dids_did GROUP BY 1, 2",
        params=None,
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0014_webhooks"), ("dids", "0014_head_stock")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        CreateTriggers(Path(__file__).with_suffix(".sql")),
        # Of the table of numbers, which stays when that of the counters is dropped
        RunPostgreSQL(RunPostgreSQL.noop, "DROP FUNCTION dids_headstock_count() CASCADE"),
    ]
