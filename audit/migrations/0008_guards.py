"""Triggers that run as the owner of history and refuse INSERT, and a function that locks history for its seal."""

from pathlib import Path

from django.db import migrations

from didmgmt.operations import CreateTriggers, RunPostgreSQL

# The application may only read history, and reading does not allow a lock that waits for writers.
LOCK = """
CREATE FUNCTION audit_lock_history(tables text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $body$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY tables LOOP
    IF name LIKE '%history' OR name = 'audit_change' THEN
      EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
    END IF;
  END LOOP;
END
$body$;
DO $do$ BEGIN
  EXECUTE format(
    'ALTER FUNCTION audit_lock_history(text[]) SET search_path = %I, pg_temp', current_schema());
END $do$;
REVOKE ALL ON FUNCTION audit_lock_history(text[]) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0007_staff_triggers"),
        ("clients", "0001_initial"),
        ("dids", "0006_staged_ranges"),
        ("operators", "0001_initial"),
        ("staff", "0003_staff_records"),
    ]
    operations = [
        CreateTriggers(Path(__file__).with_suffix(".sql")),
        RunPostgreSQL(LOCK, "DROP FUNCTION audit_lock_history(text[])"),
    ]
