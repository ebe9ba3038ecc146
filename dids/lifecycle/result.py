"""What came of a write: how many numbers it changed, and for what it refused, which and why."""

from dataclasses import asdict, dataclass, field

SAMPLE = 5  # numbers named for each refusal


@dataclass
class Refusal:
    """``count`` numbers refused for one cause; ``numbers``: the first of them; ``why`` has no full stop."""

    code: str
    why: str
    count: int = 0
    numbers: list[str] = field(default_factory=list)

    @property
    def named(self):
        """ "111, 112 and 3 more"; "" when no number is known."""
        named, more = ", ".join(self.numbers), self.count - len(self.numbers)
        return f"{named} and {more:,} more" if more and named else named

    def __str__(self):
        named = f" ({self.named})" if self.numbers else ""
        return f"{self.count:,} refused{named}: {self.why}."


@dataclass
class Result:
    """Counts of one write or of its rehearsal.

    ``change``: the id of the change that it is recorded as, None when nothing was written.
    """

    done: int = 0
    unchanged: int = 0
    refusals: dict[str, Refusal] = field(default_factory=dict)
    change: int | None = field(default=None, compare=False)

    @property
    def refused(self):
        return sum(refusal.count for refusal in self.refusals.values())

    @property
    def selected(self):
        return self.done + self.unchanged + self.refused

    def refuse(self, code, why, count, numbers=(), sample=SAMPLE):
        """Count refusals of one cause; keeps the first ``sample`` numbers of it."""
        refusal = self.refusals.setdefault(code, Refusal(code, why))
        refusal.count += count
        refusal.numbers.extend(list(numbers)[: max(0, sample - len(refusal.numbers))])

    def add(self, other):
        """Count another Result's numbers into this one."""
        self.done += other.done
        self.unchanged += other.unchanged
        for refusal in other.refusals.values():
            self.refuse(refusal.code, refusal.why, refusal.count, refusal.numbers)

    def as_json(self):
        return {name: value for name, value in asdict(self).items() if name != "change"}

    @classmethod
    def from_json(cls, kept):
        """What ``as_json`` made; {} is a Result of nothing."""
        refusals = {code: Refusal(**refusal) for code, refusal in kept.get("refusals", {}).items()}
        return cls(kept.get("done", 0), kept.get("unchanged", 0), refusals)

    def sentence(self, did="changed"):
        """ "12 numbers changed, 3 already so. 2 refused (111, 112): Active, in use …"."""
        parts = [
            f"{f'{self.done:,}' if self.done else 'No'} {'numbers' if self.done > 1 else 'number'} {did}"
        ]
        if self.unchanged:
            parts.append(f"{self.unchanged:,} already so")
        return " ".join([", ".join(parts) + ".", *map(str, self.refusals.values())])
