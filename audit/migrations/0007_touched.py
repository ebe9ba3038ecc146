import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0006_seals"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="change",
            name="actor",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="changes",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="change",
            name="at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddIndex(model_name="change", index=models.Index(fields=["at", "id"], name="change_log")),
        migrations.AddIndex(
            model_name="change", index=models.Index(fields=["kind", "at", "id"], name="change_log_kind")
        ),
        migrations.AddIndex(
            model_name="change", index=models.Index(fields=["actor", "at", "id"], name="change_log_actor")
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["actor_kind", "at", "id"], name="change_log_actor_kind"),
        ),
        migrations.CreateModel(
            name="Touched",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="by_branch",
                        to="audit.change",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("action", models.CharField(max_length=20)),
                ("kind", models.CharField(max_length=20)),
                ("reseller_id", models.BigIntegerField(null=True)),
                ("rows", models.PositiveBigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["kind", "at", "change"], name="touched_kind"),
                    models.Index(fields=["reseller_id", "at", "change"], name="touched_branch"),
                    models.Index(fields=["reseller_id", "kind", "at", "change"], name="touched_branch_kind"),
                    models.Index(
                        fields=["reseller_id", "action", "at", "change"], name="touched_branch_action"
                    ),
                ],
            },
        ),
    ]
