"""PostgreSQL's index of the words of the labels of jobs; SQLite's comes with its triggers, see ``audit.words``."""

from django.db import migrations

from didmgmt.operations import RunPostgreSQL

WORDS = "to_tsvector('simple', translate(coalesce(nullif(label, ''), kind), '_-./&(@', '       '))"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0005_newest_jobs")]

    operations = [
        RunPostgreSQL(
            f"CREATE INDEX CONCURRENTLY jobs_job_words ON jobs_job USING gin ({WORDS})",
            "DROP INDEX jobs_job_words",
        )
    ]
