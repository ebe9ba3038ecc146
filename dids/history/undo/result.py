"""The result of an undo."""

from dataclasses import dataclass, field

from clients.models import Account, Client, Package, Reseller
from didmgmt.text import count_noun, enumerated
from dids.lifecycle.result import Result
from dids.models import DID, ClientPackage
from operators.models import Operator

_NOUNS = {
    model._meta.model_name: (noun, f"{noun}s")
    for model, noun in (
        (DID, "number"),
        (ClientPackage, "client package"),
        (Package, "package"),
        (Account, "account"),
        (Client, "client"),
        (Operator, "operator"),
        (Reseller, "reseller"),
    )
}


@dataclass
class UndoResult:
    """The result of an undo or of its preview: {model name: Result}.

    ``change``: the id of the change that recorded the undo, None if nothing was written.
    """

    results: dict[str, Result] = field(default_factory=dict)
    change: int | None = None

    def of(self, model):
        return self.results.setdefault(model._meta.model_name, Result())

    @property
    def done(self):
        return sum(result.done for result in self.results.values())

    @property
    def unchanged(self):
        return sum(result.unchanged for result in self.results.values())

    @property
    def refused(self):
        return sum(result.refused for result in self.results.values())

    @property
    def refused_numbers(self):
        """The refusals of numbers."""
        return self.results.get(DID._meta.model_name, Result()).refused_numbers

    @property
    def selected(self):
        return self.done + self.unchanged + self.refused

    def counts(self):
        """Return such as "1,180 numbers and 1 client package" of what was undone, "" for nothing."""
        found = [
            count_noun(self.results[name].done, *noun)
            for name, noun in _NOUNS.items()
            if name in self.results and self.results[name].done
        ]
        return enumerated(found) if found else ""

    def refusals(self):
        """Yield (noun, Refusal), numbers first."""
        for name, (noun, plural) in _NOUNS.items():
            for refusal in self.results.get(name, Result()).refusals.values():
                yield noun if refusal.count == 1 else plural, refusal

    def sentence(self):
        """Return "1,180 numbers reverted, 5 already reverted. 20 numbers refused (…): …"."""
        parts = [f"{self.counts() or 'Nothing'} reverted"]
        if self.unchanged:
            parts.append(f"{self.unchanged:,} already reverted")
        refusals = (
            f"{refusal.count:,} {noun} refused ({refusal.named}): {refusal.why}."
            for noun, refusal in self.refusals()
        )
        return " ".join([", ".join(parts) + ".", *refusals])

    def as_json(self):
        return {name: result.as_json() for name, result in self.results.items()}

    @classmethod
    def from_json(cls, data):
        return cls({name: Result.from_json(data[name]) for name in _NOUNS if name in data})
