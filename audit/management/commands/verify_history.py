from itertools import chain

from django.core.management.base import BaseCommand, CommandError

from audit import seals

SHOWN = 100  # findings that are printed; the others are counted


class Command(BaseCommand):
    help = (
        "Check that history is what was sealed, that no seal was changed or taken away, and that everything"
        " is what its newest history says. Ends with an error when something is not."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--expect", default="", metavar="DIGEST", help="the digest of a seal that was kept elsewhere"
        )

    def handle(self, *, expect, **options):
        count = 0
        for count, finding in enumerate(chain(seals.verify(expect), seals.unrecorded()), start=1):
            if count <= SHOWN:
                self.stderr.write(str(finding))
        last = seals.last_seal()
        if last:
            self.stdout.write(f"Newest seal: {last.number}, up to {last.day}, digest {last.digest}")
        if count > SHOWN:
            self.stderr.write(f"… and {count - SHOWN:,} more")
        if count:
            raise CommandError(
                f"{count:,} findings: history is not what was recorded. Keep this database as it is and"
                " compare it with a backup."
            )
        if not last:
            self.stdout.write("Nothing is sealed yet: the worker seals once a day.")
            return
        self.stdout.write(f"All that was sealed is unchanged; {seals.unsealed():,} rows came since.")
