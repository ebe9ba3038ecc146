"""The numbers In Stock as bits, and the version of the counters that they are read at.

audit 0018 creates the triggers that count up the version.
"""

import django.db.models.deletion
from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

# Byte by byte, as other prefixes and numbers are compared.
_COLLATE = 'ALTER TABLE dids_freenumbers ALTER COLUMN head TYPE varchar(20) COLLATE "C"'


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0016_reservation_index"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="headstock",
            name="changes",
            field=models.BigIntegerField(db_default=1),
        ),
        migrations.CreateModel(
            name="FreeNumbers",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("head", models.CharField(max_length=20)),
                ("version", models.BigIntegerField()),
                ("bits", models.BinaryField()),
                (
                    "operator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="operators.operator",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("head", "operator"), name="free_numbers_key")
                ],
            },
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
    ]
