import clients.models
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reseller",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100, unique=True)),
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
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hold_days__isnull", True), ("hold_days__lte", 365), _connector="OR"
                        ),
                        name="reseller_hold_days",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Client",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "reseller",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="clients",
                        to="clients.reseller",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ResellerHistory",
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
                "db_table": "clients_resellerhistory",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AccountHistory",
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
                ("client_id", models.BigIntegerField(db_column="client_id")),
                ("name", models.CharField(max_length=100)),
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
                "db_table": "clients_accounthistory",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["object_id", "history_id"], name="account_past_object"),
                    models.Index(fields=["change", "history_id"], name="account_past_change"),
                    models.Index(
                        condition=models.Q(("change__isnull", True)),
                        fields=["at", "history_id"],
                        name="account_past_outside",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("client", "name"), name="account_name_per_client")
                ],
            },
        ),
        migrations.CreateModel(
            name="ClientHistory",
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
                ("closed_at", models.DateTimeField(blank=True, null=True)),
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
                "db_table": "clients_clienthistory",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["object_id", "history_id"], name="client_past_object"),
                    models.Index(fields=["change", "history_id"], name="client_past_change"),
                    models.Index(
                        condition=models.Q(("change__isnull", True)),
                        fields=["at", "history_id"],
                        name="client_past_outside",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PackageHistory",
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
                    "did_limit",
                    models.PositiveIntegerField(
                        help_text="How many numbers may be picked", verbose_name="DID limit"
                    ),
                ),
                ("allowed_tags", models.CharField(blank=True, max_length=1000)),
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
                ("archived_at", models.DateTimeField(blank=True, null=True)),
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
                "db_table": "clients_packagehistory",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["object_id", "history_id"], name="package_past_object"),
                    models.Index(fields=["change", "history_id"], name="package_past_change"),
                    models.Index(
                        condition=models.Q(("change__isnull", True)),
                        fields=["at", "history_id"],
                        name="package_past_outside",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Package",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                (
                    "did_limit",
                    models.PositiveIntegerField(
                        help_text="How many numbers may be picked", verbose_name="DID limit"
                    ),
                ),
                ("allowed_tags", models.CharField(blank=True, max_length=1000)),
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
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "reseller",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="packages",
                        to="clients.reseller",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("reseller", "name"), name="package_name_per_reseller"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hold_days__isnull", True), ("hold_days__lte", 365), _connector="OR"
                        ),
                        name="package_hold_days",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="client",
            index=models.Index(fields=["name"], name="client_name"),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.UniqueConstraint(fields=("reseller", "name"), name="client_name_per_reseller"),
        ),
        migrations.AddIndex(
            model_name="resellerhistory",
            index=models.Index(fields=["object_id", "history_id"], name="reseller_past_object"),
        ),
        migrations.AddIndex(
            model_name="resellerhistory",
            index=models.Index(fields=["change", "history_id"], name="reseller_past_change"),
        ),
        migrations.AddIndex(
            model_name="resellerhistory",
            index=models.Index(
                condition=models.Q(("change__isnull", True)),
                fields=["at", "history_id"],
                name="reseller_past_outside",
            ),
        ),
    ]
