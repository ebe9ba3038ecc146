"""A staged row keeps its line; until now its id told it. Imports know their phase by name."""

from django.db import migrations, models

SPAN = 2**32  # ids of a batch, then as now


def name_phases(apps, schema_editor):
    """What was written has a result to show; what was only begun is to be uploaded again."""
    imports = (
        apps.get_model("jobs", "Job").objects.using(schema_editor.connection.alias).filter(kind="import")
    )
    for job in imports.filter(state="done").only("cursor").iterator():
        job.cursor["phase"] = "apply"
        job.save(update_fields=["cursor"])
    imports.exclude(state="done").delete()


class Migration(migrations.Migration):
    dependencies = [("dids", "0003_import_staging"), ("jobs", "0002_initial")]

    operations = [
        migrations.AddField(
            "importrow",
            "line",
            models.BigIntegerField(default=0, help_text="Where the row begins in the file"),
            preserve_default=False,
        ),
        migrations.RunSQL(f"UPDATE dids_importrow SET line = id % {SPAN}", migrations.RunSQL.noop),
        migrations.RunPython(name_phases, migrations.RunPython.noop),
    ]
