"""Whether a person copies numbers in E.164 instead of as digits."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("staff", "0013_pattern_rights")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="copies_e164",
            field=models.BooleanField(default=False, verbose_name="numbers copied with a plus, as in E.164"),
        ),
    ]
