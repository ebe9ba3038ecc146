import time

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import IntegrityError, connection, transaction

from clients.models import Reseller
from dids.demo.world import DisturbedError, World
from dids.lifecycle import statuses as st
from dids.models import DID, Stock, counters, head_stock
from jobs.statistics import analyze


class Command(BaseCommand):
    help = "Fill an empty system with a fictitious carrier: numbers, clients and months of history."

    def add_arguments(self, parser: CommandParser):
        parser.add_argument("--numbers", type=int, default=6_000, help="how many DIDs (default: 6,000)")

    def handle(self, *, numbers, **options):
        if not 1 <= numbers <= 20_000_000:
            raise CommandError("--numbers must be from 1 to 20,000,000.")
        started = time.monotonic()
        try:
            # Whole or absent, and unseen by the workers until no hold and no package is overdue.
            with transaction.atomic():
                self._check_empty()
                written = World(numbers, report=self.stdout.write).build()
        except (DisturbedError, IntegrityError):
            raise CommandError(
                "Another process wrote numbers or other records at the same time, so nothing was written."
                " Create demonstration data while nobody else writes."
            ) from None
        counters.compact()
        head_stock.compact()
        if connection.vendor == "postgresql":
            analyze(connection.introspection.table_names())  # statistics for the plans of the first pages
        counts = ", ".join(f"{n:,} {st.LABELS[key]}" for key, n in Stock.objects.by_status().items())
        seconds = time.monotonic() - started
        self.stdout.write(
            f"Created {numbers:,} numbers ({counts}) with {written:,} writes in {seconds:.0f} s."
        )

    def _check_empty(self):
        if DID.objects.exists() or Reseller.objects.exists():
            raise CommandError(
                "The database already has numbers or resellers, which demonstration data must not mix with. "
                "Set DATABASE_URL to an empty database."
            )
