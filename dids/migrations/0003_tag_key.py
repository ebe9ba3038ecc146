from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dids", "0002_staged_cells")]

    operations = [
        migrations.AddField("Tag", "key", models.CharField(max_length=1000, null=True, editable=False)),
    ]
