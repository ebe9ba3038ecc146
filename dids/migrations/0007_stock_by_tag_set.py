"""Counters by tag set as well, see ``dids.models.counters``, and indexes of the numbers without tags and without notes."""

import django.db.models.deletion
from django.db import migrations, models

from audit import triggers
from dids.models import counters as stock


def count(apps, schema_editor):
    # The triggers first: they keep writers waiting, so that no number comes in between the two.
    connection = schema_editor.connection
    triggers.make(connection, stock.stock_triggers(connection.vendor))
    schema_editor.execute("DELETE FROM dids_stock")
    schema_editor.execute(
        "INSERT INTO dids_stock (operator_id, status, tag_set_id, numbers)"
        " SELECT operator_id, status, tag_set_id, count(*) FROM dids_did"
        " GROUP BY operator_id, status, tag_set_id"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0001_initial"),
        ("dids", "0006_flat_lists"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="stock",
            name="stock_operator_status",
        ),
        migrations.AddField(
            model_name="stock",
            name="tag_set",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="stock",
                to="dids.tagset",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("tag_set__isnull", True)),
                fields=["number", "tag_set"],
                name="did_untagged",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("notes", "")), fields=["number", "notes"], name="did_unnoted"
            ),
        ),
        migrations.AddIndex(
            model_name="stock",
            index=models.Index(fields=["operator", "status", "tag_set"], name="stock_key"),
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
