import clients.models
import dids.models.numbers
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


def compare_bytes(apps, schema_editor):
    """Compare numbers byte by byte, which sorts digits as any language does, several times faster.

    "C" is PostgreSQL's name for this collation, so it can't be in the model, which also serves SQLite.
    """
    if schema_editor.connection.vendor == "postgresql":
        for column in ("dids_did.number", "dids_importrow.number", "dids_numberhead.head"):
            table, name = column.split(".")
            schema_editor.execute(f'ALTER TABLE {table} ALTER COLUMN {name} TYPE varchar(20) COLLATE "C"')


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audit", "0001_initial"),
        ("clients", "0001_initial"),
        ("jobs", "0001_initial"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=50, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="ClientPackage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("starts_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("active", models.BooleanField(default=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="client_packages",
                        to="clients.client",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="client_packages",
                        to="clients.package",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClientPackageHistory",
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
                ("package_id", models.BigIntegerField(db_column="package_id")),
                ("starts_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("active", models.BooleanField(default=True)),
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
                "db_table": "dids_clientpackagehistory",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DID",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.CharField(max_length=20, verbose_name="DID")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reserved", "Reserved"),
                            ("instock", "In Stock"),
                            ("active", "Active"),
                            ("blocked", "Blocked"),
                            ("hold", "Hold"),
                            ("archive", "Archive"),
                        ],
                        default="instock",
                        max_length=10,
                    ),
                ),
                (
                    "after_hold",
                    models.CharField(
                        choices=[("reserved", "Reserved"), ("instock", "In Stock"), ("archive", "Archive")],
                        default="instock",
                        max_length=10,
                    ),
                ),
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
                ("hold_from", models.DateTimeField(blank=True, null=True)),
                ("hold_until", models.DateTimeField(blank=True, null=True)),
                ("notes", models.CharField(blank=True, default="", max_length=500)),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dids",
                        to="clients.account",
                    ),
                ),
                (
                    "client_package",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dids",
                        to="dids.clientpackage",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dids",
                        to="operators.operator",
                    ),
                ),
            ],
            options={
                "verbose_name": "DID",
                "verbose_name_plural": "DIDs",
                "permissions": [
                    ("import_did", "Can import DIDs"),
                    ("export_did", "Can export DIDs"),
                    ("assign_did", "Can assign DIDs to clients"),
                    ("block_did", "Can block and unblock DIDs"),
                    ("hold_did", "Can put DIDs on hold"),
                    ("end_hold_did", "Can end a hold"),
                    ("restore_did", "Can restore DIDs from the archive"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DIDHistory",
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
                ("number", models.CharField(max_length=20, verbose_name="DID")),
                ("operator_id", models.BigIntegerField(db_column="operator_id")),
                ("status", models.CharField(default="instock", max_length=10)),
                ("after_hold", models.CharField(default="instock", max_length=10)),
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
                ("hold_from", models.DateTimeField(blank=True, null=True)),
                ("hold_until", models.DateTimeField(blank=True, null=True)),
                ("tag_set_id", models.BigIntegerField(db_column="tag_set_id", null=True)),
                ("notes", models.CharField(blank=True, default="", max_length=500)),
                ("account_id", models.BigIntegerField(db_column="account_id", null=True)),
                ("client_package_id", models.BigIntegerField(db_column="client_package_id", null=True)),
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
                "db_table": "dids_didhistory",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ImportBatch",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="batches", to="jobs.job"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ImportGroup",
            fields=[
                ("status", models.CharField(max_length=10, null=True)),
                ("after_hold", models.CharField(max_length=10, null=True)),
                ("hold_days", models.SmallIntegerField(null=True)),
                ("hold_from", models.DateTimeField(null=True)),
                ("hold_until", models.DateTimeField(null=True)),
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("reseller_name", models.CharField(max_length=100, null=True)),
                ("operator_name", models.CharField(max_length=100, null=True)),
                ("client_name", models.CharField(max_length=100, null=True)),
                ("account_name", models.CharField(max_length=100, null=True)),
                ("package_name", models.CharField(max_length=100, null=True)),
                ("tags", models.CharField(max_length=1000, null=True)),
                ("flaw", models.TextField(null=True)),
                ("problem", models.CharField(max_length=30, null=True)),
                ("new_problem", models.CharField(max_length=30, null=True)),
                ("assign_problem", models.CharField(max_length=30, null=True)),
                ("used", models.IntegerField(help_text="Rows that would be written", null=True)),
                (
                    "given",
                    models.IntegerField(
                        help_text="Of these, rows that give a number to the client", null=True
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.account",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "client_package",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dids.clientpackage",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="operators.operator",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.package",
                    ),
                ),
                (
                    "reseller",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.reseller",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="NumberHead",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("head", models.CharField(max_length=20)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["head"], name="number_head")],
            },
        ),
        migrations.CreateModel(
            name="TagSet",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=1000, unique=True)),
                ("tags", models.ManyToManyField(related_name="sets", to="dids.tag")),
            ],
        ),
        migrations.CreateModel(
            name="Stock",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reserved", "Reserved"),
                            ("instock", "In Stock"),
                            ("active", "Active"),
                            ("blocked", "Blocked"),
                            ("hold", "Hold"),
                            ("archive", "Archive"),
                        ],
                        max_length=10,
                    ),
                ),
                ("numbers", models.BigIntegerField()),
                (
                    "operator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="stock",
                        to="operators.operator",
                    ),
                ),
                (
                    "tag_set",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="stock",
                        to="dids.tagset",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ImportRow",
            fields=[
                ("status", models.CharField(max_length=10, null=True)),
                ("after_hold", models.CharField(max_length=10, null=True)),
                ("hold_days", models.SmallIntegerField(null=True)),
                ("hold_from", models.DateTimeField(null=True)),
                ("hold_until", models.DateTimeField(null=True)),
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("line", models.BigIntegerField(help_text="Where the row begins in the file")),
                ("number", models.CharField(max_length=20, null=True)),
                (
                    "ref",
                    models.BigIntegerField(
                        help_text="The ID in the file, where it names no number", null=True
                    ),
                ),
                ("notes", models.CharField(max_length=500)),
                ("verdict", models.CharField(max_length=1)),
                ("reason", models.CharField(max_length=30, null=True)),
                ("flaw", models.TextField(null=True)),
                (
                    "first_line",
                    models.BigIntegerField(help_text="Of the row with the same number", null=True),
                ),
                ("seen", models.BigIntegerField(null=True)),
                ("assigned", models.BooleanField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.account",
                    ),
                ),
                (
                    "client_package",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dids.clientpackage",
                    ),
                ),
                (
                    "did",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dids.did",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="rows",
                        to="dids.importgroup",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="operators.operator",
                    ),
                ),
                (
                    "tag_set",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dids.tagset",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="importgroup",
            name="tag_set",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="dids.tagset",
            ),
        ),
        migrations.AddField(
            model_name="did",
            name="tag_set",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dids",
                to="dids.tagset",
            ),
        ),
        migrations.AddIndex(
            model_name="clientpackage",
            index=models.Index(
                condition=models.Q(("active", True)), fields=["ends_at"], name="client_package_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="clientpackage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__isnull", True), ("ends_at__gt", models.F("starts_at")), _connector="OR"
                ),
                name="client_package_ends_later",
            ),
        ),
        migrations.AddIndex(
            model_name="clientpackagehistory",
            index=models.Index(fields=["object_id", "history_id"], name="clientpackage_past_object"),
        ),
        migrations.AddIndex(
            model_name="clientpackagehistory",
            index=models.Index(fields=["change", "history_id"], name="clientpackage_past_change"),
        ),
        migrations.AddIndex(
            model_name="clientpackagehistory",
            index=models.Index(
                condition=models.Q(("change__isnull", True)),
                fields=["at", "history_id"],
                name="clientpackage_past_outside",
            ),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(fields=["object_id", "history_id"], name="did_past_object"),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(fields=["change", "history_id"], name="did_past_change"),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(("event", "-")), fields=["number"], name="did_past_deleted"
            ),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(fields=["operator_id", "number"], name="did_past_operator"),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(("account_id__isnull", False)),
                fields=["account_id", "number"],
                name="did_past_account",
            ),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(
                    ("status", "blocked"), ("status", "hold"), ("status", "archive"), _connector="OR"
                ),
                fields=["status", "number"],
                name="did_past_status",
            ),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(("tag_set_id__isnull", False)),
                fields=["tag_set_id", "number"],
                name="did_past_tag_set",
            ),
        ),
        migrations.AddIndex(
            model_name="didhistory",
            index=models.Index(
                condition=models.Q(("change__isnull", True)),
                fields=["at", "history_id"],
                name="did_past_outside",
            ),
        ),
        migrations.AddIndex(
            model_name="stock",
            index=models.Index(fields=["operator", "status", "tag_set"], name="stock_key"),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(fields=["operator", "status", "number"], name="did_operator_status"),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(fields=["status", "number"], name="did_status_number"),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("tag_set__isnull", False)),
                fields=["tag_set", "number"],
                name="did_tag_set",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("tag_set__isnull", False)),
                fields=["tag_set", "status", "number"],
                name="did_tag_status",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("account__isnull", False)),
                fields=["account", "status", "number"],
                name="did_account_status",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("notes__gt", "")), fields=["notes", "number"], name="did_notes"
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("tag_set__isnull", True)),
                fields=["number", "tag_set"],
                name="did_untagged",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("notes", "")), fields=["number", "notes"], name="did_unnoted"
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("client_package__isnull", False)),
                fields=["client_package", "status"],
                name="did_client_package",
            ),
        ),
        migrations.AddIndex(
            model_name="did",
            index=models.Index(
                condition=models.Q(("hold_until__isnull", False)), fields=["hold_until"], name="did_hold_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.UniqueConstraint(fields=("number",), name="did_number"),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=dids.models.numbers.DigitsOnly("number"), name="did_number_digits"
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["reserved", "instock", "active", "blocked", "hold", "archive"])
                ),
                name="did_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(("after_hold__in", ("reserved", "instock", "archive"))),
                name="did_after_hold_free",
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hold_from__isnull", False), ("hold_until__isnull", False), ("status", "hold")),
                    models.Q(
                        models.Q(("status", "hold"), _negated=True),
                        ("hold_from__isnull", True),
                        ("hold_until__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="did_hold_until_on_hold",
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account__isnull", False),
                        ("client_package__isnull", False),
                        ("status__in", ("active", "blocked", "hold")),
                    ),
                    models.Q(
                        ("account__isnull", True),
                        ("client_package__isnull", True),
                        ("status__in", ("reserved", "instock", "archive")),
                    ),
                    _connector="OR",
                ),
                name="did_holder_when_held",
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(("hold_days__isnull", True), ("hold_days__lte", 365), _connector="OR"),
                name="did_hold_days",
            ),
        ),
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
    ]
