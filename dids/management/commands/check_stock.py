from itertools import islice

from django.core.management.base import BaseCommand, CommandError

from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import counters, head_stock
from dids.models.prefixes import TAIL

LISTED_MOST = 20  # wrong counters by prefix; there may be thousands


class Command(BaseCommand):
    help = (
        "Compare the counters of numbers by operator, status and tags or prefix with the numbers themselves."
    )

    def add_arguments(self, parser):
        parser.add_argument("--repair", action="store_true", help="correct the counters that differ")

    def handle(self, *, repair, **options):
        counts, heads = ((one.repair if repair else one.check)() for one in (counters, head_stock))
        wrong = [count for count in counts if not count.is_exact]
        wrong_heads = [count for count in heads if not count.is_exact]
        names = Names(
            operators={count.operator_id for count in [*wrong, *wrong_heads[:LISTED_MOST]]},
            tag_sets={count.tag_set_id for count in wrong},
        )
        for count in wrong:
            where = f"{names.operator(count.operator_id)}, {st.LABELS.get(count.status, count.status)}"
            if count.tag_set_id is not None:
                where += f", {names.tags(count.tag_set_id)}"
            self.stdout.write(f"{where}: the counter says {count.stored:,}, counted {count.counted:,}.")
        for count in islice(wrong_heads, LISTED_MOST):
            head = f"numbers {count.head}{'x' * TAIL}" if count.head else f"numbers of up to {TAIL} digits"
            for label, stored, counted in zip(st.LABELS.values(), count.stored, count.counted, strict=True):
                if stored != counted:
                    where = f"{names.operator(count.operator_id)}, {label}, {head}"
                    self.stdout.write(f"{where}: the counter says {stored:,}, counted {counted:,}.")
        if len(wrong_heads) > LISTED_MOST:
            self.stdout.write(f"{len(wrong_heads) - LISTED_MOST:,} more counters by prefix are wrong.")
        numbers, every = sum(count.counted for count in counts), len(counts) + len(heads)
        if not wrong and not wrong_heads:
            self.stdout.write(f"All {every:,} counters of {numbers:,} numbers are exact.")
            return
        summary = f"{len(wrong) + len(wrong_heads):,} of {every:,} counters of {numbers:,} numbers"
        if not repair:
            raise CommandError(f"{summary} are wrong. Correct them with manage.py check_stock --repair")
        self.stdout.write(f"{summary} were wrong and have been corrected.")
