"""Migration operations for large tables and for triggers."""

from pathlib import Path

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation


class AddIndex(AddIndexConcurrently):
    """Add an index without blocking writers on PostgreSQL; SQLite has one writer anyway.

    The migration needs ``atomic = False``. Use it for the tables of numbers and of their history.
    """

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            model = to_state.apps.get_model(app_label, self.model_name)
            schema_editor.add_index(model, self.index)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            model = from_state.apps.get_model(app_label, self.model_name)
            schema_editor.remove_index(
                model, from_state.models[app_label, self.model_name_lower].get_index_by_name(self.index.name)
            )


class RunPostgreSQL(RunSQL):
    """Run SQL on PostgreSQL only."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class CreateTriggers(Operation):
    """Run the SQL file at ``path``, written by ``manage.py install_triggers --freeze``, on PostgreSQL.

    The SQL is frozen because a migration must always do the same, while the triggers of the models change
    with their columns. SQLite's triggers are not frozen: Django drops them when it rebuilds a table, so they
    are installed after every ``migrate``.
    """

    reversible = True

    def __init__(self, path):
        self.path = path

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(Path(self.path).read_text(), params=None)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        """Leave the triggers: they are dropped with their tables."""

    def describe(self):
        return f"Create the triggers of {Path(self.path).name}"
