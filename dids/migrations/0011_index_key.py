"""A function by which PostgreSQL uses the index that a query is written for, see ``IndexKey``."""

from django.db import migrations

from didmgmt.operations import RunPostgreSQL

# Not in SQL, or the planner would replace the call by its argument.
INDEX_KEY = """
CREATE FUNCTION dids_index_key(value anyelement) RETURNS anyelement LANGUAGE plpgsql
STABLE PARALLEL SAFE COST 10000 AS $body$
BEGIN
  RETURN value;
END
$body$;
"""


class Migration(migrations.Migration):
    dependencies = [("dids", "0010_saved_views")]
    operations = [RunPostgreSQL(INDEX_KEY, "DROP FUNCTION dids_index_key(anyelement)")]
