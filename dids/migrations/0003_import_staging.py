import django.db.models.deletion
from django.db import migrations, models


def compare_bytes(apps, schema_editor):
    """As the numbers that they are compared with: see migration 0002."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE dids_importrow ALTER COLUMN number TYPE varchar(20) COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0001_initial"),
        ("dids", "0002_number_collation"),
        ("jobs", "0002_initial"),
        ("operators", "0001_initial"),
    ]

    operations = [
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
        migrations.CreateModel(
            name="ImportRow",
            fields=[
                ("status", models.CharField(max_length=10, null=True)),
                ("after_hold", models.CharField(max_length=10, null=True)),
                ("hold_days", models.SmallIntegerField(null=True)),
                ("hold_from", models.DateTimeField(null=True)),
                ("hold_until", models.DateTimeField(null=True)),
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
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
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
    ]
