"""A simulated year of a carrier: random actions of users and the worker break no invariant."""

from collections import Counter, defaultdict
from datetime import timedelta

import hypothesis
import pytest
from django.db import transaction
from django.db.models import Count, Min, Sum
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from didmgmt.dates import midnight
from dids.lifecycle.statuses import FREE, HELD, IN_USE, LABELS, MOVES, RESUMED
from dids.models import DID, AgeingRule, ClientPackage, DIDHistory, Reservation, Stock, counters, head_stock
from dids.upcoming import Upcoming
from operators.models import Operator
from tests.ageing import resold_early
from tests.examples import scaled
from tests.world import member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NUMBERS = [f"77{n:02d}" for n in range(24)]
SOME = st.sets(st.sampled_from(NUMBERS), min_size=1, max_size=8)
PEOPLE = st.sampled_from(["Clerk", "Provisioner", "Supervisor"])


class Carrier(RuleBasedStateMachine):
    """Two resellers with packages and clients; ``now`` advances by hours, and the worker runs sometimes."""

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = timezone.now()
        self.people = {role: member(role) for role in ("Clerk", "Provisioner", "Supervisor")}
        admin = member("Administrator")
        for prefix, days in (("77", 12), ("770", 25)):
            aged = AgeingRule(prefix=prefix, days=days, source="the contract")
            aged.create(by=admin)
            aged.accept(by=admin)
        self.given, self.accounts = [], {}
        for name, limit, tags, days in (("North", 5, "", 3), ("South", 2, "gold", 0)):
            reseller = Reseller.objects.create(name=name)
            operator = Operator.objects.create(reseller=reseller, name=f"{name} Telecom")
            package = Package.objects.create(
                reseller=reseller, name="Basic", did_limit=limit, allowed_tags=tags, hold_days=days
            )
            for n in range(2):
                client = Client.objects.create(reseller=reseller, name=f"{name} {n}")
                self.accounts[client] = Account.objects.create(client=client, name=f"{name}_{n}")
                given = ClientPackage(client=client, package=package, starts_at=self.now - DAY)
                given.give(by=SYSTEM, now=self.now)
                self.given.append(given)
            own = NUMBERS[:16] if name == "North" else NUMBERS[16:]
            new = {"operator": operator, "by": SYSTEM, "now": self.now}
            DID.objects.create_numbers(own[::2], tags=["gold"], after_hold="archive", **new)
            DID.objects.create_numbers(own[1::2], hold_days=10, **new)

        for n, given in enumerate(self.given):
            assigned = NUMBERS[8 * n : 8 * n + 4] if n < 2 else NUMBERS[16 + 4 * (n - 2) : 20 + 4 * (n - 2)]
            self._some(assigned).assign(given, self.accounts[given.client], by=SYSTEM, now=self.now)

    def teardown(self):
        try:
            self.nobody_interferes_and_the_calendar_comes_true()
        finally:
            self.undo_everything()

    def undo_everything(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def _some(self, numbers):
        return DID.objects.filter(number__in=numbers)

    # --- actions of users

    @rule(who=PEOPLE, numbers=SOME, which=st.integers(0, 3))
    def assign(self, who, numbers, which):
        given = self.given[which]
        account = self.accounts[given.client]
        self._some(numbers).assign(given, account, by=self.people[who], now=self.now)

    @rule(who=PEOPLE, numbers=SOME, status=st.sampled_from(list(LABELS)))
    def edit(self, who, numbers, status):
        self._some(numbers).edit(by=self.people[who], now=self.now, status=status)

    @rule(numbers=SOME)
    def block(self, numbers):
        self._some(numbers).block(by=self.people["Provisioner"], now=self.now)

    @rule(who=PEOPLE, numbers=SOME, days=st.sampled_from([None, 0, 1, 365]))
    def change_hold_days(self, who, numbers, days):
        self._some(numbers).edit(by=self.people[who], now=self.now, hold_days=days)

    @rule(who=PEOPLE, numbers=SOME)
    def release(self, who, numbers):
        self._some(numbers).end_hold(by=self.people[who], now=self.now)

    @rule(which=st.integers(0, 3), on=st.booleans())
    def switch(self, which, on):
        given = self.given[which]
        if not on:
            given.deactivate(by=self.people["Provisioner"], now=self.now)
        elif not given.client.closed_at:
            given.activate(by=self.people["Provisioner"], now=self.now)

    @rule(which=st.integers(0, 3), days=st.integers(-2, 60))
    def end_on(self, which, days):
        self.given[which].refresh_from_db()
        self.given[which].end_on(self.now + days * DAY, by=self.people["Provisioner"], now=self.now)

    @rule(which=st.integers(0, 3), close=st.booleans())
    def close_or_reopen(self, which, close):
        client = self.given[which].client
        if close:
            ClientPackage.close_client(client, by=self.people["Provisioner"], now=self.now)
        else:
            ClientPackage.reopen(client, by=self.people["Provisioner"], now=self.now)

    @rule(who=PEOPLE, numbers=SOME, which=st.integers(0, 3), days=st.sampled_from([None, 1, 10]))
    def reserve(self, who, numbers, which, days):
        client, by = self.given[which].client, self.people[who]
        ends_at = days and self.now + days * DAY
        fields = {"reseller": client.reseller, "client": client, "purpose": "Trial", "made_at": self.now}
        draft = Reservation.draft(by=by, ends_at=ends_at, **fields)
        self._some(numbers).reserve(draft, by=by, now=self.now)

    @precondition(lambda self: Reservation.objects.exists())
    @rule(which=st.integers(0, 30), days=st.sampled_from([None, 2, 40]))
    def extend(self, which, days):
        every = Reservation.objects.order_by("pk")
        reservation = every[which % every.count()]
        reservation.end_on(days and self.now + days * DAY, by=self.people["Clerk"], now=self.now)

    @rule(who=PEOPLE, numbers=SOME)
    def end_reservation(self, who, numbers):
        self._some(numbers).end_reservation(by=self.people[who], now=self.now)

    @rule(numbers=SOME, which=st.integers(0, 3))
    def convert(self, numbers, which):
        given = self.given[which]
        account, by = self.accounts[given.client], self.people["Provisioner"]
        self._some(numbers).assign_reserved(given, account, by=by, now=self.now)

    # --- time and the worker

    @rule(hours=st.integers(1, 24 * 20))
    def time_passes(self, hours):
        self.now += timedelta(hours=hours)

    @precondition(lambda self: DID.objects.hold_over(self.now).exists())
    @rule()
    def the_worker_releases(self):
        # as dids.periodic does, with the simulated clock
        over = DID.objects.hold_over(self.now)
        over.filter(status="hold").end_hold(by=SYSTEM, now=self.now)
        over.filter(status="reserved").end_reservation(by=SYSTEM, now=self.now)
        assert not DID.objects.hold_over(self.now).exists()

    @rule()
    def the_worker_ends_packages(self):
        for given in ClientPackage.objects.filter(active=True, ends_at__lte=self.now):
            given.deactivate(by=SYSTEM, now=self.now, ended=True)

    # --- the end of the year

    def nobody_interferes_and_the_calendar_comes_true(self):
        with timezone.override("Europe/Berlin"):
            today = timezone.localtime(self.now).date()
            span = (today, today + 45 * DAY)
            shown = Upcoming(self.people["Clerk"], *span, now=self.now).entries
            held = set(
                DID.objects.filter(status="hold", hold_until__gt=self.now).values_list("pk", flat=True)
            )
            # What is over by the clock is over before the first day that is shown.
            self.the_worker_releases()
            happened = defaultdict(Counter)
            while self.now < midnight(span[1] + DAY):
                before = dict(DID.objects.values_list("pk", "status"))
                self.the_worker_ends_packages()
                self.the_worker_releases()
                day = timezone.localtime(self.now).date()
                for pk, status in DID.objects.values_list("pk", "status"):
                    if status != before[pk]:
                        happened[day, kind_of(before[pk], pk in held)][status] += 1
                self.now = self.next_end()
        assert {key: one.outcomes for key, one in shown.items() if one.numbers} == happened

    def next_end(self):
        """Return when the next hold, reservation or package ends, years from now if none does."""
        ends = DID.objects.filter(hold_until__isnull=False).aggregate(Min("hold_until"))
        given = ClientPackage.objects.filter(active=True).aggregate(Min("ends_at"))
        return min(filter(None, [*ends.values(), *given.values()]), default=self.now + 1_000 * DAY)

    # --- invariants

    @invariant()
    def each_number_is_consistent(self):
        for did in DID.objects.all():
            held = did.status in HELD
            assert (did.account_id is not None, did.client_package_id is not None) == (held, held), did
            assert (did.hold_from is not None) == (did.status == "hold"), did
            ends = did.status == "hold" or (did.reservation and did.reservation.ends_at is not None)
            assert (did.hold_until is not None) == bool(ends), did

    @invariant()
    def a_number_is_in_a_reservation_only_while_it_is_reserved(self):
        for did in DID.objects.filter(reservation__isnull=False).select_related("reservation", "operator"):
            kept = did.reservation
            assert (did.status, did.hold_until) == ("reserved", kept.ends_at), did
            assert did.operator.reseller_id == kept.reseller_id, did

    @invariant()
    def a_reservation_that_is_over_has_no_number_by_the_clock(self):
        reserved = DID.objects.with_status_now(self.now).filter(reservation__ends_at__lte=self.now)
        assert all(did.status_now == "instock" for did in reserved)
        running = Reservation.objects.running(self.now).values("pk")
        members = DID.objects.in_status(["reserved"], self.now).filter(reservation__isnull=False)
        assert not members.exclude(reservation__in=running).exists()

    @invariant()
    def no_package_exceeds_its_did_limit(self):
        in_use = DID.objects.filter(status__in=IN_USE).values("client_package").annotate(n=Count("pk"))
        limits = {given.pk: given.package.did_limit for given in self.given}
        assert all(row["n"] <= limits[row["client_package"]] for row in in_use)

    @invariant()
    def a_package_that_is_off_has_no_number_in_use(self):
        assert not DID.objects.filter(client_package__active=False, status__in=IN_USE).exists()

    @invariant()
    def each_step_of_history_is_a_legal_move(self):
        last = {}
        for number, event, status in DIDHistory.objects.order_by("history_id").values_list(
            "number", "event", "status"
        ):
            before = last.get(number)
            if event == "~" and before != status:
                skips_hold = before in IN_USE and status in FREE  # 0 hold days
                resumes = before == "hold" and status in RESUMED
                assert (before, status) in MOVES or skips_hold or resumes, (number, before, status)
            last[number] = status
        assert last == dict(DID.objects.values_list("number", "status"))

    @invariant()
    def a_hold_remembers_what_the_stop_of_its_package_found(self):
        last = {}
        rows = DIDHistory.objects.order_by("history_id").select_related("change")
        for row in rows:
            before = last.get(row.number)
            stops = row.change and row.change.kind == "package"
            if row.status != "hold":
                expected = None
            elif before.status == "hold":
                expected = before.resumes_as
            else:
                expected = before.status if stops else None
            assert row.resumes_as == expected, row.number
            if stops and before.status == "hold":
                assert row.status == before.resumes_as, row.number
            last[row.number] = row

    @invariant()
    def no_number_is_resold_before_its_age(self):
        assert resold_early({"77": 12, "770": 25}) == []

    @invariant()
    def a_change_writes_a_number_once(self):
        rows = DIDHistory.objects.values("change", "object_id").annotate(n=Count("history_id"))
        assert not rows.filter(n__gt=1).exists()

    @invariant()
    def reads_treat_an_overdue_hold_as_over(self):
        counts = DID.objects.by_status(self.now)
        seen = dict.fromkeys(LABELS, 0)
        for did in DID.objects.with_status_now(self.now):
            seen[did.status_now] += 1
            assert did.routing(self.now).is_reachable == (
                did.status_now == "active" and did.client_package.is_running(self.now)
            )
        assert counts == seen

    @invariant()
    def the_counters_are_exact(self):
        counters.compact()
        stored = dict(Stock.objects.values_list("status").annotate(Sum("numbers")).order_by())
        counted = dict(DID.objects.values_list("status").annotate(Count("pk")).order_by())
        assert {status: n for status, n in stored.items() if n} == counted
        head_stock.compact()
        assert all(count.is_exact for count in head_stock.check())


def kind_of(status, was_on_hold):
    """Return the kind of the calendar for a number that leaves ``status`` by itself."""
    if status == "hold":
        return "hold_ends" if was_on_hold else "following_hold_ends"
    return "reservation_ends" if status == "reserved" else "package_ends"


def test_a_simulated_year_breaks_no_invariant(db):
    examples = hypothesis.settings(
        max_examples=scaled(30),
        stateful_step_count=30,
        deadline=None,
        # No shrinking: it takes longer than reading the failing run.
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(Carrier, settings=examples)
