"""Levels of the stock, and which of them it is below."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

# Byte by byte, as the prefixes of the counters that it is compared with
_COLLATE = 'ALTER TABLE dids_stocklevel ALTER COLUMN prefix TYPE varchar(15) COLLATE "C"'


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0002_name_keys"),
        ("dids", "0017_free_numbers"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="StockLevel",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tag", models.CharField(blank=True, max_length=50)),
                ("prefix", models.CharField(blank=True, max_length=15)),
                (
                    "minimum",
                    models.PositiveIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(10000000),
                        ],
                        verbose_name="Level",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stock_levels",
                        to="operators.operator",
                    ),
                ),
                (
                    "reseller",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stock_levels",
                        to="clients.reseller",
                    ),
                ),
            ],
            options={
                "verbose_name": "stock level",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="LowStock",
            fields=[
                (
                    "level",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="low",
                        serialize=False,
                        to="dids.stocklevel",
                    ),
                ),
                ("since", models.DateTimeField()),
                ("in_stock", models.PositiveBigIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("operator__isnull", False), ("prefix", ""), ("tag", "")),
                    models.Q(("operator__isnull", True), ("prefix__gt", ""), ("tag", "")),
                    models.Q(("operator__isnull", True), ("prefix", ""), ("tag__gt", "")),
                    _connector="OR",
                ),
                name="stock_level_of_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.UniqueConstraint(
                condition=models.Q(("operator__isnull", False)),
                fields=("operator",),
                name="stock_level_of_operator",
            ),
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.UniqueConstraint(
                condition=models.Q(("operator__isnull", True), ("reseller__isnull", False)),
                fields=("reseller", "tag", "prefix"),
                name="stock_level_of_reseller",
            ),
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.UniqueConstraint(
                condition=models.Q(("operator__isnull", True), ("reseller__isnull", True)),
                fields=("tag", "prefix"),
                name="stock_level_of_all",
            ),
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
    ]
