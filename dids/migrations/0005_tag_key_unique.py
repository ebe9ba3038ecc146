from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dids", "0004_merge_tags")]

    operations = [
        migrations.AlterField("Tag", "key", models.CharField(max_length=1000, unique=True, editable=False)),
    ]
