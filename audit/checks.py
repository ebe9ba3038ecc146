from django.core import checks
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from audit import triggers


def history_is_written(app_configs=None, databases=None, **kwargs):
    """``check --database default``: every trigger that writes or guards history is in place.

    Silent while migrations wait, because ``migrate`` runs the checks before it installs them.
    """
    errors = []
    for alias in databases or ():
        connection = connections[alias]
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            continue
        lost = triggers.missing(connection)
        if lost:
            errors.append(
                checks.Error(
                    f"{len(lost)} history triggers are missing or differ in database {alias!r}: "
                    + ", ".join(t.name for t in lost[:5])
                    + (" …" if len(lost) > 5 else ""),
                    hint="Changes are not being recorded. Run: manage.py install_triggers",
                    id="audit.E001",
                )
            )
    return errors
