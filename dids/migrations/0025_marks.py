"""Pattern marks: the rules, the tails that they stand for, and which numbers have a mark.

audit 0023 creates the triggers that write the marks. There are no rules yet, so there is none to write.
"""

import django.db.models.deletion
from django.db import migrations, models

from didmgmt.operations import RunPostgreSQL

# Byte by byte, as the numbers that they are compared with
_COLLATE = """
    ALTER TABLE dids_patterntail ALTER COLUMN tail TYPE varchar(8) COLLATE "C";
    ALTER TABLE dids_mark ALTER COLUMN number TYPE varchar(20) COLLATE "C";
"""


class Migration(migrations.Migration):
    dependencies = [
        ("dids", "0024_releases"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="MarkState",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField(default=0)),
                ("tails_version", models.PositiveIntegerField(default=0)),
                ("marked_version", models.PositiveIntegerField(default=0)),
                ("counted_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="mark_state_is_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="PatternRule",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("position", models.PositiveSmallIntegerField(null=True)),
                (
                    "mark_class",
                    models.CharField(
                        choices=[("gold", "Gold"), ("silver", "Silver"), ("bronze", "Bronze")],
                        max_length=6,
                        verbose_name="Class",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("pattern", "Pattern"), ("ladder", "Ladder"), ("words", "Words")],
                        max_length=7,
                    ),
                ),
                ("text", models.CharField(blank=True, max_length=8, verbose_name="Pattern")),
                ("name", models.CharField(max_length=60, verbose_name="Rule")),
            ],
            options={
                "verbose_name": "pattern rule",
                "permissions": [("change_patternrule", "Can change pattern rules")],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("position__isnull", False)),
                        fields=("position",),
                        name="pattern_rule_position",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MarkCount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("numbers", models.BigIntegerField()),
                ("in_stock", models.BigIntegerField()),
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
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="dids.patternrule",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="PatternWord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("word", models.CharField(max_length=8)),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("word",), name="pattern_word")],
            },
        ),
        migrations.CreateModel(
            name="Mark",
            fields=[
                (
                    "did",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="mark",
                        serialize=False,
                        to="dids.did",
                    ),
                ),
                ("number", models.CharField(max_length=20)),
                (
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="marks",
                        to="dids.patternrule",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["rule", "number"], name="mark_rule")],
            },
        ),
        migrations.CreateModel(
            name="PatternTail",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tail", models.CharField(max_length=8)),
                ("length", models.PositiveSmallIntegerField()),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="dids.patternrule",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["length"], name="pattern_tail_length")],
                "constraints": [models.UniqueConstraint(fields=("tail",), name="pattern_tail")],
            },
        ),
        RunPostgreSQL(_COLLATE, RunPostgreSQL.noop),
    ]
