from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0001_initial"),
        ("dids", "0006_staged_ranges"),
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            "DID",
            "resumes_as",
            models.CharField(
                blank=True, choices=[("active", "Active"), ("blocked", "Blocked")], max_length=10, null=True
            ),
        ),
        migrations.AddField(
            "DIDHistory", "resumes_as", models.CharField(blank=True, max_length=10, null=True)
        ),
        migrations.AddConstraint(
            "DID",
            models.CheckConstraint(
                condition=models.Q(
                    ("resumes_as__isnull", True),
                    models.Q(("resumes_as__in", ("active", "blocked")), ("status", "hold")),
                    _connector="OR",
                ),
                name="did_resumes_from_hold",
            ),
        ),
    ]
