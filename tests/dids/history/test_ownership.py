"""Who had a number at a moment: exact at both ends, and honest about what is not known."""

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
    CLOCK,
    DELETED,
    FIRST_KNOWN,
    FREE,
    LEFT,
    NEVER,
    RESTS,
    UNKNOWN,
    USED,
    periods_of,
    who_had,
)
from dids.models import DID, ClientPackage, DIDHistory
from operators.models import Operator, OperatorHistory
from tests.carrier import carrier, numbers_in, person
from tests.examples import scaled

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


def had(number, moment, viewer, now=None):
    (answer,) = who_had([number], moment, viewer, now)
    return answer


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

    assert (before.kind, before.status, before.note) == (FREE, "In Stock", "Nobody had it.")
    for answer in (first, last):
        assert (answer.kind, answer.status) == (USED, "Active")
        told = answer.told
        assert (told.client, told.account_name, told.package) == ("North Bakery", "north_bakery", "Basic")
        assert (told.began.at, told.ended.at) == (START + HOUR, START + DAY)
        assert (told.began.actor, str(told.began.change)) == (
            "anna",
            "Assigned to north_bakery by Basic of North Bakery",
        )
        assert (told.ended.actor, told.ended.what) == ("anna", "Put on hold")
    assert (resting.kind, resting.status) == (RESTS, "Hold")
    assert (resting.told.began.at, resting.told.ended.at) == (START + HOUR, START + DAY)
    assert resting.note == (
        "Nobody had it: it rested after use by North Bakery"
        " from 3 Mar 2026, 09:30:00 UTC to 2 Apr 2026, 09:30:00 UTC."
    )


def test_blocking_and_edits_do_not_interrupt_a_period(house, anna):
    numbers_in("instock", ["100"], house, now=START)
    dids = assigned(house, anna, START + HOUR)
    dids.block(by=SYSTEM, now=START + 2 * HOUR)
    dids.edit(by=SYSTEM, notes="noisy", now=START + 3 * HOUR)
    dids.unblock(by=SYSTEM, now=START + 4 * HOUR)

    blocked, active = (had("100", START + hours * HOUR, anna) for hours in (3, 5))

    assert (blocked.kind, blocked.status, active.status) == (USED, "Blocked", "Active")
    for answer in (blocked, active):
        assert (answer.told.began.at, answer.told.ended) == (START + HOUR, None)


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


def test_a_hold_ends_by_the_clock_before_the_worker_comes(house, anna):
    numbers_in("instock", ["100"], house, now=START, after_hold="archive", hold_days=2)
    dids = assigned(house, anna, START)
    dids.hold(by=anna, now=START + DAY)
    over = START + 3 * DAY

    assert had("100", over, anna, now=over).kind == FREE
    changes = []
    for _ in range(2):
        resting, free = had("100", over - TICK, anna), had("100", over, anna)
        assert (resting.kind, resting.period.ended.at, resting.period.ended.cause) == (RESTS, over, CLOCK)
        assert resting.note.endswith("to 5 Mar 2026, 09:30:00 UTC.")
        assert (free.kind, free.status, free.told.began.at) == (FREE, "Archive", over)
        assert (free.told.began.actor, free.told.began.what) == ("the system", "Its hold was over")
        changes.append(free.told.began.change)
        dids.end_hold(by=SYSTEM, now=over + 5 * HOUR)
    assert changes[0] is None
    assert (changes[1].kind, changes[1].at) == ("end_hold", over + 5 * HOUR)


def test_a_hold_that_lasts_still_ends_at_no_moment_yet(house, anna):
    numbers_in("hold", ["100"], house, now=START)
    resting = had("100", START + DAY, anna, now=START + 2 * DAY)
    assert (resting.kind, resting.period.ended) == (RESTS, None)
    assert "until 1 Apr 2026, 09:30:00 UTC" in resting.note


def test_a_number_deleted_and_made_again_has_both_its_lives(house, anna):
    dids = numbers_in("instock", ["100"], house, now=START)
    assigned(house, anna, START + HOUR)
    dids.hold(by=anna, now=START + DAY)
    DID.objects.end_hold(by=SYSTEM, now=START + 2 * DAY)
    DID.objects.all().delete_unused(by=anna, now=START + 3 * DAY)
    numbers_in("active", ["100"], house, now=START + 5 * DAY)
    assert DIDHistory.objects.values("object_id").distinct().count() == 2

    first, gone, again = (had("100", START + days * DAY, anna) for days in (0.5, 3, 5))
    assert (first.kind, first.told.began.at) == (USED, START + HOUR)
    assert (gone.kind, gone.note) == (DELETED, "Not in the inventory then: it had been deleted.")
    assert (gone.told.began.what, gone.told.began.actor) == ("Deleted", "anna")
    assert gone.told.ended.at == START + 5 * DAY
    assert (again.kind, again.told.began.at) == (USED, START + 5 * DAY)
    used = periods_of("100", anna)[0]
    assert [(one.kind, one.began.at) for one in used] == [
        (USED, START + 5 * DAY),
        (RESTS, START + DAY),
        (USED, START + HOUR),
    ]


def test_what_was_not_there_is_told_apart(house, anna):
    numbers_in("instock", ["100"], house, now=START)
    not_yet, never = who_had(["100", "999"], START - TICK, anna)
    assert (not_yet.kind, not_yet.note) == (
        ABSENT,
        "Not in the inventory then; it came on 2 Mar 2026, 09:30:00 UTC.",
    )
    assert (never.kind, never.note) == (NEVER, "Never in the inventory.")


def test_what_a_pruning_took_is_not_known(house, anna, tmp_path):
    numbers_in("instock", ["100", "101", "102"], house, now=START)
    assigned(house, anna, START + DAY)
    DID.objects.filter(number="102").delete_unused(by=anna, now=START + 2 * DAY)
    DID.objects.filter(number="100").block(by=SYSTEM, now=START + 20 * DAY)
    call_command("prune_history", before="2026-03-12", export=str(tmp_path / "old"), verbosity=0)

    early = {answer.number: answer for answer in who_had(["100", "101", "102"], START + HOUR, anna)}
    assert [early[number].kind for number in ("100", "101", "102")] == [UNKNOWN, FREE, UNKNOWN]
    assert early["100"].note == (
        "Not known: what is known of it begins on 3 Mar 2026, 09:30:00 UTC:"
        " history before 12 Mar 2026, 00:00:00 UTC was deleted."
    )
    assert early["102"].note.startswith("Not known: history before 12 Mar 2026, 00:00:00 UTC was deleted.")
    assert had("101", START - TICK, anna).kind == UNKNOWN
    later = had("100", START + 30 * DAY, anna)
    assert (later.kind, later.status, later.told.began.cause) == (USED, "Blocked", FIRST_KNOWN)
    assert had("102", START + 30 * DAY, anna).note == (
        "Not in the inventory then, nor at any time that is known: history before 12 Mar 2026, 00:00:00 UTC"
        " was deleted."
    )


def test_a_number_without_history_is_not_known(house, anna):
    numbers_in("instock", ["100"], house)
    answer = had("100", START, anna)
    assert answer.kind == ABSENT
    connection.check_constraints()  # PostgreSQL drops no trigger while these wait for their end
    triggers.drop(connection)
    DID.objects.bulk_create([DID(number="200", operator=house.operator)])
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    for viewer in (anna, nora):
        answer = had("200", START, viewer)
        assert (answer.kind, answer.note) == (
            UNKNOWN,
            "Not known: it is in the inventory, but has no history.",
        )


def test_a_change_within_the_same_minute_is_pointed_out(house, anna):
    minute = START.replace(second=0)
    numbers_in("instock", ["100"], house, now=minute - HOUR)
    assigned(house, anna, minute + timedelta(seconds=27))
    assert had("100", minute, anna).note == (
        "Nobody had it. This changed within the same minute, on 2 Mar 2026, 09:30:27 UTC."
    )
    assert had("100", minute + timedelta(seconds=1), anna).note == "Nobody had it."


def test_things_renamed_or_deleted_since_are_told_by_their_last_names_and_the_ones_of_then(house, anna):
    renamed = START + 10 * DAY
    for model in (Client, Account, Package):
        # the house was made just now; to history it has always been there
        thing = model.objects.get()
        with audit.change("edit", by=SYSTEM, at=START - DAY):
            thing.save()
        with audit.change("edit", by=SYSTEM, at=renamed):
            model.objects.update(name=f"{thing.name} 2")
    numbers_in("active", ["100"], house, now=START)

    then, later = had("100", START, anna), had("100", renamed, anna)

    told = then.told
    assert (told.client, told.client_then) == ("North Bakery 2", "North Bakery")
    assert (told.account_name, told.account_then) == ("north_bakery 2", "north_bakery")
    assert (told.package, told.package_then) == ("Basic 2", "Basic")
    assert (later.told.client_then, later.told.account_then, later.told.package_then) == ("", "", "")

    DID.objects.hold(by=SYSTEM, now=renamed + DAY)
    DID.objects.end_hold(by=SYSTEM, now=renamed + 2 * DAY)
    for thing in (house.account, house.client_package, house.client, house.package):
        thing.delete()
    assert had("100", START, anna).told.client == "North Bakery 2"


def test_one_bound_to_a_reseller_is_told_of_its_own_branch_alone(house, anna):
    south = carrier("South")
    dids = numbers_in("active", ["100"], house, now=START)
    with audit.change("edit", by=SYSTEM, label="Moved", at=START + DAY):
        dids.update(operator=south.operator)
    numbers_in("instock", ["101"], house, now=START)
    nora = person("nora", "dids.view_did", reseller=house.reseller)
    sven = person("sven", "dids.view_did", reseller=south.reseller)

    first = had("100", START, nora)
    assert (first.kind, first.told.ended.at, first.told.ended.cause) == (USED, START + DAY, LEFT)
    assert (first.told.ended.change, first.told.ended.what) == (None, "Left your reseller")
    away = had("100", START + DAY, nora)
    assert (away.kind, away.note) == (ABSENT, "Not in the inventory then.")
    assert had("100", START, sven).kind == ABSENT
    assert had("100", START + DAY, sven).kind == USED
    others, nothing = who_had(["101", "555"], START, sven)
    assert (others.kind, others.note, others.status) == (nothing.kind, nothing.note, nothing.status)
    assert had("101", START, AnonymousUser()).kind == NEVER
    assert periods_of("101", sven) == ([], False)


def test_answers_come_in_the_order_asked_and_cost_the_same_for_a_long_past(house, anna):
    numbers = [f"7{n:03}" for n in range(40)]
    dids = numbers_in("active", numbers, house, now=START)
    asked = ["999", *reversed(numbers)]
    with CaptureQueriesContext(connection) as short:
        assert [answer.number for answer in who_had(asked, START, anna)] == asked
    for n in range(20):
        dids.edit(by=SYSTEM, notes=str(n), now=START + n * HOUR)
    with CaptureQueriesContext(connection) as long:
        answers = list(who_had(asked, START, anna))
    assert len(short) == len(long) <= 20
    assert {answer.told.began.at for answer in answers[1:]} == {START}


def test_a_deleted_operator_never_opens_another_branch(house, anna):
    """History rows have ids of their own, which are ids of other resellers' operators as well."""
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
    moment = timezone.now()

    assert had("100", moment, stranger).kind == NEVER
    assert periods_of("100", stranger) == ([], False)
    assert had("200", START + HOUR, stranger).kind == FREE
    assert had("200", moment, stranger).kind == DELETED


def test_periods_are_told_up_to_a_bound(house, anna):
    numbers_in("active", ["100"], house, now=START)
    dids = DID.objects.all()
    for n in range(3):
        dids.hold(by=SYSTEM, now=START + (n + 1) * DAY)
        assigned(house, SYSTEM, START + (n + 1) * DAY + HOUR)
    first, more = periods_of("100", anna, most=4)
    assert [one.kind for one in first] == [USED, RESTS, USED, RESTS]
    assert more
    assert len(periods_of("100", anna)[0]) == 7


def test_the_past_is_read_by_indexes(house, anna, monkeypatch):
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


# --- lives at random, and a model that keeps what was so ----------------------------------------------

NUMBERS = ["70", "71", "72"]
SOME = st.sets(st.sampled_from(NUMBERS), min_size=1)


class Lives(RuleBasedStateMachine):
    """Numbers that live at random; ``told`` is what anybody would have written down of each as it was.

    {number: [(from when, what, status, holder)]}, ``what`` being a kind of answer; a hold that has no
    worker to end it ends in here by the clock.
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
        self.told = {number: [(None, ABSENT, "", None)] for number in NUMBERS}
        self.moments = {START}

    def teardown(self):
        self.all_agree()
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    # --- the model: what the inventory is now, read off the rows themselves after each step

    def note(self):
        for number in NUMBERS:
            did = DID.objects.filter(number=number).first()
            self.write(number, self.now, self.state(did, self.told[number][-1][1]))
        self.moments.add(self.now)

    def state(self, did, before):
        if did is None:
            return (ABSENT, "", None) if before == ABSENT else (DELETED, "", None)
        if did.status == "hold" and did.hold_until <= self.now:
            return FREE, did.after_hold, None
        holder = (did.account_id, did.client_package_id)
        if did.status in ("active", "blocked"):
            return USED, did.status, holder
        if did.status == "hold":
            return RESTS, "hold", holder
        return FREE, did.status, None

    def write(self, number, moment, state):
        told = self.told[number]
        if told[-1][0] == moment:
            told.pop()
        if not told or told[-1][1:] != state:
            told.append((moment, *state))

    def holds_over_until(self, moment):
        """What the clock does between now and ``moment``."""
        for did in DID.objects.filter(status="hold", hold_until__gt=self.now, hold_until__lte=moment):
            self.write(did.number, did.hold_until, (FREE, did.after_hold, None))
            self.moments.add(did.hold_until)

    # --- what people and time do

    def go_on_to(self, later):
        self.holds_over_until(later)
        self.now = later

    @rule(seconds=st.integers(1, 9 * 86400))
    def time_passes(self, seconds):
        self.go_on_to(self.now + timedelta(seconds=seconds, milliseconds=seconds % 1000))

    @rule(aside=st.sampled_from([-TICK, 0 * TICK, TICK]))
    def the_next_hold_comes_to_its_end(self, aside):
        ends = DID.objects.filter(hold_until__gt=self.now + TICK).order_by("hold_until")
        if end := ends.values_list("hold_until", flat=True).first():
            self.go_on_to(end + aside)

    @initialize()
    def all_are_sold(self):
        self.create(NUMBERS)
        self.assign(NUMBERS[:2], 0)
        self.assign(NUMBERS[2:], 2)
        self.go_on_to(self.now + HOUR)

    @rule(numbers=SOME)
    def create(self, numbers):
        DID.objects.create_numbers(
            sorted(numbers), operator=self.operator, by=SYSTEM, hold_days=3, now=self.now
        )
        self.note()

    @rule(numbers=SOME, which=st.integers(0, 2))
    def assign(self, numbers, which):
        client_package, account = self.given[which]
        dids = DID.objects.filter(number__in=numbers)
        dids.assign(ClientPackage.objects.get(pk=client_package.pk), account, by=SYSTEM, now=self.now)
        self.note()

    @rule(
        numbers=SOME, what=st.sampled_from(["block", "unblock", "hold", "hold", "end_hold", "delete_unused"])
    )
    def move(self, numbers, what):
        getattr(DID.objects.filter(number__in=numbers), what)(by=SYSTEM, now=self.now)
        self.note()

    @rule(numbers=SOME, days=st.integers(0, 4), after=st.sampled_from(["reserved", "instock", "archive"]))
    def edit(self, numbers, days, after):
        dids = DID.objects.filter(number__in=numbers)
        dids.edit(by=SYSTEM, now=self.now, hold_days=days, after_hold=after)
        self.note()

    @rule(which=st.sampled_from([0, 2]), on=st.booleans())
    def switch(self, which, on):
        given = ClientPackage.objects.get(pk=self.given[which][0].pk)
        (given.activate if on else given.deactivate)(by=SYSTEM, now=self.now)
        self.note()

    @rule()
    def the_worker_comes(self):
        DID.objects.hold_over(self.now).end_hold(by=SYSTEM, now=self.now)
        self.note()

    # --- at any moment

    def at(self, number, moment):
        """(kind, status, holder, began, ended) by the model: of use, or of the use before a rest."""
        told = self.told[number]
        place = max(n for n, (since, *_) in enumerate(told) if since is None or since <= moment)
        _, kind, status, holder = told[place]
        if all(what == ABSENT for _, what, *_ in told):
            return NEVER, "", None, None, None
        used = place
        if kind == RESTS:
            while used >= 0 and told[used][1] == RESTS and told[used][3] == holder:
                used -= 1
            if told[used][1] != USED or told[used][3] != holder:
                return kind, status, holder, None, None
        first, last = used, used
        while first > 0 and self.alike(told[first - 1], told[used]):
            first -= 1
        while last + 1 < len(told) and self.alike(told[last + 1], told[used]):
            last += 1
        ended = told[last + 1][0] if last + 1 < len(told) else None
        if kind == ABSENT:
            return kind, status, holder, None, None
        return kind, status, holder, told[first][0], ended

    @staticmethod
    def alike(one, other):
        return one[1] == other[1] and one[3] == other[3] and (one[1] != FREE or one[2] == other[2])

    def all_agree(self):
        for moment in sorted(self.moments):
            for probe in (moment - timedelta(microseconds=1), moment, moment + timedelta(microseconds=1)):
                if probe > self.now:
                    continue
                expected = [self.at(number, probe) for number in NUMBERS]
                for viewer in (self.anyone, self.owner):
                    found = [self.seen(one) for one in who_had(NUMBERS, probe, viewer, now=self.now)]
                    assert found == expected, (probe, self.told)
                kinds = {one.kind for one in who_had(NUMBERS, probe, self.stranger, now=self.now)}
                assert kinds == {NEVER}

    @staticmethod
    def seen(answer):
        period, told = answer.period, answer.told
        holder = (period.account, period.client_package) if period.account else None
        began = told and told.began and told.began.at
        ended = told and told.ended and told.ended.at
        return answer.kind, period.status_key, holder, began, ended


def test_at_any_moment_of_any_life_the_answer_is_what_was_so(db):
    examples = hypothesis.settings(
        max_examples=scaled(25),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(Lives, settings=examples)
