from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0019_stock_levels"),
    ]

    operations = [
        migrations.AlterField(
            model_name="change",
            name="kind",
            field=models.CharField(
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
                    ("reserve", "Reservation"),
                    ("end_reservation", "End of reservation"),
                    ("package", "Client package"),
                    ("operator", "Operator"),
                    ("reseller", "Reseller"),
                    ("staff", "Staff"),
                    ("webhook", "Webhook"),
                    ("stock_level", "Stock level"),
                    ("ageing_rule", "Minimum hold"),
                    ("undo", "Undo"),
                    ("prune", "Old history deleted"),
                ],
                max_length=20,
            ),
        ),
    ]
