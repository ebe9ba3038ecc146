"""Take the time of new rows from the database's clock. Only Python computes it, so no table changes."""

from django.db import migrations, models

from didmgmt import clock


class Migration(migrations.Migration):
    dependencies = [("didmgmt", "0002_stored_search")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "sentform", "at", models.DateTimeField(db_index=True, default=clock.now)
                ),
            ]
        )
    ]
