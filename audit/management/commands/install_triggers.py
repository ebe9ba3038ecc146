from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction

from audit import triggers
from audit.roles import as_owner


class Command(BaseCommand):
    help = "Install the triggers that write and protect history where they are missing or differ."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--freeze",
            metavar="FILE",
            type=Path,
            help="only write the triggers of PostgreSQL to FILE, for a migration",
        )

    def handle(self, *, freeze: Path | None, **_: Any) -> None:
        if freeze:
            freeze.write_text(triggers.postgresql_script())
            return
        with as_owner(), transaction.atomic():
            installed = triggers.install(connection)
        self.stdout.write(f"{installed} triggers installed." if installed else "No trigger is missing.")
