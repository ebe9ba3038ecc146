"""Who had a number when: exact at both ends, and unknown where history is missing."""

from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import audit
from audit import SYSTEM, triggers
from clients.models import Account, Client, Package
from dids.history.ownership import (
    ABSENT,
    DELETED,
    FIRST_KNOWN,
    FREE,
    HOLD_ENDED,
    LEFT,
    NEVER,
    ON_HOLD,
    UNKNOWN,
    USED,
    periods_of,
    who_had,
    who_had_each,
)
from dids.models import DID, ClientPackage, DIDHistory
from operators.models import Operator, OperatorHistory
from tests.carrier import carrier, numbers_in, person
from tests.examples import scaled
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(milliseconds=1)
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def house(db):
    house = carrier()
    ClientPackage.objects.update(starts_at=START - DAY)
    return house


@pytest.fixture
def anna(db):
    return person("anna", "dids.add_did", "dids.assign_did", "dids.hold_did", "dids.delete_did")


def had(number, at, viewer, now=None):
    (ownership,) = who_had([number], at, viewer, now)
    return ownership


def assigned(house, anna, at, number="100"):
    dids = DID.objects.filter(number=number)
    dids.assign(house.client_package, house.account, by=anna, now=at)
    return dids


def test_a_client_has_a_number_from_its_assignment_until_its_hold(house, anna):
    numbers_in("instock", ["100"], house, now=START)
    dids = assigned(house, anna, START + HOUR)
    dids.hold(by=anna, now=START + DAY)

    before = had("100", START + HOUR - TICK, anna)
    first = had("100", START + HOUR, anna)
    last = had("100", START + DAY - TICK, anna)
    resting = had("100", START + DAY, anna)

    assert (before.kind, before.status_label, before.note) == (FREE, "In Stock", "Unassigned.")
    for ownership in (first, last):
        assert (ownership.kind, ownership.status_label) == (USED, "Active")
        dated = ownership.dated
        assert (dated.client, dated.account_name, dated.package) == ("North Bakery", "north_bakery", "Basic")
        assert (dated.began.at, dated.ended.at) == (START + HOUR, START + DAY)
        assert (dated.began.actor, str(dated.began.change)) == (
            "anna",
            "Assigned to north_bakery under package Basic",
        )
        assert (dated.ended.actor, dated.ended.action) == ("anna", "Put on Hold")
    assert (resting.kind, resting.status_label) == (ON_HOLD, "Hold")
    assert (resting.dated.began.at, resting.dated.ended.at) == (START + HOUR, START + DAY)
    assert resting.note == (
        "On Hold after use by North Bakery from 3 Mar 2026, 09:30:00 UTC to 2 Apr 2026, 09:30:00 UTC."
    )


def test_blocking_and_edits_do_not_interrupt_a_period(house, anna):
    numbers_in("instock", ["100"], house, now=START)
    dids = assigned(house, anna, START + HOUR)
    dids.block(by=SYSTEM, now=START + 2 * HOUR)
    dids.edit(by=SYSTEM, notes="noisy", now=START + 3 * HOUR)
    dids.unblock(by=SYSTEM, now=START + 4 * HOUR)

    blocked, active = (had("100", START + hours * HOUR, anna) for hours in (3, 5))

    assert (blocked.kind, blocked.status_label, active.status_label) == (USED, "Blocked", "Active")
    for ownership in (blocked, active):
        assert (ownership.dated.began.at, ownership.dated.ended) == (START + HOUR, None)


def test_another_package_or_account_begins_another_period(house, anna):
    numbers_in("active", ["100"], house, now=START)
    plus = Package.objects.create(reseller=house.reseller, name="Plus", did_limit=9)
    given = ClientPackage.objects.create(client=house.client, package=plus)
    second = Account.objects.create(client=house.client, name="second")
    with audit.change("edit", by=SYSTEM, at=START + DAY):
        DID.objects.update(client_package=given)
    with audit.change("edit", by=SYSTEM, at=START + 2 * DAY):
        DID.objects.update(account=second)

    periods, _ = periods_of("100", anna)
    assert [(one.package, one.account_name, one.began.at) for one in periods] == [
        ("Plus", "second", START + 2 * DAY),
        ("Plus", "north_bakery", START + DAY),
        ("Basic", "north_bakery", START),
    ]


def test_a_hold_ends_by_the_clock_before_the_worker_writes_it(house, anna):
    numbers_in("instock", ["100"], house, now=START, after_hold="archive", hold_days=2)
    dids = assigned(house, anna, START)
    dids.hold(by=anna, now=START + DAY)
    over = START + 3 * DAY

    assert had("100", over, anna, now=over).kind == FREE
    changes = []
    for _ in range(2):
        resting, free = had("100", over - TICK, anna), had("100", over, anna)
        assert (resting.kind, resting.period.ended.at, resting.period.ended.cause) == (
            ON_HOLD,
            over,
            HOLD_ENDED,
        )
        assert resting.note.endswith("to 5 Mar 2026, 09:30:00 UTC.")
        assert (free.kind, free.status_label, free.dated.began.at) == (FREE, "Archive", over)
        assert (free.dated.began.actor, free.dated.began.action) == ("the system", "Hold ended")
        changes.append(free.dated.began.change)
        dids.end_hold(by=SYSTEM, now=over + 5 * HOUR)
    assert changes[0] is None
    assert (changes[1].kind, changes[1].at) == ("end_hold", over + 5 * HOUR)


def test_a_current_hold_has_no_end_yet(house, anna):
    numbers_in("hold", ["100"], house, now=START)
    resting = had("100", START + DAY, anna, now=START + 2 * DAY)
    assert (resting.kind, resting.period.ended) == (ON_HOLD, None)
    assert "until 1 Apr 2026, 09:30:00 UTC" in resting.note


def test_a_number_deleted_and_created_again_has_both_lives(house, anna):
    dids = numbers_in("instock", ["100"], house, now=START)
    assigned(house, anna, START + HOUR)
    dids.hold(by=anna, now=START + DAY)
    DID.objects.end_hold(by=SYSTEM, now=START + 2 * DAY)
    DID.objects.all().delete_unused(by=anna, now=START + 3 * DAY)
    numbers_in("active", ["100"], house, now=START + 5 * DAY)
    assert DIDHistory.objects.values("object_id").distinct().count() == 2

    first, gone, again = (had("100", START + days * DAY, anna) for days in (0.5, 3, 5))
    assert (first.kind, first.dated.began.at) == (USED, START + HOUR)
    assert (gone.kind, gone.note) == (DELETED, "Not in the inventory at that time: it had been deleted.")
    assert (gone.dated.began.action, gone.dated.began.actor) == ("Deleted", "anna")
    assert gone.dated.ended.at == START + 5 * DAY
    assert (again.kind, again.dated.began.at) == (USED, START + 5 * DAY)
    used = periods_of("100", anna)[0]
    assert [(one.kind, one.began.at) for one in used] == [
        (USED, START + 5 * DAY),
        (ON_HOLD, START + DAY),
        (USED, START + HOUR),
    ]


def test_not_yet_created_differs_from_never_in_the_inventory(house, anna):
    numbers_in("instock", ["100"], house, now=START)
    not_yet, never = who_had(["100", "999"], START - TICK, anna)
    assert (not_yet.kind, not_yet.note) == (
        ABSENT,
        "Not in the inventory at that time; added on 2 Mar 2026, 09:30:00 UTC.",
    )
    assert (never.kind, never.note) == (NEVER, "Never in the inventory.")


def test_pruned_history_is_unknown(house, anna, tmp_path):
    numbers_in("instock", ["100", "101", "102"], house, now=START)
    assigned(house, anna, START + DAY)
    DID.objects.filter(number="102").delete_unused(by=anna, now=START + 2 * DAY)
    DID.objects.filter(number="100").block(by=SYSTEM, now=START + 20 * DAY)
    with as_owner():
        call_command("prune_history", before="2026-03-12", export=str(tmp_path / "old"), verbosity=0)

    early = {ownership.number: ownership for ownership in who_had(["100", "101", "102"], START + HOUR, anna)}
    assert [early[number].kind for number in ("100", "101", "102")] == [UNKNOWN, FREE, UNKNOWN]
    assert early["100"].note == (
        "Unknown: its recorded history begins on 3 Mar 2026, 09:30:00 UTC,"
        " because history before 12 Mar 2026, 00:00:00 UTC was deleted."
    )
    assert early["102"].note.startswith("Unknown: history before 12 Mar 2026, 00:00:00 UTC was deleted.")
    assert had("101", START - TICK, anna).kind == UNKNOWN
    later = had("100", START + 30 * DAY, anna)
    assert (later.kind, later.status_label, later.dated.began.cause) == (USED, "Blocked", FIRST_KNOWN)
    assert later.dated.began.time == "3 Mar 2026, 09:30:00 UTC or earlier"
    assert had("102", START + 30 * DAY, anna).note == (
        "Not in the inventory at that time or at any other recorded time; history before"
        " 12 Mar 2026, 00:00:00 UTC was deleted."
    )


def test_a_number_without_history_is_unknown(house, anna):
    numbers_in("instock", ["100"], house)
    ownership = had("100", START, anna)
    assert ownership.kind == ABSENT
    connection.check_constraints()  # PostgreSQL can't drop a trigger while deferred constraints are pending
    with as_owner():
        triggers.drop(connection)
        DID.objects.bulk_create([DID(number="200", operator=house.operator)])
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    for viewer in (anna, nora):
        ownership = had("200", START, viewer)
        assert (ownership.kind, ownership.note) == (
            UNKNOWN,
            "Unknown: it is in the inventory but has no history.",
        )


def test_a_change_within_the_same_minute_is_noted(house, anna):
    minute = START.replace(second=0)
    numbers_in("instock", ["100"], house, now=minute - HOUR)
    assigned(house, anna, minute + timedelta(seconds=27))
    assert had("100", minute, anna).note == (
        "Unassigned. It changed within the same minute, on 2 Mar 2026, 09:30:27 UTC."
    )
    assert had("100", minute + timedelta(seconds=1), anna).note == "Unassigned."


def test_renamed_and_deleted_records_show_their_last_name_and_the_name_at_that_time(house, anna):
    renamed = START + 10 * DAY
    for model in (Client, Account, Package):
        # The fixture created it just now; history must know it from before START.
        record = model.objects.get()
        with audit.change("edit", by=SYSTEM, at=START - DAY):
            record.save()
        with audit.change("edit", by=SYSTEM, at=renamed):
            model.objects.update(name=f"{record.name} 2")
    numbers_in("active", ["100"], house, now=START)

    then, later = had("100", START, anna), had("100", renamed, anna)

    dated = then.dated
    assert (dated.client, dated.client_then) == ("North Bakery 2", "North Bakery")
    assert (dated.account_name, dated.account_then) == ("north_bakery 2", "north_bakery")
    assert (dated.package, dated.package_then) == ("Basic 2", "Basic")
    assert (later.dated.client_then, later.dated.account_then, later.dated.package_then) == ("", "", "")

    DID.objects.hold(by=SYSTEM, now=renamed + DAY)
    DID.objects.end_hold(by=SYSTEM, now=renamed + 2 * DAY)
    for record in (house.account, house.client_package, house.client, house.package):
        record.delete()
    assert had("100", START, anna).dated.client == "North Bakery 2"


def test_a_user_of_a_reseller_sees_only_periods_under_that_reseller(house, anna):
    south = carrier("South")
    dids = numbers_in("active", ["100"], house, now=START)
    with audit.change("edit", by=SYSTEM, label="Moved", at=START + DAY):
        dids.update(operator=south.operator)
    numbers_in("instock", ["101"], house, now=START)
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    sven = person("sven", "dids.view_did", reseller=south.reseller)

    first = had("100", START, nora)
    assert (first.kind, first.dated.ended.at, first.dated.ended.cause) == (USED, START + DAY, LEFT)
    assert (first.dated.ended.change, first.dated.ended.action) == (None, "Moved to another reseller")
    away = had("100", START + DAY, nora)
    assert (away.kind, away.note) == (ABSENT, "Not in the inventory at that time.")
    assert had("100", START, sven).kind == ABSENT
    assert had("100", START + DAY, sven).kind == USED
    others, nothing = who_had(["101", "555"], START, sven)
    assert (others.kind, others.note, others.status_label) == (
        nothing.kind,
        nothing.note,
        nothing.status_label,
    )
    assert had("101", START, AnonymousUser()).kind == NEVER
    assert periods_of("101", sven) == ([], False)


def test_results_keep_the_order_of_the_numbers_and_a_long_history_costs_no_more_queries(house, anna):
    numbers = [f"7{n:03}" for n in range(40)]
    dids = numbers_in("active", numbers, house, now=START)
    wanted = ["999", *reversed(numbers)]
    with CaptureQueriesContext(connection) as short:
        assert [ownership.number for ownership in who_had(wanted, START, anna)] == wanted
    for n in range(20):
        dids.edit(by=SYSTEM, notes=str(n), now=START + n * HOUR)
    with CaptureQueriesContext(connection) as long:
        ownerships = list(who_had(wanted, START, anna))
    assert len(short) == len(long) <= 20
    assert {ownership.dated.began.at for ownership in ownerships[1:]} == {START}


def test_numbers_at_times_of_their_own_are_found_as_if_each_was_looked_up_alone(house, anna):
    numbers_in("instock", ["100", "101"], house, now=START)
    assigned(house, anna, START + HOUR).hold(by=anna, now=START + DAY)
    for name, at in (("first", START - DAY), ("second", START + 2 * HOUR)):
        with audit.change("edit", by=SYSTEM, at=at):
            Account.objects.filter(pk=house.account.pk).update(name=name)
    times = [START - HOUR, START, START + HOUR, START + 3 * HOUR, START + DAY, timezone.now()]
    asked = [(number, at) for at in times for number in ("101", "100", "999")]
    with CaptureQueriesContext(connection) as queries:
        found = list(who_had_each(asked, anna))
    assert found == [had(number, at, anna) for number, at in asked]
    assert {one.period.account_then for one in found} == {"", "first"}
    assert len(queries) <= 20


def test_a_deleted_operator_never_opens_another_reseller(house, anna):
    """History rows have their own ids, which may equal ids of other resellers' operators."""
    numbers_in("active", ["100"], house, now=START)
    south = carrier("South")
    lost = Operator.objects.create(reseller=south.reseller, name="Lost Telecom")
    DID.objects.create_numbers(["200"], operator=lost, by=SYSTEM, now=START)
    DID.objects.filter(number="200").delete()
    lost_id = lost.pk
    with audit.change("edit", by=SYSTEM):
        lost.delete()
    row = OperatorHistory.objects.get(object_id=lost_id, event="-")
    with audit.change("edit", by=SYSTEM):
        decoy = Operator.objects.create(pk=row.history_id, reseller=house.reseller, name="Decoy")
        DID.objects.filter(number="100").update(operator=decoy)
    stranger = person("stranger", "dids.view_did", reseller=south.reseller)
    time = timezone.now()

    assert had("100", time, stranger).kind == NEVER
    assert periods_of("100", stranger) == ([], False)
    assert had("200", START + HOUR, stranger).kind == FREE
    assert had("200", time, stranger).kind == DELETED


def test_periods_are_listed_up_to_a_limit(house, anna):
    numbers_in("active", ["100"], house, now=START)
    dids = DID.objects.all()
    for n in range(3):
        dids.hold(by=SYSTEM, now=START + (n + 1) * DAY)
        assigned(house, SYSTEM, START + (n + 1) * DAY + HOUR)
    first, more = periods_of("100", anna, most=4)
    assert [one.kind for one in first] == [USED, ON_HOLD, USED, ON_HOLD]
    assert more
    assert len(periods_of("100", anna)[0]) == 7


def test_history_is_read_by_index(house, anna, monkeypatch):
    numbers_in("instock", ["100"], house)
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)  # they aren't captured
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    with CaptureQueriesContext(connection) as seen:
        list(who_had(["100", "200"], START, anna))
    plans = []
    for query in seen.captured_queries:
        if "dids_did" in query["sql"] and query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
                cursor.execute(explain + query["sql"])
                plans.append(str(cursor.fetchall()))
    assert any("did_past_deleted" in plan for plan in plans)
    assert any("did_past_object" in plan for plan in plans)
    assert not any("SCAN dids_didhistory" in plan or "Seq Scan" in plan for plan in plans)


# --- random lives, compared with a model --------------------------------------------------------------

NUMBERS = ["70", "71", "72"]
SOME = st.sets(st.sampled_from(NUMBERS), min_size=1)


class RandomLives(RuleBasedStateMachine):
    """Apply random moves to numbers and keep an independent record of their states.

    ``recorded``: {number: [(since, kind, status, holder)]}, oldest first. A Hold that no worker ends is ended
    in the record by the clock.
    """

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.now = START
        self.houses = [carrier("North", did_limit=2), carrier("South", hold_days=0)]
        south = self.houses[1]
        self.second = Account.objects.create(client=self.houses[0].client, name="second")
        ClientPackage.objects.update(starts_at=START - DAY)
        self.operator = self.houses[0].operator
        self.given = [
            (self.houses[0].client_package, self.houses[0].account),
            (self.houses[0].client_package, self.second),
        ]
        other = Package.objects.create(
            reseller=self.houses[0].reseller, name="Plus", did_limit=9, hold_days=0
        )
        plus = ClientPackage.objects.create(
            client=self.houses[0].client, package=other, starts_at=START - DAY
        )
        self.given.append((plus, self.houses[0].account))
        self.stranger = person("stranger", "dids.view_did", reseller=south.reseller)
        self.owner = person("owner", "dids.view_did", reseller=self.houses[0].reseller)
        self.anyone = person("anyone", "dids.view_did")
        self.recorded = {number: [(None, ABSENT, "", None)] for number in NUMBERS}
        self.times = {START}

    def teardown(self):
        self.compare()
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    # --- the model: the current state of the inventory, read from its rows after each step

    def record(self):
        for number in NUMBERS:
            did = DID.objects.filter(number=number).first()
            self.append(number, self.now, self.state(did, self.recorded[number][-1][1]))
        self.times.add(self.now)

    def state(self, did, before):
        if did is None:
            return (ABSENT, "", None) if before == ABSENT else (DELETED, "", None)
        if did.status == "hold" and did.hold_until <= self.now:
            return FREE, did.after_hold, None
        holder = (did.account_id, did.client_package_id)
        if did.status in ("active", "blocked"):
            return USED, did.status, holder
        if did.status == "hold":
            return ON_HOLD, "hold", holder
        return FREE, did.status, None

    def append(self, number, at, state):
        recorded = self.recorded[number]
        if recorded[-1][0] == at:
            recorded.pop()
        if not recorded or recorded[-1][1:] != state:
            recorded.append((at, *state))

    def end_holds_until(self, time):
        """Record the Holds that end by the clock between now and ``time``."""
        for did in DID.objects.filter(status="hold", hold_until__gt=self.now, hold_until__lte=time):
            self.append(did.number, did.hold_until, (FREE, did.after_hold, None))
            self.times.add(did.hold_until)

    # --- what users and time do

    def advance_to(self, later):
        self.end_holds_until(later)
        self.now = later

    @rule(seconds=st.integers(1, 9 * 86400))
    def time_passes(self, seconds):
        self.advance_to(self.now + timedelta(seconds=seconds, milliseconds=seconds % 1000))

    @rule(offset=st.sampled_from([-TICK, 0 * TICK, TICK]))
    def the_next_hold_ends(self, offset):
        ends = DID.objects.filter(hold_until__gt=self.now + TICK).order_by("hold_until")
        if end := ends.values_list("hold_until", flat=True).first():
            self.advance_to(end + offset)

    @initialize()
    def all_are_assigned(self):
        self.create(NUMBERS)
        self.assign(NUMBERS[:2], 0)
        self.assign(NUMBERS[2:], 2)
        self.advance_to(self.now + HOUR)

    @rule(numbers=SOME)
    def create(self, numbers):
        DID.objects.create_numbers(
            sorted(numbers), operator=self.operator, by=SYSTEM, hold_days=3, now=self.now
        )
        self.record()

    @rule(numbers=SOME, which=st.integers(0, 2))
    def assign(self, numbers, which):
        client_package, account = self.given[which]
        dids = DID.objects.filter(number__in=numbers)
        dids.assign(ClientPackage.objects.get(pk=client_package.pk), account, by=SYSTEM, now=self.now)
        self.record()

    @rule(
        numbers=SOME, move=st.sampled_from(["block", "unblock", "hold", "hold", "end_hold", "delete_unused"])
    )
    def move(self, numbers, move):
        getattr(DID.objects.filter(number__in=numbers), move)(by=SYSTEM, now=self.now)
        self.record()

    @rule(numbers=SOME, days=st.integers(0, 4), after=st.sampled_from(["reserved", "instock", "archive"]))
    def edit(self, numbers, days, after):
        dids = DID.objects.filter(number__in=numbers)
        dids.edit(by=SYSTEM, now=self.now, hold_days=days, after_hold=after)
        self.record()

    @rule(which=st.sampled_from([0, 2]), on=st.booleans())
    def switch(self, which, on):
        given = ClientPackage.objects.get(pk=self.given[which][0].pk)
        (given.activate if on else given.deactivate)(by=SYSTEM, now=self.now)
        self.record()

    @rule()
    def the_worker_runs(self):
        DID.objects.hold_over(self.now).end_hold(by=SYSTEM, now=self.now)
        self.record()

    # --- comparison at any time

    def expected(self, number, time):
        """Return (kind, status, holder, began, ended) by the model, a Hold with the dates of its use."""
        recorded = self.recorded[number]
        index = max(n for n, (since, *_) in enumerate(recorded) if since is None or since <= time)
        _, kind, status, holder = recorded[index]
        if all(kind == ABSENT for _, kind, *_ in recorded):
            return NEVER, "", None, None, None
        used = index
        if kind == ON_HOLD:
            while used >= 0 and recorded[used][1] == ON_HOLD and recorded[used][3] == holder:
                used -= 1
            if recorded[used][1] != USED or recorded[used][3] != holder:
                return kind, status, holder, None, None
        first, last = used, used
        while first > 0 and self.is_same_period(recorded[first - 1], recorded[used]):
            first -= 1
        while last + 1 < len(recorded) and self.is_same_period(recorded[last + 1], recorded[used]):
            last += 1
        ended = recorded[last + 1][0] if last + 1 < len(recorded) else None
        if kind == ABSENT:
            return kind, status, holder, None, None
        return kind, status, holder, recorded[first][0], ended

    @staticmethod
    def is_same_period(one, other):
        return one[1] == other[1] and one[3] == other[3] and (one[1] != FREE or one[2] == other[2])

    def compare(self):
        for time in sorted(self.times):
            for probe in (time - timedelta(microseconds=1), time, time + timedelta(microseconds=1)):
                if probe > self.now:
                    continue
                expected = [self.expected(number, probe) for number in NUMBERS]
                for viewer in (self.anyone, self.owner):
                    found = [self.summary(one) for one in who_had(NUMBERS, probe, viewer, now=self.now)]
                    assert found == expected, (probe, self.recorded)
                kinds = {one.kind for one in who_had(NUMBERS, probe, self.stranger, now=self.now)}
                assert kinds == {NEVER}

    @staticmethod
    def summary(ownership):
        period, dated = ownership.period, ownership.dated
        holder = (period.account, period.client_package) if period.account else None
        began = dated and dated.began and dated.began.at
        ended = dated and dated.ended and dated.ended.at
        return ownership.kind, period.status_key, holder, began, ended


def test_ownership_agrees_with_the_model_at_any_time_of_any_life(db):
    examples = hypothesis.settings(
        max_examples=scaled(25),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(RandomLives, settings=examples)
