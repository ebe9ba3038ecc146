"""Levels of the stock: set on a page, compared with the counters, and told of once when it falls below."""

import json
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from audit.models import Change
from dids.models import DID, LowStock, StockLevel
from events.models import Endpoint, Event
from notices.models import Kind, Notice, Wish
from notices.writing import tell_of_stock
from operators.models import Operator
from tests.carrier import person
from tests.notices.test_notices import on_day, told
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def stock(world):
    """Create ten numbers of Reseller 1 and four of Reseller 2 with the tag London, and 4420 in front."""
    for operator, first, count in ((world.operator, 100, 10), (world.operator_2, 200, 4)):
        numbers = [f"4420000{first + n}" for n in range(count)]
        DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM, status="instock", tags=["London"])
    return world


def level(minimum, **fields):
    made = StockLevel(minimum=minimum, **fields)
    made.create(by=SYSTEM)
    return made


def in_stock(one):
    return StockLevel.objects.with_stock().get(pk=one.pk).in_stock


def take(count, operator):
    """Let some numbers leave the stock."""
    keys = DID.objects.filter(operator=operator, status="instock", number__startswith="4420")
    DID.objects.filter(pk__in=list(keys.values_list("pk", flat=True)[:count])).edit(
        by=SYSTEM, status="archive"
    )


def put_back(operator):
    DID.objects.filter(operator=operator, status="archive", number__startswith="4420").edit(
        by=SYSTEM, status="instock"
    )


# --- counting


def test_the_stock_of_an_operator_a_tag_and_a_prefix_is_read_from_the_counters(stock):
    ours, theirs = stock.reseller, stock.reseller_2
    levels = {
        level(1, reseller=ours, operator=stock.operator): 11,  # with 256999
        level(1, tag="London"): 14,
        level(1, tag="London", reseller=ours): 10,
        level(1, prefix="4420", reseller=theirs): 4,
        level(1, prefix="4420"): 14,
        level(1, prefix="4421"): 0,
        level(1, tag="Paris"): 0,
    }
    with CaptureQueriesContext(connection) as queries:
        found = {one: in_stock(one) for one in levels}

    assert found == levels
    assert not any("dids_did" in query["sql"] for query in queries)


def test_a_round_costs_one_query_when_no_level_is_crossed(stock):
    level(3, tag="London")
    level(3, prefix="4420")
    with CaptureQueriesContext(connection) as queries:
        assert tell_of_stock() == 0

    assert len(queries) == 1


# --- telling


def test_people_of_the_branch_are_told_once_until_the_stock_is_back(stock, owner, stranger):
    viewer = member("Viewer", reseller=stock.reseller)
    everywhere = member("Supervisor")
    level(8, tag="London", reseller=stock.reseller)
    on_day(0)
    assert told(owner) == []

    take(3, stock.operator)
    on_day(1)
    on_day(2)
    take(1, stock.operator)
    on_day(3)
    sentence = "Tag London has 7 numbers In Stock, fewer than its level of 8."
    assert told(owner) == told(everywhere) == [sentence]
    assert told(stranger) == told(viewer) == []

    put_back(stock.operator)
    on_day(4)
    assert not LowStock.objects.exists()
    take(4, stock.operator)
    on_day(5)
    assert told(owner) == ["Tag London has 6 numbers In Stock, fewer than its level of 8.", sentence]


def test_a_level_of_all_resellers_is_told_to_those_who_see_all(stock, owner):
    everywhere = member("Supervisor")
    level(15, prefix="4420")
    on_day(0)

    assert told(everywhere) == ["Prefix 4420 has 14 numbers In Stock, fewer than its level of 15."]
    assert told(owner) == []


def test_a_hold_that_ends_fills_the_stock_before_it_is_compared(world, owner):
    level(2, reseller=world.reseller, operator=world.operator)
    assert in_stock(StockLevel.objects.get()) == 1
    on_day(60)  # 2563 comes back from Hold

    assert told(owner) == []


def test_an_event_tells_endpoints_of_everybody_and_of_the_branch(stock):
    for reseller in (None, stock.reseller, stock.reseller_2):
        Endpoint.objects.create(url="https://a.example/", types=["stock.low"], reseller=reseller)
    made = level(20, reseller=stock.reseller, operator=stock.operator)
    on_day(0)

    events = Event.objects.filter(type="stock.low").order_by("reseller_id")
    assert {event.reseller_id for event in events} == {None, stock.reseller.pk}
    body = json.loads(events[0].body)
    assert body["data"] == {
        "level": made.pk,
        "operator": {"id": stock.operator.pk, "name": "DID Operator"},
        "reseller": "Reseller 1",
        "minimum": 20,
        "in_stock": 11,
        "path": f"/dids/?status=instock&operator={stock.operator.pk}",
    }
    assert client_of(member("Viewer")).get(body["data"]["path"]).content.count(b"data-row-link") == 11


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_one_tells_of_a_fall(stock, owner):
    Endpoint.objects.create(url="https://a.example/", types=["stock.low"])
    level(20, tag="London", reseller=stock.reseller)
    start = threading.Barrier(4)

    def work():
        start.wait()
        tell_of_stock()
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Event.objects.filter(type="stock.low").count() == 1
    assert Notice.objects.filter(user=owner).count() == 1


def test_an_operator_that_moves_to_another_reseller_takes_its_level_out_of_force(stock, owner, stranger):
    operator = Operator.objects.create(reseller=stock.reseller, name="Moving Line")
    level(5, reseller=stock.reseller, operator=operator)
    Operator.objects.filter(pk=operator.pk).update(reseller=stock.reseller_2)
    on_day(0)

    assert told(owner) == told(stranger) == []
    for user in (owner, stranger):
        assert b"Moving Line" not in client_of(user).get("/stock-levels/").content


def test_who_wants_no_notice_of_stock_gets_none(stock, owner):
    Wish.objects.create(user=owner, kind=Kind.STOCK_LOW, in_app=False)
    level(20, tag="London", reseller=stock.reseller)
    assert tell_of_stock() == 1

    assert told(owner) == []


# --- the page


def send(browser, address="/stock-levels/new/", **fields):
    return browser.post(address, {"minimum": "8"} | fields, follow=True)


def test_a_level_is_set_changed_and_deleted_and_the_audit_log_tells(stock, owner):
    browser = client_of(owner)
    page = send(browser, of="tag", tag="London", operator=stock.operator.pk, prefix="99").content.decode()
    assert "People are told when Tag London has fewer than 8 numbers In Stock." in page
    made = StockLevel.objects.get()
    assert (made.reseller, made.operator, made.tag, made.prefix) == (stock.reseller, None, "London", "")

    page = send(browser, f"/stock-levels/{made.pk}/", minimum="12").content.decode()
    assert "The level of Tag London is 12." in page
    assert "2 missing" in page
    page = send(browser, f"/stock-levels/{made.pk}/delete/").content.decode()
    assert "The level of Tag London is deleted." in page

    changes = Change.objects.filter(kind="stock_level").order_by("pk")
    assert [(change.label, change.actor_name) for change in changes] == [
        ("Level of Tag London set to 8", "owner"),
        ("Level of Tag London set to 12", "owner"),
        ("Level of Tag London deleted", "owner"),
    ]
    assert changes[1].data["edited"] == [["Level", "8", "12"]]
    assert changes[1].never_undone
    detail = client_of(member("Administrator")).get(f"/audit/{changes[1].pk}/").content.decode()
    assert "8 → 12" in detail


def test_a_level_of_an_operator_is_of_its_reseller(stock):
    browser = client_of(member("Supervisor"))
    send(browser, of="operator", operator=stock.operator_2.pk, reseller=stock.reseller.pk)

    assert StockLevel.objects.get().reseller == stock.reseller_2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Choose one of the options."),
        ({"of": "operator"}, "Choose an operator."),
        ({"of": "tag"}, "Choose a tag."),
        ({"of": "tag", "tag": "Nowhere"}, "doesn’t exist"),
        ({"of": "prefix"}, "Enter a prefix."),
        ({"of": "prefix", "prefix": "London"}, "Enter the first digits of the numbers, such as 4420."),
        ({"of": "prefix", "prefix": "4" * 16}, "Enter at most 15 digits; these are 16."),
        ({"of": "prefix", "prefix": "4420001"}, "Enter at most 6 digits."),
        ({"of": "prefix", "prefix": "44", "minimum": "0"}, "Enter 1 or more."),
        ({"of": "prefix", "prefix": "44", "minimum": "99999999"}, "Enter 10000000 or less."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(stock, owner, fields, sentence):
    page = send(client_of(owner), **fields)

    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert not StockLevel.objects.exists()


def test_a_second_level_of_the_same_subject_is_refused(stock, owner):
    browser = client_of(owner)
    send(browser, of="prefix", prefix="+44 20")
    page = send(browser, of="prefix", prefix="4420")

    assert page.status_code == 422
    assert "Prefix 4420 already has a level." in page.content.decode()
    everywhere = send(client_of(member("Supervisor")), of="prefix", prefix="4420")
    assert everywhere.status_code == 200
    assert StockLevel.objects.count() == 2


def test_a_branch_has_a_limit_of_levels(stock, owner, monkeypatch):
    monkeypatch.setattr(StockLevel, "MOST", 1)
    browser = client_of(owner)
    send(browser, of="prefix", prefix="44")
    page = send(browser, of="prefix", prefix="45")

    assert "There are 1 levels already. Delete one first." in page.content.decode()


def test_a_person_of_a_branch_sees_and_chooses_its_own_alone(stock, owner, stranger):
    level(8, tag="London", reseller=stock.reseller)
    level(8, tag="London")
    made = StockLevel.objects.get(reseller=stock.reseller)

    theirs = client_of(stranger)
    assert b"No stock levels yet" in theirs.get("/stock-levels/").content
    assert theirs.get(f"/stock-levels/{made.pk}/").status_code == 404
    assert send(theirs, of="operator", operator=stock.operator.pk).status_code == 422
    page = client_of(owner).get("/stock-levels/").content.decode()
    assert page.count("Delete the level of Tag London") == 1
    assert ">10<" in page


def test_who_only_sees_numbers_sets_no_level(stock):
    user = person("reader", "dids.view_did")
    level(8, tag="London")
    browser = client_of(user)

    assert b"New level" not in browser.get("/stock-levels/").content
    assert browser.post("/stock-levels/new/", {}).status_code == 403
