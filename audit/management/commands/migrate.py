from typing import Any

from django.core.management.commands import migrate

from audit.roles import as_owner


class Command(migrate.Command):
    """Migrate as the owner of the tables, see ``audit.roles``."""

    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner():
            super().handle(*args, **options)
