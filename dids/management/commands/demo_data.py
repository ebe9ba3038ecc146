import time

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import connection

from clients.models import Reseller
from dids.demo.world import World
from dids.lifecycle import statuses as st
from dids.models import DID, Stock, counters


class Command(BaseCommand):
    help = "Fill an empty system with a made-up carrier: numbers, clients and months of history."

    def add_arguments(self, parser: CommandParser):
        parser.add_argument("--numbers", type=int, default=6_000, help="how many DIDs (default: 6,000)")

    def handle(self, *, numbers, **options):
        if not 1 <= numbers <= 20_000_000:
            raise CommandError("--numbers must be from 1 to 20,000,000.")
        if DID.objects.exists() or Reseller.objects.exists():
            raise CommandError(
                "There are numbers or resellers already, and invented ones must not get among them; "
                "give DATABASE_URL of an empty database."
            )
        began = time.monotonic()
        if connection.vendor == "postgresql":
            self._execute("SET synchronous_commit TO off")  # hundreds of small transactions
        written = World(numbers, say=self.stdout.write).build()
        counters.compact()
        if connection.vendor == "postgresql":
            self._execute("ANALYZE")  # so that the first pages are planned by what is there now
        counts = ", ".join(f"{n:,} {st.LABELS[key]}" for key, n in Stock.objects.by_status().items())
        self.stdout.write(
            f"Made {numbers:,} numbers ({counts}) by {written:,} writes in {time.monotonic() - began:.0f} s."
        )

    def _execute(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
