from django.core.management.base import BaseCommand, CommandError

from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import counters as stock


class Command(BaseCommand):
    help = "Compare the counters of numbers by operator, status and tags with the numbers themselves."

    def add_arguments(self, parser):
        parser.add_argument("--repair", action="store_true", help="set right what differs")

    def handle(self, *, repair, **options):
        counters = stock.repair() if repair else stock.check()
        wrong = [counter for counter in counters if not counter.is_exact]
        names = Names(
            operators={counter.operator_id for counter in wrong},
            tag_sets={counter.tag_set_id for counter in wrong},
        )
        for counter in wrong:
            where = f"{names.operator(counter.operator_id)}, {st.LABELS.get(counter.status, counter.status)}"
            if counter.tag_set_id is not None:
                where += f", {names.tags(counter.tag_set_id)}"
            self.stdout.write(f"{where}: the counter says {counter.kept:,}, there are {counter.counted:,}.")
        numbers = sum(counter.counted for counter in counters)
        if not wrong:
            self.stdout.write(f"All {len(counters):,} counters are exact, of {numbers:,} numbers.")
            return
        told = f"{len(wrong):,} of {len(counters):,} counters of {numbers:,} numbers"
        if not repair:
            raise CommandError(f"{told} are wrong. Set them right: manage.py check_stock --repair")
        self.stdout.write(f"{told} were wrong and are set right.")
