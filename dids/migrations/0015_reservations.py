"""Reservations, and the numbers that are in them; audit 0017 creates the triggers of their history."""

import didmgmt.clock
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0016_reservations"),
        ("clients", "0002_name_keys"),
        ("dids", "0014_head_stock"),
        ("operators", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reservation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, default="", max_length=100)),
                ("purpose", models.CharField(max_length=200)),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="ends")),
                ("made_at", models.DateTimeField(default=didmgmt.clock.now, verbose_name="since")),
                ("maker", models.CharField(max_length=300, verbose_name="reserved by")),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ReservationHistory",
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
                ("client_id", models.BigIntegerField(db_column="client_id", null=True)),
                ("name", models.CharField(blank=True, default="", max_length=100)),
                ("purpose", models.CharField(max_length=200)),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="ends")),
                ("made_at", models.DateTimeField(default=didmgmt.clock.now, verbose_name="since")),
                ("made_by_id", models.BigIntegerField(db_column="made_by_id", null=True)),
                ("maker", models.CharField(max_length=300, verbose_name="reserved by")),
            ],
            options={
                "db_table": "dids_reservationhistory",
                "default_permissions": (),
            },
        ),
        migrations.RemoveConstraint(
            model_name="did",
            name="did_hold_until_on_hold",
        ),
        migrations.AddField(
            model_name="didhistory",
            name="reservation_id",
            field=models.BigIntegerField(db_column="reservation_id", null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="client",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reservations",
                to="clients.client",
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="made_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="reseller",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reservations",
                to="clients.reseller",
            ),
        ),
        migrations.AddField(
            model_name="did",
            name="reservation",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dids",
                to="dids.reservation",
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
                        models.Q(
                            ("hold_until__isnull", True), ("reservation__isnull", False), _connector="OR"
                        ),
                    ),
                    _connector="OR",
                ),
                name="did_hold_until_on_hold",
            ),
        ),
        migrations.AddConstraint(
            model_name="did",
            constraint=models.CheckConstraint(
                condition=models.Q(("reservation__isnull", True), ("status", "reserved"), _connector="OR"),
                name="did_reservation_when_reserved",
            ),
        ),
        migrations.AddField(
            model_name="reservationhistory",
            name="change",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="audit.change",
            ),
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["ends_at", "id"], name="reservation_end"),
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["reseller", "ends_at", "id"], name="reservation_branch_end"),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("client__isnull", False), ("name", "")),
                    models.Q(("client__isnull", True), models.Q(("name", ""), _negated=True)),
                    _connector="OR",
                ),
                name="reservation_for_client_or_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose", ""), _negated=True), name="reservation_has_purpose"
            ),
        ),
        migrations.AddIndex(
            model_name="reservationhistory",
            index=models.Index(fields=["object_id", "history_id"], name="reservation_past_object"),
        ),
        migrations.AddIndex(
            model_name="reservationhistory",
            index=models.Index(fields=["change", "history_id"], name="reservation_past_change"),
        ),
        migrations.AddIndex(
            model_name="reservationhistory",
            index=models.Index(
                condition=models.Q(("change__isnull", True)),
                fields=["at", "history_id"],
                name="reservation_past_outside",
            ),
        ),
    ]
