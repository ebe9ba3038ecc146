"""Migrations don't block writers and don't depend on current code."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from audit import triggers
from didmgmt.operations import AddIndex, CreateTriggers

pytestmark = pytest.mark.owner

APPS = {"audit", "clients", "dids", "events", "jobs", "notices", "operators", "staff"}
LARGE = {"did", "didhistory"}  # tables of tens of millions of rows
FROZEN = sorted((Path(settings.BASE_DIR) / "audit" / "migrations").glob("*.sql"))


def blocking(operations):
    """Return the operations that would lock a large table while its index is built."""
    return [
        operation
        for operation in operations
        if isinstance(operation, migrations.AddIndex)
        and operation.model_name.lower() in LARGE
        and not isinstance(operation, AddIndexConcurrently)
    ]


def test_later_indexes_on_large_tables_do_not_block_writers():
    loader = MigrationLoader(None, ignore_no_migrations=True)
    later = [
        migration
        for (app, _), migration in loader.disk_migrations.items()
        if app in APPS and not migration.initial
    ]
    assert [migration for migration in later if blocking(migration.operations)] == []


def test_a_blocking_index_is_detected():
    index = models.Index(fields=["notes"], name="did_more_notes")
    assert len(blocking([migrations.AddIndex("DID", index)])) == 1
    assert blocking([AddIndex("DID", index), migrations.AddIndex("Job", index)]) == []


@pytest.mark.django_db(transaction=True)
def test_an_index_is_added_and_removed_without_blocking_writers():
    operation = AddIndex("did", models.Index(fields=["notes", "status"], name="did_more_notes"))
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    operation.state_forwards("dids", after)

    def indexes():
        with connection.cursor() as cursor:
            return connection.introspection.get_constraints(cursor, "dids_did")

    with CaptureQueriesContext(connection) as queries, connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("dids", editor, before, after)
    assert indexes()["did_more_notes"]["columns"] == ["notes", "status"]
    if connection.vendor == "postgresql":
        assert any("CREATE INDEX CONCURRENTLY" in query["sql"] for query in queries)

    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("dids", editor, after, before)
    assert "did_more_notes" not in indexes()


def test_the_newest_frozen_triggers_match_the_models():
    frozen = FROZEN[-1].read_text()
    assert frozen == triggers.postgresql_script(), (
        "Triggers have changed. Add a migration to audit with CreateTriggers and write its SQL with"
        " manage.py install_triggers --freeze FILE."
    )


def test_migrations_do_not_import_the_current_trigger_code():
    for app in APPS:
        for path in (Path(settings.BASE_DIR) / app / "migrations").glob("*.py"):
            assert not re.search(r"from audit import triggers|audit\.triggers", path.read_text()), path


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite’s triggers are installed after migrate")
def test_the_frozen_triggers_are_complete():
    triggers.drop(connection)
    assert triggers.missing(connection)
    with connection.schema_editor() as editor:
        CreateTriggers(FROZEN[-1]).database_forwards("audit", editor, None, None)
    assert triggers.missing(connection) == []
