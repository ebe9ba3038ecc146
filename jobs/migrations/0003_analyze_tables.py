"""A function that analyzes tables as their owner, because the application's role may not."""

from django.db import migrations

from didmgmt.operations import RunPostgreSQL

ANALYZE = """
CREATE FUNCTION jobs_analyze(tables text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $body$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY tables LOOP
    EXECUTE format('ANALYZE (SKIP_LOCKED) %I', name);
  END LOOP;
END
$body$;
DO $do$ BEGIN
  EXECUTE format('ALTER FUNCTION jobs_analyze(text[]) SET search_path = %I, pg_temp', current_schema());
END $do$;
REVOKE ALL ON FUNCTION jobs_analyze(text[]) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_worker_skew")]
    operations = [RunPostgreSQL(ANALYZE, "DROP FUNCTION jobs_analyze(text[])")]
