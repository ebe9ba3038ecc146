"""The country, area and type of the numbers of each head."""

from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

# Byte by byte, as other prefixes and numbers are compared.
_COLLATE = 'ALTER TABLE dids_headgeography ALTER COLUMN head TYPE varchar(20) COLLATE "C"'


class Migration(migrations.Migration):
    dependencies = [("dids", "0018_stock_levels")]

    operations = [
        migrations.CreateModel(
            name="HeadGeography",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("head", models.CharField(max_length=20, unique=True)),
                ("version", models.CharField(max_length=30)),
                ("country", models.CharField(max_length=7)),
                ("area", models.TextField()),
                ("type", models.CharField(max_length=10)),
                ("pattern", models.CharField(max_length=40)),
            ],
            options={"default_permissions": ()},
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
    ]
