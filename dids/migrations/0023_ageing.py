"""Minimum holds by prefix, and when a client last left which number.

audit 0021 creates the triggers that write the releases, and dids 0024 reads those of before from history.
"""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

# Byte by byte, as the numbers that they are compared with
_COLLATE = """
    ALTER TABLE dids_release ALTER COLUMN number TYPE varchar(20) COLLATE "C";
    ALTER TABLE dids_ageingrule ALTER COLUMN prefix TYPE varchar(15) COLLATE "C";
"""
# Suggestions, which do nothing until an administrator accepts them
_SUGGESTED = (
    ("1", "United States, Canada", 45, "47 CFR 52.15(f)(1)(ii), FCC 18-177 (United States)"),
    ("41", "Switzerland", 180, "SR 784.104 (AEFV) art. 7: six months in quarantine"),
)


def suggest(apps, schema_editor):
    rules = apps.get_model("dids", "AgeingRule").objects.using(schema_editor.connection.alias)
    for prefix, place, days, source in _SUGGESTED:
        rules.create(prefix=prefix, place=place, days=days, source=source)


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0022_ends_by_day"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="did",
            options={
                "permissions": [
                    ("import_did", "Can import DIDs"),
                    ("export_did", "Can export DIDs"),
                    ("assign_did", "Can assign DIDs to clients"),
                    ("block_did", "Can block and unblock DIDs"),
                    ("hold_did", "Can put DIDs on hold"),
                    ("end_hold_did", "Can end a hold"),
                    ("restore_did", "Can restore DIDs from the archive"),
                    ("override_ageing", "Can pass on numbers that age"),
                ],
                "verbose_name": "DID",
                "verbose_name_plural": "DIDs",
            },
        ),
        migrations.CreateModel(
            name="Release",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.CharField(max_length=20)),
                ("client_id", models.BigIntegerField()),
                ("released_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("number",), name="release_number")],
            },
        ),
        migrations.CreateModel(
            name="AgeingRule",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("prefix", models.CharField(max_length=15)),
                ("place", models.CharField(blank=True, max_length=100, verbose_name="Where")),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(365),
                        ],
                        verbose_name="Days, at least",
                    ),
                ),
                ("source", models.CharField(max_length=200)),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "minimum hold",
                "permissions": [("change_ageingrule", "Can change and accept minimum holds")],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("prefix",), name="ageing_rule_prefix"),
                    models.CheckConstraint(
                        condition=models.Q(("days__range", (1, 365))), name="ageing_rule_days"
                    ),
                ],
            },
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
        migrations.RunPython(suggest, migrations.RunPython.noop),
    ]
