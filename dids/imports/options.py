"""The options of an import: what its owner chose, and what the owner may do."""

from dataclasses import dataclass, field
from functools import cached_property

from clients.models import Reseller
from operators.models import Operator
from staff.models import User

LEAVE, KEEP, CLEAR, REFUSE = "leave", "keep", "clear", "refuse"  # existing numbers: see ``Options.existing``


@dataclass(frozen=True)
class Options:
    """Everything that validation needs besides the rows.

    ``mapped``: the keys of the file's columns. ``existing``: leave existing numbers alone (LEAVE), refuse
    them (REFUSE) or update them, a blank cell leaving the field unchanged (KEEP) or clearing tags, notes and
    hold days (CLEAR); no other field can be empty. ``new``: whether numbers that don't exist are created, or
    refused. ``create``: create missing records. ``operator`` and ``defaults`` (status, after_hold, tags,
    notes) fill missing values of new numbers.
    """

    user: User
    mapped: frozenset[str]
    existing: str
    create: bool
    operator: Operator | None = None
    defaults: dict = field(default_factory=dict)
    new: bool = True

    @classmethod
    def of(cls, job):
        """Read the options of an import job, with the permissions that its actor has now."""
        params, user = job.params, job.actor
        return cls(
            user=user,
            mapped=frozenset(key for key in params["mapping"] if key),
            existing=params["existing"],
            create=params["create"],
            operator=Operator.objects.visible_to(user).filter(pk=params["operator"]).first(),
            defaults=params["defaults"],
            new=params.get("new", True),
        )

    def may(self, permission):
        return self.user.has_perm(permission if "." in permission else f"dids.{permission}")

    @property
    def by_id(self):
        """Whether rows find their number by ID, which they do only without a number column."""
        return "number" not in self.mapped

    @property
    def bound_to(self):
        """The id of the reseller that the user is bound to, or None."""
        return self.user.reseller_id

    @cached_property
    def default_reseller(self):
        """The id of the reseller whose records are meant where a row names neither reseller nor operator.

        The user's own, the default operator's, or the only one; otherwise None.
        """
        if self.bound_to:
            return self.bound_to
        if self.operator:
            return self.operator.reseller_id
        resellers = list(Reseller.objects.values_list("pk", flat=True)[:2])
        return resellers[0] if len(resellers) == 1 else None

    def clears(self, column):
        """Whether a blank cell of this column clears the field of an existing number."""
        return self.existing == CLEAR and column in self.mapped
