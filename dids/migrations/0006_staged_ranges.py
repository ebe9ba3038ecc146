from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0005_tag_key_unique"),
    ]

    operations = [
        migrations.AddField(
            model_name="importrow",
            name="named",
            field=models.IntegerField(help_text="How many numbers its line names, if several", null=True),
        ),
        migrations.AddField(
            model_name="importrow",
            name="nth",
            field=models.IntegerField(help_text="Its place among the numbers of its line", null=True),
        ),
    ]
