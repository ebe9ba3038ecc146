"""Take the time of new rows from the database's clock. Only Python computes it, so no table changes."""

from django.db import migrations, models

from didmgmt import clock


class Migration(migrations.Migration):
    dependencies = [("dids", "0008_resume_stopped_numbers")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField("clientpackage", "starts_at", models.DateTimeField(default=clock.now)),
                migrations.AlterField(
                    "clientpackagehistory", "starts_at", models.DateTimeField(default=clock.now)
                ),
            ]
        )
    ]
