"""No sequence of actions by people without the right resells a number before its age."""

from datetime import timedelta

import hypothesis
import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.history.undo.undo import Undo
from dids.job_kinds import submit_minimum
from dids.lifecycle.statuses import LABELS
from dids.models import DID, AgeingRule, ClientPackage, Reservation
from operators.models import Operator
from tests.ageing import resold_early
from tests.examples import scaled
from tests.world import member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NUMBERS = ["7700", "7701", "7710"]
SOME = st.sets(st.sampled_from(NUMBERS), min_size=1)
CLIENT = st.integers(0, 1)
MINIMUMS = {"77": 12, "770": 25}


class Seller(RuleBasedStateMachine):
    """A supervisor and the system, who may do everything but override ageing, with two clients.

    ``least``: the days that each hold lasts.
    """

    least = MINIMUMS

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = timezone.now() - 300 * DAY
        self.supervisor, admin = member("Supervisor"), member("Administrator")
        for prefix, days in MINIMUMS.items():
            minimum = AgeingRule(prefix=prefix, days=days, source="the contract")
            minimum.create(by=admin)
            if prefix in self.least:
                minimum.accept(by=admin)
            else:
                submit_minimum(admin, minimum, "accept")
        reseller = Reseller.objects.create(name="North")
        self.operator = Operator.objects.create(reseller=reseller, name="Telecom")
        package = Package.objects.create(reseller=reseller, name="Basic", did_limit=9, hold_days=0)
        self.given = []
        for name in ("Bakery", "Dental"):
            client = Client.objects.create(reseller=reseller, name=name)
            Account.objects.create(client=client, name=name.lower())
            given = ClientPackage(client=client, package=package, starts_at=self.now - DAY)
            given.give(by=SYSTEM, now=self.now)
            self.given.append(given)
        self.begun = Change.objects.latest("pk").pk
        self.create(set(NUMBERS))
        self.assign(set(NUMBERS), 0)

    def teardown(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def some(self, numbers):
        return DID.objects.filter(number__in=numbers)

    def holder(self, which):
        given = ClientPackage.objects.get(pk=self.given[which].pk)
        return given, Account.objects.get(client=given.client)

    @rule(numbers=SOME)
    def create(self, numbers):
        new = {"operator": self.operator, "by": self.supervisor, "now": self.now}
        DID.objects.create_numbers(sorted(numbers), **new)

    @rule(numbers=SOME)
    def delete(self, numbers):
        self.some(numbers).delete_unused(by=self.supervisor, now=self.now)

    @rule(numbers=SOME, which=CLIENT)
    def assign(self, numbers, which):
        reason = {"override": "I would like to"}
        for more in ({}, reason):
            self.some(numbers).assign(*self.holder(which), by=self.supervisor, now=self.now, **more)

    @rule(numbers=SOME, status=st.sampled_from(list(LABELS)))
    def edit(self, numbers, status):
        self.some(numbers).edit(by=self.supervisor, now=self.now, status=status)

    @rule(numbers=SOME, days=st.sampled_from([None, 0, 1]))
    def change_hold_days(self, numbers, days):
        self.some(numbers).edit(by=self.supervisor, now=self.now, hold_days=days)

    @rule(numbers=SOME)
    def end_hold(self, numbers):
        self.some(numbers).end_hold(by=self.supervisor, now=self.now)

    @rule(numbers=SOME)
    def take_back(self, numbers):
        self.some(numbers).activate(by=self.supervisor, now=self.now)

    @rule(which=CLIENT, on=st.booleans())
    def switch(self, which, on):
        given, _ = self.holder(which)
        given.activate(by=self.supervisor, now=self.now) if on else given.deactivate(
            by=self.supervisor, now=self.now
        )

    @rule(numbers=SOME, which=CLIENT)
    def reserve(self, numbers, which):
        client = self.given[which].client
        draft = {"by": self.supervisor, "reseller": client.reseller, "client": client, "purpose": "Trial"}
        self.some(numbers).reserve(Reservation.draft(**draft), by=self.supervisor, now=self.now)

    @rule(numbers=SOME, which=CLIENT)
    def assign_reserved(self, numbers, which):
        self.some(numbers).assign_reserved(*self.holder(which), by=self.supervisor, now=self.now)

    @rule(back=st.integers(0, 5))
    def undo(self, back):
        for change in Change.objects.filter(pk__gt=self.begun).order_by("-pk")[back : back + 1]:
            Undo(change, by=self.supervisor, now=self.now).run()

    @rule(days=st.sampled_from([1, 11, 13, 24, 26]))
    def time_passes(self, days):
        self.now += days * DAY
        over = DID.objects.hold_over(self.now)
        over.filter(status="hold").end_hold(by=SYSTEM, now=self.now)

    @invariant()
    def nothing_is_resold_early(self):
        assert resold_early(MINIMUMS) == []

    @invariant()
    def no_hold_is_shorter_than_the_minimum(self):
        for did in DID.objects.filter(status="hold"):
            least = self.least.get("770" if did.number.startswith("770") else "77", 0)
            assert did.hold_until - did.hold_from >= least * DAY, did


class SellerDuringJobs(Seller):
    """While the jobs that accept the minimums wait for a worker."""

    least = {}


@pytest.mark.parametrize("seller", [Seller, SellerDuringJobs])
def test_no_sequence_of_actions_resells_a_number_before_its_age(db, seller):
    examples = hypothesis.settings(
        max_examples=scaled(20),
        stateful_step_count=25,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(seller, settings=examples)
