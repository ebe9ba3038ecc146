"""PostgreSQL's index of the words of the labels of changes; SQLite's comes with its triggers, see ``audit.words``."""

from django.db import migrations

from didmgmt.operations import RunPostgreSQL

WORDS = "to_tsvector('simple', translate(coalesce(nullif(label, ''), kind), '_-./&(@', '       '))"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0010_staff_triggers")]

    operations = [
        RunPostgreSQL(
            f"CREATE INDEX CONCURRENTLY audit_change_words ON audit_change USING gin ({WORDS})",
            "DROP INDEX audit_change_words",
        )
    ]
