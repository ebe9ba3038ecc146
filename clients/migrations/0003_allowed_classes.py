from django.db import migrations, models

CLASSES = models.CharField("Numbers it may hold", max_length=30, blank=True, default="", db_default="")


class Migration(migrations.Migration):
    dependencies = [("clients", "0002_name_keys")]

    operations = [
        migrations.AddField("Package", "allowed_classes", CLASSES),
        migrations.AddField("PackageHistory", "allowed_classes", CLASSES),
    ]
