"""The result of checking or importing the file of a reference table."""

import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple


class RowChange(NamedTuple):
    """Describe what is written for the row on ``line``: ``changes`` of (column, before, after).

    A new row has no ``pk`` and no ``changes``.
    """

    line: int
    name: str
    pk: int | None
    changes: list


@dataclass
class FileResult:
    """Hold ``counts`` of created, updated, unchanged and refused rows, and their details.

    ``row_changes``: of the created and updated rows. ``refusals``: {line, column, value, reason}; a row may
    have several.
    """

    nouns: tuple
    counts: dict
    row_changes: list
    refusals: list

    @property
    def written(self):
        return self.counts["created"] + self.counts["updated"]

    @property
    def sentence(self):
        return (
            f"{self.count(self.counts['created'])} created, {self.counts['updated']:,} updated,"
            f" {self.counts['unchanged']:,} unchanged."
        )

    def count(self, number):
        return f"{number:,} {self.nouns[number != 1]}"

    @property
    def digest(self):
        """Return a hash that is equal for results that write the same values over the same values."""
        facts = json.dumps([self.counts, self.row_changes, self.refusals], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()


class ChangedSinceCheckError(Exception):
    """Stop an import whose ``result`` differs from the one that was checked."""

    def __init__(self, result):
        super().__init__()
        self.result = result
