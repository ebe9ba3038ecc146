from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from audit import triggers


class Command(BaseCommand):
    help = "Install the triggers that write and protect history where they are missing or differ."
    requires_system_checks = []

    def handle(self, **_: Any) -> None:
        with transaction.atomic():
            installed = triggers.install(connection)
        self.stdout.write(f"{installed} triggers installed." if installed else "No trigger is missing.")
