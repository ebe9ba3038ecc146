"""Find the sealed ranges that are still in force."""

from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Model

from audit.models import Seal
from audit.seals.hashing import Span, sealed_models

SEALS_AT_ONCE = 100


class SealedSpan(NamedTuple):
    """A sealed range of one model's rows, with the seal that holds its hashes."""

    seal: Seal
    model: type[Model]
    span: Span

    @property
    def sealed_rows(self) -> int:
        return sum(rows for rows, _ in self.span["blocks"])

    def count_rows(self) -> int:
        """Count the rows that the range has now; one query."""
        keys = (self.span["first"], self.span["last"])
        return self.model._default_manager.filter(pk__range=keys).count()


def all_seals() -> Iterator[Seal]:
    """Yield the seals in their order; no transaction is open while the rows of one are compared."""
    last = 0
    while seals := list(Seal.objects.filter(number__gt=last).order_by("number")[:SEALS_AT_ONCE]):
        yield from seals
        last = seals[-1].number


def current_spans() -> Iterator[SealedSpan]:
    """Yield every sealed range once, from the newest seal that covers it, in the order of seals.

    Reads one seal at a time: the spans of all seals may be large.
    """
    models = {model._meta.db_table: model for model in sealed_models()}
    newest = {}
    for seal in all_seals():
        for span in seal.spans:
            newest[span["table"], span["first"]] = seal.number
    current: Seal | None = None
    for (table, first), number in sorted(newest.items(), key=lambda item: (item[1], item[0])):
        if current is None or current.number != number:
            current = Seal.objects.get(number=number)
        span = next(span for span in current.spans if (span["table"], span["first"]) == (table, first))
        if table in models:
            yield SealedSpan(current, models[table], span)


def spans_with_gaps() -> Iterator[SealedSpan]:
    """Yield the ranges that have fewer rows than were sealed; one count a range."""
    return (sealed for sealed in current_spans() if sealed.count_rows() < sealed.sealed_rows)
