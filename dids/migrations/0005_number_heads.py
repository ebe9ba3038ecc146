"""The heads of numbers, see ``dids.models.prefixes``; of those that are there already as well."""

from django.db import migrations, models

from audit import triggers
from dids.models import prefixes as digits


def compare_bytes(apps, schema_editor):
    """As the numbers that they are compared with: see migration 0002."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE dids_numberhead ALTER COLUMN head TYPE varchar(20) COLLATE "C"')


def fill(apps, schema_editor):
    # The triggers first: they keep writers waiting, so that no number comes in between the two.
    connection = schema_editor.connection
    triggers.make(connection, digits.head_triggers(connection.vendor))
    schema_editor.execute(
        "INSERT INTO dids_numberhead (head)"
        " SELECT DISTINCT substr(number, 1, CASE WHEN length(number) > 4 THEN length(number) - 4 ELSE 0 END)"
        " FROM dids_did"
    )


class Migration(migrations.Migration):
    dependencies = [("dids", "0004_import_row_line")]

    operations = [
        migrations.CreateModel(
            name="NumberHead",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("head", models.CharField(max_length=20)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["head"], name="number_head")],
            },
        ),
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
