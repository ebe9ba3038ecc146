"""The numbers of a pasted list that a list of numbers does not have."""

from dataclasses import dataclass

DELETED = "deleted"
SHOWN = 10  # numbers that a sentence names
COPIED = 1_000  # numbers that a page carries to be copied; files have all of them


@dataclass(frozen=True)
class Missing:
    """The numbers that were searched for and not found, {why: [number, …]} in the order pasted."""

    asked: int
    by_state: dict[str, list[str]]

    def __bool__(self):
        return bool(self.count)

    @property
    def count(self):
        return sum(map(len, self.by_state.values()))

    @property
    def found(self):
        return self.asked - self.count

    @property
    def parts(self):
        """Return [(count, why, the first numbers, how many more)] for a sentence."""
        return [
            (len(numbers), state, ", ".join(numbers[:SHOWN]), max(0, len(numbers) - SHOWN))
            for state, numbers in self.by_state.items()
            if numbers
        ]

    @property
    def copied(self):
        """All numbers as text to copy, "" if they are too many for a page."""
        numbers = [number for numbers in self.by_state.values() for number in numbers]
        return "\n".join(numbers) if len(numbers) <= COPIED else ""

    def rows(self):
        """Yield (number, why)."""
        for state, numbers in self.by_state.items():
            yield from ((number, state) for number in numbers)
