"""The result of a write: how many numbers it changed and which it refused, for what reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from didmgmt.text import count_noun
from dids.lifecycle import statuses as st

SAMPLE = 5  # numbers named per refusal
KEPT = 10_000  # numbers kept per refusal, as many as a list can be searched for


@dataclass
class Refusal:
    """``count`` numbers refused for the same reason; ``numbers`` are the first of them.

    ``why`` is a clause without a full stop. ``stored``: the token of a stored list of the first ``listed``
    numbers of a job, for its owner, see ``StoredSearch``.
    """

    code: str
    why: str
    count: int = 0
    numbers: list[str] = field(default_factory=list)
    stored: str = ""
    listed: int = 0

    @property
    def sample(self) -> list[str]:
        """The few numbers that are named."""
        return self.numbers[:SAMPLE]

    @property
    def named(self) -> str:
        """The numbers as text: "111, 112 and 3 more"; "" when none is known."""
        named, more = ", ".join(self.sample), self.count - len(self.sample)
        return f"{named} and {more:,} more" if more and named else named

    def __str__(self) -> str:
        named = f" ({self.named})" if self.numbers else ""
        return f"{self.count:,} refused{named}: {self.why}."


@dataclass
class Result:
    """The counts of a write or a preview.

    ``change`` is the id of the recorded change; None when nothing was written.
    """

    done: int = 0
    unchanged: int = 0
    refusals: dict[str, Refusal] = field(default_factory=dict)
    change: int | None = field(default=None, compare=False)

    @property
    def refused(self) -> int:
        return sum(refusal.count for refusal in self.refusals.values())

    @property
    def refused_numbers(self) -> list[Refusal]:
        """The refusals of numbers, as in other results."""
        return list(self.refusals.values())

    @property
    def selected(self) -> int:
        return self.done + self.unchanged + self.refused

    def refuse(self, code: str, why: str, count: int, numbers: Iterable[str] = (), most: int = KEPT) -> None:
        """Add ``count`` refusals for one reason and keep the first ``most`` numbers."""
        refusal = self.refusals.setdefault(code, Refusal(code, why))
        refusal.count += count
        refusal.numbers.extend(list(numbers)[: max(0, most - len(refusal.numbers))])

    def add(self, other: Result) -> None:
        """Add the counts of another Result to this one."""
        self.done += other.done
        self.unchanged += other.unchanged
        for refusal in other.refusals.values():
            self.refuse(refusal.code, refusal.why, refusal.count, refusal.numbers)

    def as_json(self) -> dict[str, Any]:
        """Return what ``from_json`` restores, with few of the refused numbers."""
        stored = {name: value for name, value in asdict(self).items() if name != "change"}
        for refusal in stored["refusals"].values():
            refusal["numbers"] = refusal["numbers"][:SAMPLE]
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Result:
        """Restore a Result from ``as_json``; {} gives an empty one."""
        refusals = {code: Refusal(**refusal) for code, refusal in stored.get("refusals", {}).items()}
        return cls(stored.get("done", 0), stored.get("unchanged", 0), refusals)

    def sentence(self, did: str = "changed", effect: str = "") -> str:
        """Return the result in words: "12 numbers changed, 3 unchanged. 2 refused (111, 112): …".

        ``effect``: a sentence about the numbers that were changed.
        """
        counts = f"{count_noun(self.done, 'number') if self.done else 'No number'} {did}"
        if self.unchanged:
            counts += f", {self.unchanged:,} unchanged"
        said = [f"{counts}.", effect if self.done else "", *map(str, self.refusals.values())]
        return " ".join(filter(None, said))


def created_sentence(result: Result, operator: object) -> str:
    """Return the result of creating numbers for ``operator`` in words."""
    created = f"{count_noun(result.done, 'DID')} created for {operator}." if result.done else ""
    refused = (f"{refusal.count:,} {refusal.why}: {refusal.named}." for refusal in result.refusals.values())
    return " ".join([created or "No DID was created.", *refused])


def saved_sentence(number: str, result: Result, fields: dict[str, Any]) -> str:
    """Return the result of an edit of one number in words; ``fields``: as for ``DIDQuerySet.edit``."""
    if not result.done:
        return "No field was changed."
    if fields.keys() == {"status"}:
        return f"{number} is {st.LABELS[fields['status']]} now."
    return f"{number} saved."
