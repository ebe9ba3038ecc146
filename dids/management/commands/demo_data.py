import time

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import connection

from clients.models import Reseller
from dids.demo.world import World
from dids.lifecycle import statuses as st
from dids.models import DID, Stock, counters
from jobs.statistics import analyze


class Command(BaseCommand):
    help = "Fill an empty system with a fictitious carrier: numbers, clients and months of history."

    def add_arguments(self, parser: CommandParser):
        parser.add_argument("--numbers", type=int, default=6_000, help="how many DIDs (default: 6,000)")

    def handle(self, *, numbers, **options):
        if not 1 <= numbers <= 20_000_000:
            raise CommandError("--numbers must be from 1 to 20,000,000.")
        if DID.objects.exists() or Reseller.objects.exists():
            raise CommandError(
                "The database already has numbers or resellers, which demonstration data must not mix with. "
                "Set DATABASE_URL to an empty database."
            )
        started = time.monotonic()
        if connection.vendor == "postgresql" and not settings.POOLED_TRANSACTIONS:
            self._execute("SET synchronous_commit TO off")  # hundreds of small transactions
        written = World(numbers, report=self.stdout.write).build()
        counters.compact()
        if connection.vendor == "postgresql":
            analyze(connection.introspection.table_names())  # statistics for the plans of the first pages
        counts = ", ".join(f"{n:,} {st.LABELS[key]}" for key, n in Stock.objects.by_status().items())
        seconds = time.monotonic() - started
        self.stdout.write(
            f"Created {numbers:,} numbers ({counts}) with {written:,} writes in {seconds:.0f} s."
        )

    def _execute(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
