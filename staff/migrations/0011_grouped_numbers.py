"""Whether a person wants numbers grouped as in their country."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("staff", "0010_first_page")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="groups_numbers",
            field=models.BooleanField(default=False, verbose_name="numbers grouped as in their country"),
        ),
    ]
