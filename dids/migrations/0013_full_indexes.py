"""Sorting by tag and by notes takes one index each, which also has the numbers without any."""

from django.db import migrations, models

from didmgmt.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False  # indexes are built without blocking writers
    dependencies = [
        ("clients", "0002_name_keys"),
        ("dids", "0012_first_ids"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="did",
            name="did_tag_set",
        ),
        migrations.RemoveIndex(
            model_name="did",
            name="did_notes",
        ),
        migrations.RemoveIndex(
            model_name="did",
            name="did_untagged",
        ),
        migrations.RemoveIndex(
            model_name="did",
            name="did_unnoted",
        ),
        AddIndex(
            model_name="did",
            index=models.Index(fields=["tag_set", "number"], name="did_tag_set"),
        ),
        AddIndex(
            model_name="did",
            index=models.Index(fields=["notes", "number"], name="did_notes"),
        ),
    ]
