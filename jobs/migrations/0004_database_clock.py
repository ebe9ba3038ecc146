"""Take the time of new rows from the database's clock. Only Python computes it, so no table changes."""

from django.db import migrations, models

from didmgmt import clock


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_analyze_tables")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField("job", "created_at", models.DateTimeField(default=clock.now)),
            ]
        )
    ]
