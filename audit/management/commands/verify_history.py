from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.models import Change
from audit.pruning import known_since
from audit.seals.chain import changes_of_another_time, verify_chain
from audit.seals.failures import IntegrityFailure, count_and_name
from audit.seals.log import SealLog
from audit.seals.touched import verify_touched
from audit.seals.verifying import verify_recording, verify_seals
from audit.seals.writing import count_unsealed_rows, newest_seal
from staff.records import differing_sql

MAX_SHOWN = 100  # failures that are printed; the rest are counted


class Command(BaseCommand):
    help = (
        "Verify that history is what was sealed, that no seal was changed or removed, that rows were written"
        " when they say, and that every row matches its newest history row. Exits with an error if not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect", default="", metavar="DIGEST", help="the digest of a seal that was kept elsewhere"
        )

        parser.add_argument(
            "--log",
            type=Path,
            metavar="FILE",
            help="a log of seals that was kept elsewhere, besides SEAL_LOG of this host",
        )

    def handle(self, *, expect: str, log: Path | None, **_: Any) -> None:
        kept = _read(log) if log else None
        count = 0
        for count, failure in enumerate(_all_failures(expect, kept), start=1):
            if count <= MAX_SHOWN:
                self.stderr.write(str(failure))
        self._notes()
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
            " The owner of the database could change those unnoticed."
        )

    def _notes(self) -> None:
        """Print what is no failure, but what a person should know."""
        for change in Change.objects.filter(kind=Change.Kind.PRUNE).order_by("pk"):
            self.stdout.write(f"Change {change.pk} of {change.at:%Y-%m-%d %H:%M} UTC: {change}")
        another_time = changes_of_another_time()
        if count := another_time.count():
            first = another_time.order_by("pk")[0]
            self.stdout.write(
                f"Changes recorded with another time than the clock’s: {count:,}, such as change {first.pk}"
                f" ({first}), recorded {first.data['recorded_at']}."
            )


def _read(path: Path) -> SealLog:
    try:
        return SealLog.read(path)
    except OSError as error:
        raise CommandError(f"The log of seals can’t be read: {error}.") from None


def _all_failures(expect: str, kept: SealLog | None) -> Iterator[IntegrityFailure]:
    """Yield all failures. Only a log that a person names proves that no seal was removed."""
    own = _read(settings.SEAL_LOG) if settings.SEAL_LOG.exists() else None
    for log in filter(None, (kept, own)):
        yield from log.compare()
    yield from verify_chain(kept.digests() if kept else ())
    yield from verify_seals(expect)
    yield from verify_recording()
    for record, sql in differing_sql().items():
        if found := count_and_name(sql):
            table = record._meta.db_table
            yield IntegrityFailure(
                table, f"{table}: {record._meta.verbose_name_plural} changed without a record: {found}."
            )
    yield from verify_touched(known_since())
