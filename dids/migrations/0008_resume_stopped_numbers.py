"""Numbers on Hold because their package stopped remember what the stop found, as history tells."""

from django.db import migrations

# The write that began a hold is the first one after the last version in another status.
RESUMES_AS = """
    WITH held AS (
        SELECT d.id, d.client_package_id, (
            SELECT max(h.history_id) FROM dids_didhistory h WHERE h.object_id = d.id AND h.status <> 'hold'
        ) AS before_id
        FROM dids_did d WHERE d.status = 'hold'
    ), begun AS (
        SELECT held.*, (
            SELECT min(h.history_id) FROM dids_didhistory h
            WHERE h.object_id = held.id AND h.history_id > coalesce(held.before_id, 0)
        ) AS begun_id
        FROM held
    )
    UPDATE dids_did SET resumes_as = CASE WHEN prior.status = 'blocked' THEN 'blocked' ELSE 'active' END
    FROM begun
    JOIN dids_clientpackage given ON given.id = begun.client_package_id
    LEFT JOIN dids_didhistory prior ON prior.history_id = begun.before_id
    LEFT JOIN dids_didhistory start ON start.history_id = begun.begun_id
    LEFT JOIN audit_change made ON made.id = start.change_id
    WHERE dids_did.id = begun.id AND (
        made.kind = 'package'
        -- Where history doesn't tell, a stopped package takes its numbers back as before.
        OR (NOT given.active AND (begun.before_id IS NULL OR made.id IS NULL OR made.kind = 'undo'))
    )
"""
TOUCHED = """
    INSERT INTO audit_touched (change_id, at, action, kind, reseller_id, "rows")
    SELECT made.id, made.at, made.kind, 'did', operator.reseller_id, count(*)
    FROM audit_change made
    JOIN dids_didhistory written ON written.change_id = made.id
    JOIN operators_operator operator ON operator.id = written.operator_id
    WHERE made.id = %s GROUP BY made.id, made.at, made.kind, operator.reseller_id
"""


def remember(apps, schema_editor):
    """Write the status in one statement, recorded as a change of the system."""
    connection = schema_editor.connection
    did = apps.get_model("dids", "DID")
    if not did.objects.filter(status="hold").exists():
        return
    change = apps.get_model("audit", "Change").objects.create(
        kind="edit",
        label="Numbers on Hold remember the status that the stop of their package found",
        actor_kind="system",
        actor_name="system",
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('audit.change', %s, true)", [str(change.pk)])
        cursor.execute(RESUMES_AS)
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('audit.change', '', true)")
        else:
            _write_history(cursor, did, change)
        change.touched = did.objects.filter(resumes_as__isnull=False).count()
        if change.touched:
            change.save(update_fields=["touched"])
            cursor.execute(TOUCHED, [change.pk])
        else:
            change.delete()


def _write_history(cursor, did, change):
    """Write what the triggers would: SQLite has none while migrations run."""
    columns = [field.column for field in did._meta.concrete_fields]
    copies = ", ".join("object_id" if column == "id" else column for column in columns)
    cursor.execute(
        f"INSERT INTO dids_didhistory ({copies}, at, event, change_id)"
        f" SELECT {', '.join(columns)}, strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now'), '~', %s"
        " FROM dids_did WHERE resumes_as IS NOT NULL ORDER BY id",
        [change.pk],
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_resumes_as_triggers"), ("dids", "0007_resumes_as")]

    operations = [migrations.RunPython(remember, migrations.RunPython.noop)]
