"""The lowest id of the numbers with a prefix, by which lists as of a past time skip those created later."""

from django.db import migrations, models

_HEAD = {
    "postgresql": "left(number, -4)",
    "sqlite": "substr(number, 1, max(length(number) - 4, 0))",
}


def fill(apps, schema_editor):
    """Read the inventory and the deletions once; prefixes without any stay unknown."""
    schema_editor.execute(
        f"""
        UPDATE dids_numberhead SET first_id = found.first_id
        FROM (
            SELECT {_HEAD[schema_editor.connection.vendor]} AS head, min(id) AS first_id FROM (
                SELECT number, id FROM dids_did
                UNION ALL SELECT number, object_id FROM dids_didhistory WHERE event = '-'
            ) AS numbers GROUP BY 1
        ) AS found
        WHERE found.head = dids_numberhead.head""",
        params=None,
    )


class Migration(migrations.Migration):
    dependencies = [("dids", "0011_index_key"), ("audit", "0010_staff_triggers")]
    operations = [
        migrations.AddField("numberhead", "first_id", models.BigIntegerField(null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
