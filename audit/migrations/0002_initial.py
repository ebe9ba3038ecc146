import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audit", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
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
        migrations.AddField(
            model_name="change",
            name="undo_of",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="undone_by",
                to="audit.change",
            ),
        ),
        migrations.AddField(
            model_name="touched",
            name="change",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="by_branch", to="audit.change"
            ),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["at", "id"], name="change_log"),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["kind", "at", "id"], name="change_log_kind"),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["actor", "at", "id"], name="change_log_actor"),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["actor_kind", "at", "id"], name="change_log_actor_kind"),
        ),
        migrations.AddIndex(
            model_name="touched",
            index=models.Index(fields=["kind", "at", "change"], name="touched_kind"),
        ),
        migrations.AddIndex(
            model_name="touched",
            index=models.Index(fields=["reseller_id", "at", "change"], name="touched_branch"),
        ),
        migrations.AddIndex(
            model_name="touched",
            index=models.Index(fields=["reseller_id", "kind", "at", "change"], name="touched_branch_kind"),
        ),
        migrations.AddIndex(
            model_name="touched",
            index=models.Index(
                fields=["reseller_id", "action", "at", "change"], name="touched_branch_action"
            ),
        ),
    ]
