from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.seals.verifying import verify_recording, verify_seals
from audit.seals.writing import count_unsealed_rows, newest_seal

MAX_SHOWN = 100  # failures that are printed; the rest are counted


class Command(BaseCommand):
    help = (
        "Verify that history is what was sealed, that no seal was changed or removed, and that every row"
        " matches its newest history row. Exits with an error if not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect", default="", metavar="DIGEST", help="the digest of a seal that was kept elsewhere"
        )

    def handle(self, *, expect: str, **_: Any) -> None:
        count = 0
        for count, failure in enumerate(chain(verify_seals(expect), verify_recording()), start=1):
            if count <= MAX_SHOWN:
                self.stderr.write(str(failure))
        last = newest_seal()
        if last:
            self.stdout.write(f"Newest seal: {last.number}, up to {last.day}, digest {last.digest}")
        if count > MAX_SHOWN:
            self.stderr.write(f"… and {count - MAX_SHOWN:,} more")
        if count:
            raise CommandError(
                f"{count:,} {'failure' if count == 1 else 'failures'}: history is not what was recorded."
                " Keep this database as it is and compare it with a backup."
            )
        if not last:
            self.stdout.write("Nothing is sealed yet. The worker seals history once a day.")
            return
        self.stdout.write(
            f"All sealed history is unchanged; {count_unsealed_rows():,} rows are not sealed yet."
        )
