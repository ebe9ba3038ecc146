"""The sentence that explains the status of a number."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM, triggers
from dids.history.explain import explain
from dids.models import DID, ClientPackage
from staff.models import User
from tests.audit.forging import forge
from tests.carrier import carrier, numbers_in, person
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ANYONE = User()


def sentence(dids, now=NOON + 3 * DAY):
    (text,) = explain(dids.for_table(now), ANYONE, now).values()
    return text


@pytest.fixture
def house():
    house = carrier()
    ClientPackage.objects.update(starts_at=NOON - 300 * DAY)
    return house


@pytest.fixture
def anna(db):
    return person(
        "anna",
        *(
            f"dids.{right}_did"
            for right in ["add", "change", "block", "hold", "end_hold", "restore", "assign"]
        ),
    )


def test_a_hold_names_the_package_the_client_the_user_and_its_end(house, anna):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY)
    house.client_package.deactivate(by=anna, now=NOON)

    assert sentence(dids) == (
        "On Hold since 3 Nov 2026 because package Basic of North Bakery was switched off by anna; "
        "becomes In Stock on 3 Dec 2026, or Active again if the package is activated before then."
    )


def test_a_hold_says_when_the_package_ended_by_itself(house):
    dids = numbers_in("blocked", ["100"], house, now=NOON - DAY, after_hold="reserved")
    house.client_package.deactivate(by=SYSTEM, now=NOON, ended=True)

    assert sentence(dids) == (
        "On Hold since 3 Nov 2026 because package Basic of North Bakery ended; "
        "becomes Reserved on 3 Dec 2026, or Blocked again if the package is activated before then."
    )


def test_a_hold_by_a_user_names_the_user(house, anna):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY)
    dids.edit(by=anna, now=NOON, kind="mass_edit", status="hold")

    assert sentence(dids) == (
        "On Hold since 3 Nov 2026 because anna put it on Hold after use by North Bakery in a mass edit; "
        "becomes In Stock on 3 Dec 2026."
    )


def test_an_overdue_hold_counts_as_ended(house):
    dids = numbers_in("hold", ["100"], house, now=NOON)

    assert sentence(dids, NOON + 40 * DAY) == (
        "In Stock since 3 Dec 2026 because its Hold after use by North Bakery ended;"
        " can be assigned to a client."
    )


def test_an_ended_hold_reads_the_same_as_an_overdue_one(house):
    dids = numbers_in("hold", ["100"], house, now=NOON)
    overdue = sentence(dids, NOON + 40 * DAY)
    dids.end_hold(by=SYSTEM, now=NOON + 30 * DAY)

    assert dids.get().status == "instock"
    assert sentence(dids, NOON + 40 * DAY) == overdue


def test_a_hold_ended_by_a_user_names_the_user_and_the_client(house, anna):
    dids = numbers_in("hold", ["100"], house, now=NOON - DAY)
    dids.edit(by=anna, now=NOON, status="archive")

    assert sentence(dids) == (
        "Archived since 3 Nov 2026 because anna ended its Hold after use by North Bakery; "
        "not in use until it is restored."
    )


def test_it_says_that_there_were_no_hold_days(house, anna):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY, hold_days=0)
    house.client_package.deactivate(by=anna, now=NOON)

    assert sentence(dids) == (
        "In Stock since 3 Nov 2026 because package Basic of North Bakery was switched off by anna, "
        "with no hold days; can be assigned to a client."
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            "reserved",
            "Reserved since 3 Nov 2026 because anna created it; not for sale until it is put in stock.",
        ),
        ("instock", "In Stock since 3 Nov 2026 because anna created it; can be assigned to a client."),
        ("archive", "Archived since 3 Nov 2026 because anna created it; not in use until it is restored."),
    ],
)
def test_a_new_number_says_who_created_it(house, anna, status, text):
    DID.objects.create_numbers(["100"], operator=house.operator, by=anna, status=status, now=NOON)

    assert sentence(DID.objects.all()) == text


@pytest.mark.parametrize(
    ("source", "target", "cause"),
    [
        ("instock", "reserved", "anna reserved it"),
        ("reserved", "instock", "anna put it in stock"),
        ("instock", "archive", "anna archived it"),
        ("archive", "instock", "anna restored it from the archive"),
        ("blocked", "active", "anna unblocked it"),
        ("active", "blocked", "anna blocked it"),
    ],
)
def test_an_edit_is_named_by_its_move(house, anna, source, target, cause):
    dids = numbers_in(source, ["100"], house, now=NOON - DAY)
    dids.edit(by=anna, now=NOON, status=target)

    assert f"since 3 Nov 2026 because {cause};" in sentence(dids)


def test_a_package_that_the_system_switched_off_did_not_end(house):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY)
    house.client_package.deactivate(by=SYSTEM, now=NOON)
    forge("UPDATE audit_change SET label = 'ended'")

    assert "because package Basic of North Bakery was switched off by the system;" in sentence(dids)


def test_the_end_of_a_package_is_recognised_without_its_label(house):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY)
    house.client_package.deactivate(by=SYSTEM, now=NOON, ended=True)
    forge("UPDATE audit_change SET label = 'Package of Client switched off'")

    assert "because package Basic of North Bakery ended;" in sentence(dids)


def test_an_active_number_names_its_client_and_the_end_of_the_package(house, anna):
    dids = numbers_in("instock", ["100"], house, now=NOON - DAY)
    dids.assign(house.client_package, house.account, by=anna, now=NOON)

    assert sentence(dids) == (
        "Active since 3 Nov 2026 because anna assigned it to North Bakery; "
        "goes on Hold when package Basic is switched off."
    )
    ClientPackage.objects.update(ends_at=NOON + 60 * DAY)
    assert sentence(dids).endswith("; goes on Hold when package Basic ends on 2 Jan 2027.")
    assert sentence(dids, NOON + 61 * DAY).endswith(
        "; goes on Hold when the worker next runs, because package Basic ended on 2 Jan 2027."
    )


def test_a_number_given_back_from_hold_says_so(house, anna):
    dids = numbers_in("hold", ["100"], house, now=NOON - DAY)
    dids.assign(house.client_package, house.account, by=anna, now=NOON)

    assert "because anna gave it back to North Bakery;" in sentence(dids)


def test_a_blocked_number_says_that_it_is_unreachable_and_what_ends_it(house, anna):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY)
    dids.edit(by=anna, now=NOON, status="blocked")

    assert sentence(dids) == (
        "Blocked since 3 Nov 2026 because anna blocked it; unreachable until it is unblocked, "
        "goes on Hold when package Basic is switched off."
    )


def test_later_edits_of_other_fields_do_not_change_since(house, anna):
    dids = numbers_in("reserved", ["100"], house, now=NOON)
    dids.edit(by=anna, now=NOON + DAY, notes="golden")

    assert sentence(dids).startswith("Reserved since 3 Nov 2026 because the system created it;")


def test_a_write_outside_the_application_is_named_as_such(house):
    dids = numbers_in("instock", ["100"], house)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET status = 'reserved'")

    assert "because something outside the application reserved it;" in sentence(dids, timezone.now())


def test_names_of_a_client_and_package_deleted_since_come_from_history(house, anna):
    dids = numbers_in("active", ["100"], house, now=NOON - DAY, hold_days=0)
    house.client_package.deactivate(by=anna, now=NOON)
    for record in (house.account, house.client_package, house.client, house.package):
        record.delete()

    assert "because package Basic of North Bakery was switched off by anna," in sentence(dids)


def test_within_a_day_the_time_is_shown_in_the_active_zone(house):
    dids = numbers_in("hold", ["100"], house, now=NOON)

    with timezone.override("Europe/Vilnius"):
        assert "On Hold since 3 Nov 2026, 14:00 because" in sentence(dids, NOON + timedelta(hours=23))
        assert "becomes In Stock on 3 Dec 2026, 14:00." in sentence(dids, NOON + 29.5 * DAY)


def test_a_number_without_history_still_gets_a_sentence(house):
    with as_owner():
        triggers.drop(connection)
        did = DID.objects.create(number="100", operator=house.operator)
        triggers.install(connection)

    assert sentence(DID.objects.filter(pk=did.pk)) == "In Stock; can be assigned to a client."


def test_five_hundred_sentences_cost_no_more_queries_than_five(house):
    for prefix, status in enumerate(["reserved", "active", "hold", "blocked"]):
        numbers_in(status, [f"{prefix}{n:03}" for n in range(20)], house, now=NOON)
    numbers_in("hold", [f"9{n:03}" for n in range(20)], house, now=NOON).end_hold(by=SYSTEM, now=NOON + DAY)
    rows = list(DID.objects.for_table().order_by("number"))

    with CaptureQueriesContext(connection) as few:
        explain([*rows[:2], *rows[-2:]], ANYONE)
    with CaptureQueriesContext(connection) as many:
        sentences = explain(rows, ANYONE)

    assert len(few) == len(many) == 3
    assert len(sentences) == 100 and all(sentences.values())
