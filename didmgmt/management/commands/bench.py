import json

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from bench import lists, writes
from dids.models import DID
from staff.models import User


class Command(BaseCommand):
    help = "Measure list pages and set-wise writes on the numbers that are there; nothing of it stays."

    def add_arguments(self, parser):
        parser.add_argument("--writes", type=int, default=20_000, help="numbers written (default: 20,000)")

    def handle(self, **options):
        if not DID.objects.exists():
            raise CommandError("There are no numbers to list; load some first: manage.py demo_data.")
        user = User.objects.filter(is_superuser=True, is_active=True).first()
        if user is None:
            raise CommandError(
                "There is nobody to list as; make an administrator: manage.py createsuperuser."
            )
        call_command("collectstatic", interactive=False, verbosity=0)  # pages name its files
        # The test client visits under this name.
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
        settings.SECURE_SSL_REDIRECT = False
        self._table(lists.measure(user), ("p50", "p95", "cpu", "raw_p50", "admin_p50", "queries"))
        self._table(writes.measure(options["writes"]), ("ours", "raw", "ratio"))

    def _table(self, measured, columns):
        """One JSON line each as it comes, then all of them as a table."""
        rows = []
        for row in measured:
            self.stdout.write(json.dumps(row))
            rows.append([row["scenario"], *("–" if row[c] is None else f"{row[c]:,}" for c in columns)])
        self.stdout.write("\n" + " | ".join(["", *columns]))
        for row in rows:
            self.stdout.write(" | ".join(row))
        self.stdout.write("")
