"""Count the ends of holds by day from the index alone, and find packages by their start."""

from django.db import migrations, models

from didmgmt.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False  # the index is built without blocking writers
    dependencies = [("dids", "0021_stock_outlook_heads")]
    operations = [
        AddIndex(
            "did",
            models.Index(
                condition=models.Q(("hold_until__isnull", False)),
                fields=["hold_until", "status", "after_hold", "operator"],
                name="did_hold_end",
            ),
        ),
        migrations.RemoveIndex("did", "did_hold_due"),
        migrations.AddIndex(
            "clientpackage",
            models.Index(
                condition=models.Q(("active", True)), fields=["starts_at"], name="client_package_start"
            ),
        ),
    ]
