from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from audit import triggers


def check_triggers(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Check that every trigger that writes or protects history exists; for ``check --database default``.

    Reports nothing while migrations are pending: ``migrate`` runs the checks before it installs triggers.
    """
    errors: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            continue
        missing = triggers.missing(connection)
        if missing:
            errors.append(
                checks.Error(
                    f"{len(missing)} history triggers are missing or differ in database {alias!r}: "
                    + ", ".join(t.name for t in missing[:5])
                    + (" …" if len(missing) > 5 else ""),
                    hint="Changes are not being recorded. Run: manage.py install_triggers",
                    id="audit.E001",
                )
            )
    return errors
