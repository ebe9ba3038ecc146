"""A package takes only numbers of the classes that it may hold, by whatever path they come."""

import pytest
from django.db.models import F

from audit import SYSTEM
from audit.models import Change
from clients.models import Package
from dids.history.undo.undo import Undo
from dids.models import DID, PatternRule, Reservation
from dids.models.marks import compiled, write_tails
from dids.models.package_classes import NumberClass
from dids.numbering.patterns import PATTERN
from tests.carrier import carrier, numbers_in
from tests.imports import imported, importer, refusals, staged
from tests.world import make_world

pytestmark = pytest.mark.django_db

GOLD, SILVER, PLAIN = "44207777", "44202777", "44201234"
NO_GOLD = (
    "gold, and package Basic holds no gold numbers; choose another package, or change what Basic may hold"
)


def set_rules(**patterns):
    """Put {class: pattern} into force in this order."""
    rules = [
        PatternRule.objects.create(position=n, mark_class=one, kind=PATTERN, text=text, name=text)
        for n, (one, text) in enumerate(patterns.items(), start=1)
    ]
    write_tails(compiled(rules, ()))


@pytest.fixture
def house():
    """Return a carrier with four alike as gold and three alike as silver, whose package takes no gold."""
    set_rules(gold="AAAA", silver="AAA")
    return carrier(allowed_classes="unmarked, bronze, silver")


def allow(house, classes):
    Package.objects.filter(pk=house.package.pk).update(allowed_classes=classes)
    house.client_package.refresh_from_db()
    house.client_package.package.refresh_from_db()


def numbers(*some):
    return DID.objects.filter(number__in=some)


def statuses(*some):
    return dict(numbers(*some).values_list("number", "status"))


def assign(house, dids, **fields):
    return dids.assign(house.client_package, house.account, by=SYSTEM, **fields)


def refused(result):
    return {refusal.why: refusal.numbers for refusal in result.refusals.values()}


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        ("", [PLAIN, SILVER, GOLD]),
        ("gold", [GOLD]),
        ("unmarked", [PLAIN]),
        ("unmarked, bronze, silver", [PLAIN, SILVER]),
        ("bronze", []),
    ],
)
def test_a_package_takes_the_classes_that_it_may_hold_and_no_other(house, allowed, taken):
    allow(house, allowed)
    dids = numbers_in("instock", [GOLD, SILVER, PLAIN], house)

    assert set(dids.available_for(house.client_package).values_list("number", flat=True)) == set(taken)
    preview = dids.preview_assign(house.client_package, house.account, by=SYSTEM)
    result = assign(house, dids)

    assert preview == result
    assert set(dids.filter(status="active").values_list("number", flat=True)) == set(taken)
    assert (result.done, result.refused) == (len(taken), 3 - len(taken))


def test_a_refusal_says_which_numbers_why_and_what_to_do(house):
    dids = numbers_in("instock", [GOLD, "44208888", PLAIN], house)

    result = assign(house, dids)

    assert result.sentence("assigned") == f"1 number assigned. 2 refused (44207777, 44208888): {NO_GOLD}."


def test_numbers_that_a_package_has_stay_and_may_be_blocked_and_unblocked(house):
    allow(house, "")
    dids = numbers_in("active", [GOLD], house)
    allow(house, "unmarked")

    dids.block(by=SYSTEM)
    assert dids.unblock(by=SYSTEM).done == 1
    blocking = Change.objects.filter(kind="unblock").latest("pk")
    assert Undo(blocking, by=SYSTEM).run().done == 1
    assert statuses(GOLD) == {GOLD: "blocked"}


def test_numbers_that_it_does_not_take_any_more_stay_on_hold_when_it_is_activated(house):
    allow(house, "")
    numbers_in("active", [GOLD, "44208888", PLAIN], house)
    house.client_package.deactivate(by=SYSTEM)
    allow(house, "unmarked")

    preview = house.client_package.preview_activate()
    resumption = house.client_package.activate(by=SYSTEM)

    assert statuses(GOLD, PLAIN) == {GOLD: "hold", PLAIN: "active"}
    assert resumption.returned == preview.returned == {"active": 1}
    assert [(one.count, one.why, one.numbers) for one in preview.stay] == [(2, NO_GOLD, [GOLD, "44208888"])]
    assert f"2 stay on Hold (44207777, 44208888): {NO_GOLD}." in str(resumption)


def test_a_person_does_not_take_one_back_from_hold_either(house):
    allow(house, "")
    dids = numbers_in("hold", [GOLD], house)
    allow(house, "unmarked")

    assert refused(dids.activate(by=SYSTEM)) == {NO_GOLD: [GOLD]}


def test_a_reserved_number_is_refused_when_it_is_assigned(house):
    dids = numbers_in("instock", [GOLD], house)
    draft = Reservation.draft(by=SYSTEM, reseller=house.reseller, client=house.client, purpose="Trial")
    assert dids.reserve(draft, by=SYSTEM).done == 1

    result = dids.assign_reserved(house.client_package, house.account, by=SYSTEM)

    assert refused(result) == {NO_GOLD: [GOLD]}
    assert statuses(GOLD) == {GOLD: "reserved"}


def test_no_undo_brings_one_back(house):
    allow(house, "")
    dids = numbers_in("active", [GOLD, PLAIN], house)
    dids.hold(by=SYSTEM)
    hold = Change.objects.filter(kind="hold").latest("pk")
    dids.end_hold(by=SYSTEM)
    dids.delete_unused(by=SYSTEM)
    deletion = Change.objects.filter(kind="delete").latest("pk")
    allow(house, "unmarked")

    assert Undo(deletion, by=SYSTEM).run().done == 2  # they were In Stock
    end = Change.objects.filter(kind="end_hold").latest("pk")
    Undo(end, by=SYSTEM).run()
    result = Undo(hold, by=SYSTEM).run()

    assert statuses(GOLD, PLAIN) == {GOLD: "hold", PLAIN: "active"}
    assert "its package holds no numbers of its class" in str(result.refused_numbers)


def test_an_import_refuses_new_and_existing_ones_and_names_the_class(db):
    set_rules(gold="AAAA", silver="AAA")
    world = make_world()
    numbers_in("instock", [GOLD, PLAIN], world)
    Package.objects.filter(pk=world.package.pk).update(allowed_classes="unmarked", did_limit=50)
    holder = "active,Rose Orig,rose_orig,Basic"
    text = "DID,Operator,Status,Client,Account,Package\n" + "".join(
        f"{number},DID Operator,{holder}\n" for number in (GOLD, PLAIN, "900", "9111", "91111")
    )
    user = importer(world)

    checked = staged(text, user)
    assert {(row["column"], row["value"]) for row in refusals(checked)} == {("Package", "Basic")}
    assert {row["number"]: row["reason"] for row in refusals(checked)} == {
        number: f"The number is {its_class}, and package Basic holds no {its_class} numbers."
        " Choose another package, or change what it may hold."
        for number, its_class in ((GOLD, "gold"), ("9111", "silver"), ("91111", "gold"))
    }

    imported(text, user)
    assert statuses(GOLD, PLAIN, "900", "9111") == {GOLD: "instock", PLAIN: "active", "900": "active"}


def test_an_apply_refuses_what_the_package_does_not_take_since_the_check(db):
    set_rules(gold="AAAA")
    world = make_world()
    text = "DID,Operator,Status,Client,Account,Package\n91111,DID Operator,active,Rose Orig,rose_orig,Basic\n"
    number_import = staged(text, importer(world))
    assert number_import.counts["created"] == 1

    Package.objects.filter(pk=world.package.pk).update(allowed_classes="unmarked")
    number_import.apply(number_import.checked)

    assert not DID.objects.filter(number="91111").exists()


def test_the_class_is_known_of_numbers_of_any_length():
    set_rules(gold="AAAA", silver="AAA", bronze="77")
    house = carrier()
    classes = {
        "77": "bronze",
        "7": "unmarked",
        "777": "silver",
        "7777": "gold",
        "77777": "gold",
        "177": "bronze",
    }
    numbers_in("instock", [*classes], house)

    found = DID.objects.annotate(its_class=NumberClass(F("number"))).values_list("number", "its_class")

    assert dict(found) == classes
