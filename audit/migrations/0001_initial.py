import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("create", "New"),
                            ("edit", "Edit"),
                            ("mass_edit", "Mass edit"),
                            ("delete", "Delete"),
                            ("import", "Import"),
                            ("assign", "Assign"),
                            ("block", "Block"),
                            ("unblock", "Unblock"),
                            ("hold", "Hold"),
                            ("end_hold", "End of hold"),
                            ("package", "Client package"),
                            ("operator", "Operator"),
                            ("reseller", "Reseller"),
                            ("undo", "Undo"),
                            ("prune", "Old history deleted"),
                        ],
                        max_length=20,
                    ),
                ),
                ("label", models.CharField(blank=True, max_length=200)),
                ("data", models.JSONField(blank=True, default=dict)),
                (
                    "actor_kind",
                    models.CharField(
                        choices=[("person", "Person"), ("token", "API token"), ("system", "System")],
                        max_length=10,
                    ),
                ),
                ("actor_name", models.CharField(max_length=150)),
                ("source", models.CharField(blank=True, max_length=200)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("touched", models.PositiveIntegerField(default=0, help_text="How many objects it wrote")),
            ],
            options={
                "permissions": [("undo_change", "Can undo changes")],
            },
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("sealed_at", models.DateTimeField()),
                ("more", models.BooleanField(default=False)),
                ("spans", models.JSONField()),
                ("until", models.JSONField()),
                ("previous", models.CharField(blank=True, max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("signature", models.CharField(max_length=64)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Touched",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("action", models.CharField(max_length=20)),
                ("kind", models.CharField(max_length=20)),
                ("reseller_id", models.BigIntegerField(null=True)),
                ("rows", models.PositiveBigIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
