"""Queries that are compiled once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Value

from didmgmt.statements import LISTED_MOST, Statement
from dids.models import DID
from staff.models import User
from tests.world import make_world

pytestmark = pytest.mark.django_db


def test_a_statement_finds_what_its_queryset_does_each_time():
    make_world()
    statement = Statement(
        lambda status, number: (
            DID.objects.filter(status=status, number__gt=number)
            .order_by("number")
            .values_list("pk", "number", "hold_until")
        )
    )
    for status, number in (
        ("hold", "0"),
        ("active", "2560"),
        ("hold", "9"),
        ("active", "o'clock"),
        ("x", ""),
    ):
        found = DID.objects.filter(status=status, number__gt=number).order_by("number")
        expected = list(found.values_list("pk", "number", "hold_until"))
        assert list(map(tuple, statement.rows(number=number, status=status))) == expected


def test_a_statement_takes_times_and_sees_writes_at_once(world):
    over = Statement(lambda now: DID.objects.hold_over(now).values_list("number"))
    latest = DID.objects.filter(status="hold").latest("hold_until")
    now = latest.hold_until
    assert (latest.number,) in map(tuple, over.rows(now=now))
    assert (latest.number,) not in map(tuple, over.rows(now=now - timedelta(microseconds=1)))
    DID.objects.filter(pk=latest.pk).delete()
    assert (latest.number,) not in map(tuple, over.rows(now=now))


def test_each_viewer_gets_the_rows_of_their_branch_alone(world, owner, viewer):
    statement = Statement(lambda viewer: DID.objects.visible_to(viewer).values_list("number"))
    for user in (owner, viewer, User(reseller_id=0), AnonymousUser(), owner):
        expected = set(DID.objects.visible_to(user).values_list("number"))
        assert set(map(tuple, statement.rows(viewer=user))) == expected
    assert viewer.reseller_id is None and owner.reseller_id


def test_instances_have_their_annotations_and_related_records(django_assert_num_queries, world):
    statement = Statement(
        lambda pk, word: (
            DID.objects.for_page().annotate(word=Value("-") if word is None else word).filter(pk=pk)
        )
    )
    did = DID.objects.for_page().get(number="2567")
    with django_assert_num_queries(1):
        (found,) = statement.instances(pk=did.pk, word="x")
        assert found.account.client.name == did.account.client.name
    assert vars(found) | {"_state": None} == vars(did) | {"_state": None, "word": "x"}
    assert found == did and not found._state.adding
    assert statement.instances(pk=0, word="") == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_a_statement_takes_lists_of_any_length(count):
    make_world()
    statement = Statement(
        lambda numbers, viewer: (
            DID.objects.visible_to(viewer).filter(number__in=numbers).values_list("number")
        ),
        lists=["numbers"],
    )
    numbers = list(DID.objects.order_by("number").values_list("number", flat=True)[:count])
    somebody = User(reseller_id=None)
    assert len(numbers) == count
    long = [*numbers, *(f"0{number}" for number in range(LISTED_MOST))]
    for wanted in (numbers, [*numbers, "0"], numbers[:1], ["0"], long):
        found = {number for (number,) in statement.rows(numbers=wanted, viewer=somebody)}
        assert found == {*wanted} & {*numbers}
    assert statement.rows(numbers=[], viewer=somebody) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps statements by their text")
def test_the_server_plans_a_statement_once_for_values_of_any_size(world, settings):
    statement = Statement(
        lambda ids, status: DID.objects.filter(pk__in=ids, status=status).values_list("pk"), lists=["ids"]
    )

    def planned():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%dids_did%%'")
            return cursor.fetchone()[0]

    before = planned()
    ids = list(DID.objects.filter(status="active").values_list("pk", flat=True))
    for small, large in ((1, 2), (70_000, 1), (5_000_000_000, 70_000), (2, 5_000_000_000)):
        for _ in range(3):
            rows = statement.rows(ids=[ids[0], small, large], status="active")
            assert (ids[0],) in [tuple(row) for row in rows]
    assert planned() == before + 1
    settings.POOLED_TRANSACTIONS = True
    for _ in range(5):
        statement.rows(ids=ids[:1], status="active")
    assert planned() == before + 1


def test_threads_that_compile_a_statement_at_once_get_the_same_sql(db):
    """They share it, and a broken one would be kept: every later page of the process would fail."""
    threads, interval, seen = 8, sys.getswitchinterval(), set()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(20):
                statement = Statement(lambda pk: User.objects.select_related("reseller").filter(pk=pk))
                together = Barrier(threads)

                def compiled(_, statement=statement, together=together):
                    together.wait(30)
                    return statement._compile(False, {"pk": 1}).sql

                seen |= {*pool.map(compiled, range(threads))}
    finally:
        sys.setswitchinterval(interval)
    assert len(seen) == 1 and "clients_reseller" in seen.pop()
