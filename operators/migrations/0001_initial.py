import clients.models
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audit", "0001_initial"),
        ("clients", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Operator",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                (
                    "hold_days",
                    clients.models.HoldDaysField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(365),
                        ],
                    ),
                ),
                (
                    "reseller",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="operators",
                        to="clients.reseller",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["name"], name="operator_name")],
                "constraints": [
                    models.UniqueConstraint(fields=("reseller", "name"), name="operator_name_per_reseller"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hold_days__isnull", True), ("hold_days__lte", 365), _connector="OR"
                        ),
                        name="operator_hold_days",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OperatorHistory",
            fields=[
                ("history_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                (
                    "event",
                    models.CharField(
                        choices=[("+", "created"), ("~", "changed"), ("-", "deleted")], max_length=1
                    ),
                ),
                ("object_id", models.BigIntegerField()),
                ("reseller_id", models.BigIntegerField(db_column="reseller_id")),
                ("name", models.CharField(max_length=100)),
                (
                    "hold_days",
                    clients.models.HoldDaysField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(365),
                        ],
                    ),
                ),
                (
                    "change",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="audit.change",
                    ),
                ),
            ],
            options={
                "db_table": "operators_operatorhistory",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["object_id", "history_id"], name="operator_past_object"),
                    models.Index(fields=["change", "history_id"], name="operator_past_change"),
                    models.Index(
                        condition=models.Q(("change__isnull", True)),
                        fields=["at", "history_id"],
                        name="operator_past_outside",
                    ),
                ],
            },
        ),
    ]
