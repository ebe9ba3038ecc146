from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0011_history_as_of"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="didhistory", name="did_past_status"),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(
                    ("status", "blocked"), ("status", "hold"), ("status", "archive"), _connector="OR"
                ),
                fields=["status", "number"],
                name="did_past_status",
            ),
        ),
    ]
