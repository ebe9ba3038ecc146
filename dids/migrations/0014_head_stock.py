"""The table of counters by prefix, operator and status; audit 0015 fills it and creates its triggers."""

import django.db.models.deletion
from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

_STATUSES = ("reserved", "instock", "active", "blocked", "hold", "archive")
# Byte by byte, as other prefixes and numbers are compared.
_COLLATE = 'ALTER TABLE dids_headstock ALTER COLUMN head TYPE varchar(20) COLLATE "C"'


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0013_full_indexes"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="HeadStock",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("head", models.CharField(max_length=20)),
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
                ("merged", models.BooleanField(db_default=True)),
                *((status, models.IntegerField(db_default=0)) for status in _STATUSES),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(condition=models.Q(("merged", False)), fields=["id"], name="head_stock_new")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("merged", True)),
                        fields=("head", "operator"),
                        name="head_stock_key",
                    )
                ],
            },
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
    ]
