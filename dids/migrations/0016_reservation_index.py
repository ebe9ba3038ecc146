"""Find the numbers of a reservation."""

from django.db import migrations, models

from didmgmt.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("dids", "0015_reservations")]
    operations = [
        AddIndex(
            "did",
            models.Index(
                condition=models.Q(("reservation__isnull", False)),
                fields=["reservation", "number"],
                name="did_reservation",
            ),
        )
    ]
