from django.core.management.base import BaseCommand, CommandError

from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import counters


class Command(BaseCommand):
    help = "Compare the counters of numbers by operator, status and tags with the numbers themselves."

    def add_arguments(self, parser):
        parser.add_argument("--repair", action="store_true", help="correct the counters that differ")

    def handle(self, *, repair, **options):
        counts = counters.repair() if repair else counters.check()
        wrong = [count for count in counts if not count.is_exact]
        names = Names(
            operators={count.operator_id for count in wrong},
            tag_sets={count.tag_set_id for count in wrong},
        )
        for count in wrong:
            where = f"{names.operator(count.operator_id)}, {st.LABELS.get(count.status, count.status)}"
            if count.tag_set_id is not None:
                where += f", {names.tags(count.tag_set_id)}"
            self.stdout.write(f"{where}: the counter says {count.stored:,}, counted {count.counted:,}.")
        numbers = sum(count.counted for count in counts)
        if not wrong:
            self.stdout.write(f"All {len(counts):,} counters of {numbers:,} numbers are exact.")
            return
        summary = f"{len(wrong):,} of {len(counts):,} counters of {numbers:,} numbers"
        if not repair:
            raise CommandError(f"{summary} are wrong. Correct them with manage.py check_stock --repair")
        self.stdout.write(f"{summary} were wrong and have been corrected.")
