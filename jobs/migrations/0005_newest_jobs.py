from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_database_clock")]

    operations = [
        migrations.AddIndex("job", models.Index(fields=["-created_at"], name="job_newest")),
    ]
