"""Concurrent writers: one wins, the other gets a refusal; no writer fails and no write is lost."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from dids.history.undo.undo import Undo
from dids.models import DID, ClientPackage, DIDHistory, HeadStock, Stock, counters, head_stock
from dids.periodic import end_due_holds
from tests.carrier import carrier, numbers_in

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def at_once(*calls):
    """Run each callable in its own thread and connection, started together; return their results."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            barrier.wait(timeout=30)
            return call()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(len(calls))
    futures = [pool.submit(run, call) for call in calls]
    blocked = wait(futures, timeout=60).not_done
    pool.shutdown(wait=False)
    assert not blocked, "a writer is blocked forever"
    return [future.result() for future in futures]


def stock_is_exact():
    counted = {}
    for key in DID.objects.values_list("operator_id", "status", "tag_set_id"):
        counted[key] = counted.get(key, 0) + 1
    stored = {}
    for *key, numbers in Stock.objects.values_list("operator_id", "status", "tag_set_id", "numbers"):
        stored[tuple(key)] = stored.get(tuple(key), 0) + numbers
    by_head = all(count.is_exact for count in head_stock.check())
    return by_head and {key: n for key, n in stored.items() if n} == counted


NUMBERS = [str(n) for n in range(1000, 1300)]


def test_when_two_users_assign_the_same_numbers_one_gets_all_and_the_other_is_refused():
    house = carrier(did_limit=1000)
    other = ClientPackage.objects.create(client=house.client, package=house.package)
    numbers_in("instock", NUMBERS, house)
    backwards = DID.objects.filter(number__in=NUMBERS).order_by("-number")

    first, second = at_once(
        lambda: DID.objects.filter(number__in=NUMBERS).assign(house.client_package, house.account, by=SYSTEM),
        lambda: backwards.assign(other, house.account, by=SYSTEM),
    )

    assert first.done + second.done == len(NUMBERS)
    assert {first.done, second.done} == {0, len(NUMBERS)}
    loser = first if first.done == 0 else second
    assert loser.refused == len(NUMBERS)
    assert "Active, so already in use" in loser.sentence()
    assert DIDHistory.objects.filter(status="active").count() == len(NUMBERS)


def test_two_users_who_assign_at_once_never_exceed_the_did_limit():
    house = carrier(did_limit=100)
    numbers_in("instock", NUMBERS, house)

    def take(numbers):
        return DID.objects.filter(number__in=numbers).assign(house.client_package, house.account, by=SYSTEM)

    first, second = at_once(lambda: take(NUMBERS[:80]), lambda: take(NUMBERS[80:160]))

    assert first.done + second.done == 100
    assert first.refused + second.refused == 60
    assert house.client_package.numbers_in_use() == 100


def test_two_users_who_create_overlapping_ranges_create_each_number_once():
    house = carrier()

    first, second = at_once(
        lambda: DID.objects.create_numbers(NUMBERS[:200], operator=house.operator, by=SYSTEM, notes="one"),
        lambda: DID.objects.create_numbers(NUMBERS[100:], operator=house.operator, by=SYSTEM, notes="two"),
    )

    assert first.done + second.done == 300
    assert first.refused + second.refused == 100
    assert DID.objects.count() == DIDHistory.objects.count() == 300


def test_deleting_and_editing_the_same_number_at_once_both_return_a_result():
    numbers_in("instock", ["100"], carrier())

    deleted, edited = at_once(
        lambda: DID.objects.filter(number="100").delete_unused(by=SYSTEM),
        lambda: DID.objects.filter(number="100").edit(by=SYSTEM, notes="mine"),
    )

    assert deleted.done == 1
    assert edited.done in (0, 1)
    assert not DID.objects.exists()
    assert DIDHistory.objects.latest("history_id").event == "-"


def test_a_package_that_stops_while_numbers_are_assigned_leaves_none_in_use():
    house = carrier(did_limit=1000)
    numbers_in("active", NUMBERS[:100], house)
    numbers_in("instock", NUMBERS[100:], house)

    at_once(
        lambda: house.client_package.deactivate(by=SYSTEM),
        lambda: DID.objects.filter(status="instock").assign(house.client_package, house.account, by=SYSTEM),
    )

    assert not DID.objects.filter(status="active").exists()


def test_many_writers_of_mixed_moves_neither_deadlock_nor_miscount():
    house = carrier(did_limit=1000)
    numbers_in("instock", NUMBERS, house)
    everything = DID.objects.filter(number__in=NUMBERS)

    at_once(
        lambda: everything.edit(by=SYSTEM, status="reserved"),
        lambda: everything.order_by("-number").edit(by=SYSTEM, status="archive", notes="x"),
        lambda: everything.edit(by=SYSTEM, add_tags=["a"]),
        lambda: everything.order_by("-pk").edit(by=SYSTEM, add_tags=["b"]),
        lambda: everything.filter(number__gt="1150").delete_unused(by=SYSTEM),
        lambda: everything.assign(house.client_package, house.account, by=SYSTEM),
        counters.compact,
        head_stock.compact,
    )

    assert stock_is_exact()
    assert set(DID.objects.values_list("tag_set__label", flat=True)) == {"a, b"}


def edit_one_by_one(numbers, status):
    for number in numbers:
        DID.objects.filter(number=number).edit(by=SYSTEM, status=status)


@on_postgresql
def test_compacting_counters_while_others_write_keeps_every_count(monkeypatch):
    house = carrier()
    monkeypatch.setattr(counters, "COMPACT_ABOVE", 3)
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 3)
    numbers_in("instock", NUMBERS, house)

    at_once(
        lambda: edit_one_by_one(NUMBERS[:40], "reserved"),
        lambda: edit_one_by_one(NUMBERS[:40], "archive"),
        lambda: [counters.compact() for _ in range(20)],
        lambda: [head_stock.compact() for _ in range(20)],
        lambda: [head_stock.compact() for _ in range(20)],
    )
    counters.compact()
    head_stock.compact()

    assert stock_is_exact()
    assert Stock.objects.count() <= 3
    assert HeadStock.objects.count() <= 4


def test_two_workers_end_each_overdue_hold_once():
    house = carrier(did_limit=1000)
    numbers_in("hold", NUMBERS[:200], house, hold_days=1)
    later = timezone.now() + timedelta(days=2)

    first, second = at_once(lambda: end_due_holds(later), lambda: end_due_holds(later))

    assert first + second == 200
    assert DIDHistory.objects.filter(change__kind="end_hold").count() == 200


def test_repairing_counters_while_others_write_makes_them_exact():
    house = carrier()
    numbers_in("instock", NUMBERS, house)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_stock SET numbers = numbers + 9")
        cursor.execute("UPDATE dids_headstock SET instock = instock + 9")

    at_once(
        lambda: edit_one_by_one(NUMBERS[:30], "reserved"),
        lambda: edit_one_by_one(NUMBERS[:30], "archive"),
        lambda: [counters.repair() for _ in range(5)],
        lambda: [counters.repair() for _ in range(5)],
        lambda: [head_stock.repair() for _ in range(5)],
        lambda: [head_stock.repair() for _ in range(5)],
    )

    assert stock_is_exact()


@on_postgresql
def test_a_repair_neither_counts_uncommitted_writes_nor_waits_for_them():
    house = carrier()
    numbers_in("instock", NUMBERS[:50], house)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_stock SET numbers = 12")

    with closing(connection.copy()) as other, other.cursor() as cursor:
        other.set_autocommit(False)
        cursor.execute("DELETE FROM dids_did WHERE number < '1010'")
        with connection.cursor() as own:
            own.execute("SET lock_timeout = '2s'")
            counters.repair()
            head_stock.repair()
            own.execute("RESET lock_timeout")
        assert stock_is_exact()
        other.commit()

    assert stock_is_exact()
    assert DID.objects.count() == 40


@on_postgresql
def test_transactions_that_write_different_numbers_of_one_counter_do_not_wait_for_each_other():
    house = carrier()
    numbers_in("instock", NUMBERS, house)
    row = f"{house.operator.pk}, 'instock', 'instock', ''"

    def insert_update_delete(cursor, first):
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(f"UPDATE dids_did SET status = 'reserved' WHERE number = '{first}'")
        cursor.execute(f"DELETE FROM dids_did WHERE number = '{first + 1}'")
        cursor.execute(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            f" VALUES ('{first + 1000}', {row})"
        )

    with closing(connection.copy()) as other, transaction.atomic():
        other.set_autocommit(False)
        with connection.cursor() as mine, other.cursor() as theirs:
            insert_update_delete(mine, 1000)
            insert_update_delete(theirs, 1010)
            insert_update_delete(mine, 1020)
            counters.compact()
            head_stock.compact()
            insert_update_delete(theirs, 1030)
            other.commit()

    assert stock_is_exact()
    assert DID.objects.filter(status="reserved").count() == 4


class RolledBackError(Exception):
    pass


def write_at_random(seed, house, steps):
    """Make ``steps`` random writes to shared numbers, some rolled back or killed; return {kind: count}.

    Each write is a transaction of its own, because raw SQL takes its locks in any order and several in
    one transaction could deadlock.
    """
    chance = random.Random(seed)
    everything = DID.objects.filter(number__in=NUMBERS)

    def some():
        return everything.filter(number__gte=chance.choice(NUMBERS)).order_by("?")[: chance.randint(1, 20)]

    def numbers():
        return DID.objects.filter(pk__in=list(some().values_list("pk", flat=True)))

    def raw(sql):
        with connection.cursor() as cursor:
            cursor.execute(sql.format(number=chance.choice(NUMBERS), operator=house.operator.pk))

    writes = {
        "create": lambda: DID.objects.create_numbers(
            sorted(chance.sample(NUMBERS, 20)), operator=house.operator, by=SYSTEM
        ),
        "edit": lambda: numbers().edit(
            by=SYSTEM, status=chance.choice(["reserved", "instock", "archive", "blocked", "active"])
        ),
        "assign": lambda: numbers().assign(house.client_package, house.account, by=SYSTEM),
        "hold": lambda: numbers().hold(by=SYSTEM),
        "end_hold": lambda: numbers().end_hold(by=SYSTEM),
        "delete": lambda: numbers().delete_unused(by=SYSTEM),
        "compact": lambda: counters.compact() + head_stock.compact(),
        "insert by hand": lambda: raw(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            " VALUES ('{number}', {operator}, 'archive', 'instock', '') ON CONFLICT DO NOTHING"
        ),
        "update by hand": lambda: raw(
            "UPDATE dids_did SET status = 'reserved' WHERE number = '{number}' AND status = 'instock'"
        ),
        "delete by hand": lambda: raw(
            "DELETE FROM dids_did WHERE number = '{number}' AND status <> 'active'"
        ),
    }

    def write_and_end(name, end):
        with transaction.atomic():
            writes[name]()
            end()

    def roll_back():
        raise RolledBackError

    def end_backend():
        raw("SET ROLE NONE")  # the application may end no connection of a superuser
        raw("SELECT pg_terminate_backend(pg_backend_pid())")

    done = dict.fromkeys([*writes, "rolled back", "killed"], 0)
    for _ in range(steps):
        name, end = chance.choice(list(writes)), chance.random()
        if end < 0.1 and connection.vendor == "postgresql":
            with pytest.raises(OperationalError, match="terminating connection"):
                write_and_end(name, end_backend)
            connection.close()
            name = "killed"
        elif end < 0.25:
            with pytest.raises(RolledBackError):
                write_and_end(name, roll_back)
            name = "rolled back"
        else:
            writes[name]()
        done[name] += 1
    return done


def test_counters_are_exact_after_many_concurrent_random_writers(monkeypatch):
    monkeypatch.setattr(counters, "COMPACT_ABOVE", 3)
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 3)
    house = carrier(did_limit=150)
    numbers_in("instock", NUMBERS[::2], house)

    results = at_once(*(lambda seed=seed: write_at_random(seed, house, steps=25) for seed in range(16)))

    done = {name: sum(result[name] for result in results) for name in results[0]}
    if connection.vendor == "sqlite":
        del done["killed"]
    assert all(done.values()), f"some kind of write was never chosen: {done}"
    assert stock_is_exact()
    assert all(count.is_exact for count in counters.check())


def test_a_change_that_two_users_undo_at_once_is_undone_once():
    house = carrier(did_limit=1000)
    numbers_in("instock", NUMBERS, house)
    DID.objects.filter(number__lt="1100").delete_unused(by=SYSTEM)
    deleted = Change.objects.latest("pk")
    DID.objects.all().edit(by=SYSTEM, status="archive", notes="gone")
    edited = Change.objects.latest("pk")

    for change, count in ((deleted, 100), (edited, 200)):
        outcomes = at_once(*[Undo(change, by=SYSTEM).run] * 2)
        assert sum(outcome.done for outcome in outcomes) == count
        assert sum(outcome.unchanged + outcome.refused for outcome in outcomes) == count
    assert DID.objects.filter(status="instock", notes="").count() == len(NUMBERS)
    assert stock_is_exact()


def test_an_undo_and_an_edit_of_the_same_numbers_wait_for_each_other():
    house = carrier(did_limit=1000)
    numbers_in("active", NUMBERS, house)
    DID.objects.all().hold(by=SYSTEM)
    held = Change.objects.latest("pk")

    outcome, edit = at_once(
        Undo(held, by=SYSTEM).run,
        lambda: DID.objects.order_by("-number").edit(by=SYSTEM, notes="theirs"),
    )

    assert edit.done == len(NUMBERS)
    assert outcome.done in (0, len(NUMBERS))
    assert set(DID.objects.values_list("status", "notes")) == {
        ("active" if outcome.done else "hold", "theirs"),
    }
    assert stock_is_exact()


def test_an_undo_and_an_assignment_together_respect_the_did_limit():
    house = carrier(did_limit=300)
    numbers_in("active", NUMBERS, house)
    DID.objects.all().hold(by=SYSTEM)
    held = Change.objects.latest("pk")
    fresh = numbers_in("instock", [str(n) for n in range(2000, 2200)], house)

    outcome, result = at_once(
        Undo(held, by=SYSTEM).run,
        lambda: fresh.assign(house.client_package, house.account, by=SYSTEM),
    )

    assert outcome.done + result.done == 300 == house.client_package.numbers_in_use()
    assert (outcome.done, result.done) in {(300, 0), (100, 200)}
