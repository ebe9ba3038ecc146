"""What has been set up so far: the steps from an empty system to the first number of a client."""

from dataclasses import dataclass

from django.db.models import Sum

from clients.models import Account, Client, Package, Reseller
from dids.lifecycle import statuses as st
from dids.models import ClientPackage, Stock
from operators.models import Operator

NAMED = 3
STEPS = ("reseller", "operator", "numbers", "client", "package")


@dataclass(frozen=True)
class FirstSteps:
    """What a user may see of each step.

    Eight queries, of which one reads the counters and the others at most four rows.

    ``resellers``, ``operators``, ``clients``, ``packages``: the first names, see ``_names``. ``numbers``: how
    many there are. ``without_account``: a client, while no client has an account; ``client``: one that has.
    ``given``: a package that is running for a client; ``assigned``: whether a client has a number, or had it
    before a hold.
    """

    resellers: str
    operators: str
    numbers: int
    clients: str
    packages: str
    without_account: Client | None
    client: Client | None
    given: ClientPackage | None
    assigned: bool

    @property
    def done(self):
        """Return the names of the steps that are done."""
        facts = (self.resellers, self.operators, self.numbers, self.client, self.assigned)
        return {step for step, fact in zip(STEPS, facts, strict=True) if fact}

    @property
    def next(self):
        """Return the first step that is not done, "" when all are."""
        return next((step for step in STEPS if step not in self.done), "")


def first_steps(user, now):
    """Return the ``FirstSteps`` of what ``user`` may see."""
    clients = Client.objects.visible_to(user).filter(closed_at__isnull=True)
    account = Account.objects.visible_to(user).filter(client__closed_at__isnull=True).order_by("pk")
    account = account.select_related("client").first()
    given = ClientPackage.objects.visible_to(user).running(now)
    stock = Stock.objects.filter(operator__in=Operator.objects.visible_to(user)).order_by()
    counts = dict(stock.values_list("status").annotate(Sum("numbers")))
    return FirstSteps(
        resellers=_names(Reseller.objects.visible_to(user)),
        operators=_names(Operator.objects.visible_to(user)),
        numbers=sum(counts.values()),
        clients=_names(clients),
        packages=_names(Package.objects.visible_to(user).filter(archived_at__isnull=True)),
        without_account=None if account else clients.order_by("pk").first(),
        client=account and account.client,
        given=given.select_related("client", "package").order_by("pk").first(),
        assigned=any(counts.get(status) for status in (*st.IN_USE, st.HOLD)),
    )


def _names(records):
    """Return the names of the first records, as "A, B and C" or "A, B, C and more"."""
    names = list(records.order_by("pk").values_list("name", flat=True)[: NAMED + 1])
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
