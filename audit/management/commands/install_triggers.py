from django.core.management.base import BaseCommand
from django.db import connection, transaction

from audit import triggers


class Command(BaseCommand):
    help = "Put back the triggers that write and guard history, where any is missing or differs."
    requires_system_checks = []

    def handle(self, *args, **options):
        with transaction.atomic():
            made = triggers.install(connection)
        self.stdout.write(f"{made} triggers installed." if made else "All triggers are in place.")
