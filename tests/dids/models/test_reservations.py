"""Reservations: which numbers they take, and that a number is in one only while it is Reserved."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.http import QueryDict
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from audit import SYSTEM
from audit.models import Change
from dids.history.explain import explain
from dids.history.timeline import timeline
from dids.history.undo.undo import Undo
from dids.lists.listing import did_listing
from dids.models import DID, DIDHistory, Reservation, Stock
from dids.periodic import end_due_holds
from staff.models import User
from tests.carrier import carrier, numbers_in, person, reserved
from tests.dids.models.test_racing import at_once
from tests.examples import scaled
from tests.imports import imported, importer
from tests.world import make_world, member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NUMBERS = ["100", "101", "102"]


@pytest.fixture
def house():
    return carrier()


@pytest.fixture
def viewer(db):
    return member("Viewer")


def members(reservation):
    return sorted(reservation.dids.values_list("number", flat=True))


def statuses():
    return dict(DID.objects.order_by("number").values_list("number", "status"))


def over(days=8):
    return timezone.now() + days * DAY


def test_numbers_in_stock_are_reserved_and_others_are_refused_with_the_cause(house):
    other = carrier("South")
    numbers_in("instock", NUMBERS, house)
    numbers_in("instock", ["500"], other)
    for status, number in (("active", "200"), ("hold", "201"), ("archive", "202"), ("reserved", "203")):
        numbers_in(status, [number], house)
    first = reserved(house, ["100"])
    second = Reservation.draft(by=SYSTEM, reseller=house.reseller, name="Orsini", purpose="Trial")

    preview = DID.objects.preview_reserve(second, by=SYSTEM)
    result = DID.objects.reserve(second, by=SYSTEM)

    assert result == preview
    assert result.done == 2
    causes = {code: refusal.numbers for code, refusal in result.refusals.items()}
    assert causes == {
        "taken": ["100"],
        "active": ["200"],
        "hold": ["201"],
        "archive": ["202"],
        "reserved": ["203"],
        "reseller": ["500"],
    }
    assert (members(first), members(second)) == (["100"], ["101", "102"])
    assert str(Change.objects.latest("pk")) == "Reserved for Orsini: Trial"


def test_nothing_is_written_when_no_number_can_be_reserved_or_another_count_was_expected(house):
    numbers_in("instock", NUMBERS, house)
    reserved(house, ["100"])
    before = Change.objects.count(), DIDHistory.objects.count()
    draft = Reservation.draft(by=SYSTEM, reseller=house.reseller, name="Orsini", purpose="Trial")

    assert DID.objects.filter(number="100").reserve(draft, by=SYSTEM).done == 0
    result = DID.objects.reserve(draft, by=SYSTEM, expected=3)

    assert (result.done, result.refusals["taken"].numbers, result.change) == (2, ["100"], None)
    assert (Change.objects.count(), DIDHistory.objects.count()) == before
    assert Reservation.objects.count() == 1
    assert draft.pk is None


def test_reserving_needs_the_right_to_edit(house):
    numbers_in("instock", NUMBERS, house)
    draft = Reservation.draft(by=SYSTEM, reseller=house.reseller, name="Orsini", purpose="Trial")
    result = DID.objects.reserve(draft, by=person("viewer", "dids.view_did"))
    assert (result.done, list(result.refusals)) == (0, ["right"])


def test_a_reservation_is_over_on_every_read_before_the_worker_writes_it(house):
    numbers_in("instock", [*NUMBERS, "103"], house, after_hold="archive")
    start = timezone.now()
    reserved(house, now=start, days=1)
    later = start + DAY

    found = DID.objects.with_status_now(later).order_by("number")
    assert list(found.values_list("status_now", flat=True)) == ["instock"] * 4
    assert DID.objects.in_status(["instock"], later).count() == 4
    assert DID.objects.in_status(["reserved"], later).count() == 0
    assert DID.objects.in_status(["archive"], later).count() == 0
    assert DID.objects.in_status(["reserved"], later - timedelta(seconds=1)).count() == 3
    assert Stock.objects.by_status(now=later)["instock"] == 4
    assert DID.objects.by_status(later) == Stock.objects.by_status(now=later)
    assert not Reservation.objects.running(later).exists()
    assert DID.objects.get(number="100").routing(later).reason == "it is In Stock, not assigned to a client"


def test_the_worker_ends_a_reservation_once_as_the_system(house):
    numbers_in("instock", NUMBERS, house, after_hold="archive")
    numbers_in("reserved", ["200"], house)
    reserved(house, now=timezone.now() - 2 * DAY, days=1)

    assert [end_due_holds(timezone.now()), end_due_holds(timezone.now())] == [3, 0]

    assert statuses() == {"100": "instock", "101": "instock", "102": "instock", "200": "reserved"}
    ends = DIDHistory.objects.filter(change__kind=Change.Kind.END_RESERVATION)
    assert ends.count() == 3
    change = ends[0].change
    assert (change.actor_kind, change.label, change.touched) == ("system", "Reservation ended", 3)


def test_a_write_ends_an_overdue_reservation_first_and_takes_the_numbers_as_in_stock(house):
    numbers_in("instock", NUMBERS, house)
    reserved(house, now=timezone.now() - 2 * DAY, days=1)
    result = DID.objects.filter(number__in=NUMBERS[:2]).assign(house.client_package, house.account, by=SYSTEM)
    assert (result.done, result.refused) == (2, 0)
    steps = DIDHistory.objects.filter(number="100").order_by("history_id").values_list("status", flat=True)
    assert list(steps) == ["instock", "reserved", "instock", "active"]


@pytest.mark.parametrize("status", ["instock", "archive"])
def test_a_move_takes_a_number_out_of_its_reservation_and_an_edit_does_not(house, status):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    DID.objects.filter(number="100").edit(by=SYSTEM, status=status)
    DID.objects.filter(number="101").edit(by=SYSTEM, status="reserved", notes="kept", hold_days=0)
    DID.objects.filter(number="102").edit(by=SYSTEM, hold_days=5)
    assert members(reservation) == ["101", "102"]
    ends = dict(DID.objects.values_list("number", "hold_until"))
    assert ends == {"100": None, "101": reservation.ends_at, "102": reservation.ends_at}


def test_the_database_refuses_a_number_in_a_reservation_that_is_not_reserved(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    for values in ({"status": "instock"}, {"status": "reserved", "reservation": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            DID.objects.filter(number="100").update(**values)
    assert members(reservation) == NUMBERS


def test_deleting_a_number_leaves_the_reservation_to_the_others_and_the_last_one_ends_it(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    DID.objects.filter(number="100").delete_unused(by=SYSTEM)
    assert members(reservation) == ["101", "102"]
    assert Reservation.objects.running(timezone.now()).exists()
    DID.objects.all().delete_unused(by=SYSTEM)
    assert not Reservation.objects.running(timezone.now()).exists()


def test_an_extension_moves_the_end_of_all_its_numbers_and_an_end_in_the_past_is_refused(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    later = reservation.ends_at + 30 * DAY
    assert reservation.end_on(later, by=SYSTEM).done == 3
    assert set(DID.objects.values_list("hold_until", flat=True)) == {later}
    assert Reservation.objects.get().ends_at == later
    assert reservation.end_on(None, by=SYSTEM).done == 3
    assert set(DID.objects.values_list("hold_until", flat=True)) == {None}
    with pytest.raises(ValidationError, match="is over. Choose a later end."):
        reservation.end_on(timezone.now() - DAY, by=SYSTEM)


def test_a_reservation_that_is_over_is_not_extended(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house, now=timezone.now() - 2 * DAY, days=1)
    assert reservation.end_on(over(), by=SYSTEM).done == 0
    assert set(statuses().values()) == {"instock"}


def test_ending_a_reservation_puts_its_numbers_in_stock(house):
    numbers_in("instock", NUMBERS, house)
    numbers_in("reserved", ["200"], house)
    reserved(house)
    result = DID.objects.all().end_reservation(by=SYSTEM)
    assert (result.done, result.refusals["over"].numbers) == (3, ["200"])
    assert statuses()["200"] == "reserved"


def test_what_can_be_assigned_is_and_the_rest_stays_reserved():
    house = carrier(did_limit=2)
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    numbers = reservation.dids.all()

    preview = numbers.preview_assign_reserved(house.client_package, house.account, by=SYSTEM)
    result = numbers.assign_reserved(house.client_package, house.account, by=SYSTEM)

    assert (result.done, result.refusals["full"].numbers) == (2, ["102"])
    assert result == preview
    assert statuses() == {"100": "active", "101": "active", "102": "reserved"}
    assert members(reservation) == ["102"]
    steps = DIDHistory.objects.filter(number="100").order_by("history_id").values_list("status", flat=True)
    assert list(steps) == ["instock", "reserved", "instock", "active"]


def test_a_reservation_is_undone_with_its_record_and_redone(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    change = Change.objects.latest("pk")

    Undo(change, by=SYSTEM).run()
    assert set(statuses().values()) == {"instock"}
    assert not Reservation.objects.exists()

    Undo(Change.objects.latest("pk"), by=SYSTEM).run()
    assert members(reservation) == NUMBERS
    assert Reservation.objects.get().ends_at == reservation.ends_at


def test_an_undo_puts_a_number_back_only_if_the_reservation_still_has_its_end(house):
    numbers_in("instock", NUMBERS, house)
    reservation = reserved(house)
    DID.objects.filter(number="100").edit(by=SYSTEM, status="instock")
    first = Change.objects.latest("pk")
    DID.objects.filter(number="101").edit(by=SYSTEM, status="archive")
    second = Change.objects.latest("pk")

    assert Undo(first, by=SYSTEM).run().results["did"].done == 1
    assert members(reservation) == ["100", "102"]

    reservation.end_on(None, by=SYSTEM)
    extension = Change.objects.latest("pk")
    result = Undo(second, by=SYSTEM).run().results["did"]
    assert list(result.refusals) == ["reservation changed"]

    Undo(extension, by=SYSTEM).run()
    assert Reservation.objects.get().ends_at == DID.objects.get(number="100").hold_until is not None


def test_an_undo_leaves_a_reservation_that_would_be_over(house):
    start = timezone.now() - 3 * DAY
    numbers_in("instock", NUMBERS, house, now=start)
    reserved(house, now=start, days=1)
    DID.objects.all().edit(by=SYSTEM, status="archive", now=start + timedelta(hours=1))
    result = Undo(Change.objects.get(kind="edit"), by=SYSTEM).run().results["did"]
    assert result.refusals["over"].count == 3


def test_the_page_of_a_number_tells_for_whom_and_until_when(house, viewer):
    numbers_in("instock", NUMBERS, house)
    reserved(house)
    did = DID.objects.for_page().get(number="100")
    sentence = explain([did], viewer)[did.pk]
    assert "because the system reserved it for North Bakery: Offer 20433; becomes In Stock on" in sentence
    entry = timeline(did.pk, viewer)[0][0]
    fields = {change.field: change.new for change in entry.differences}
    assert fields["Reservation"] == "North Bakery: Offer 20433"
    assert "Reserved until" in fields

    now = timezone.now() + 8 * DAY
    did = DID.objects.for_page(now).get(number="100")
    assert "its reservation for North Bakery ended" in explain([did], viewer, now)[did.pk]


def test_an_import_keeps_the_reservation_of_a_number_that_stays_reserved():
    world = make_world()
    house = carrier("East")
    DID.objects.create_numbers(["71", "72", "73"], operator=world.operator, by=SYSTEM)
    draft = Reservation.draft(
        by=SYSTEM, reseller=world.reseller, name="Orsini", purpose="Trial", ends_at=over()
    )
    DID.objects.filter(number__in=["71", "72", "73"]).reserve(draft, by=SYSTEM)
    rows = (
        "DID,Status,Hold Days,Notes,Operator,Reseller\n71,,5,new,,\n72,instock,,,,\n"
        f"73,,,,{house.operator},{house.reseller}\n"
    )
    done = imported(rows, importer(world), existing="update")
    assert [row.reason for row in done.refused] == ["reserved at another reseller"]
    assert members(draft) == ["71", "73"]
    assert DID.objects.get(number="71").notes == "new"
    assert DID.objects.get(number="71").hold_until == draft.ends_at


def test_an_operator_and_a_client_with_reservations_stay_with_their_reseller(house):
    other = carrier("South")
    numbers_in("instock", NUMBERS, house)
    reserved(house)
    for record, words in ((house.operator, "in reservations"), (house.client, "1 reservation")):
        record.reseller = other.reseller
        if record is house.client:
            house.client_package.delete()
        with pytest.raises(ValidationError, match=words):
            record.clean()


def test_a_filter_by_status_follows_the_clock(house, viewer):
    numbers_in("instock", NUMBERS, house)
    reserved(house, now=timezone.now() - 2 * DAY, days=1)
    for query, found in (("status=instock", 3), ("status=reserved", 0), ("status=archive&status=instock", 3)):
        for sort in ("number", "-status", "operator", "tag"):
            listing = did_listing(QueryDict(f"{query}&sort={sort}"), viewer)
            assert (len(listing.rows), listing.total) == (found, found), (query, sort)
            assert {row.status_now for row in listing.rows} <= {"instock"}


MOVES = {
    "reserve": lambda some, house: reserve_some(some, house, days=3),
    "keep": lambda some, house: reserve_some(some, house, days=None),
    "extend": lambda some, house: [one.end_on(over(), by=SYSTEM) for one in Reservation.objects.all()],
    "end": lambda some, house: some.end_reservation(by=SYSTEM),
    "convert": lambda some, house: some.assign_reserved(house.client_package, house.account, by=SYSTEM),
    "assign": lambda some, house: some.assign(house.client_package, house.account, by=SYSTEM),
    "hold": lambda some, house: some.hold(by=SYSTEM),
    "release": lambda some, house: some.end_hold(by=SYSTEM),
    "delete": lambda some, house: some.delete_unused(by=SYSTEM),
    "create": lambda some, house: DID.objects.create_numbers(TEN, operator=house.operator, by=SYSTEM),
    "notes": lambda some, house: some.edit(by=SYSTEM, notes="edited", status="reserved"),
    "import": lambda some, house: imported("DID,Notes\n1001,a\n1002,b\n", superuser(), existing="update"),
    "undo": lambda some, house: Undo(Change.objects.latest("pk"), by=SYSTEM).run(),
    **{
        status: lambda some, house, status=status: some.edit(by=SYSTEM, status=status)
        for status in ("reserved", "instock", "archive", "blocked", "active")
    },
}
TEN = [str(n) for n in range(1000, 1010)]


def reserve_some(some, house, days):
    ends_at = days and timezone.now() + days * DAY
    draft = {"reseller": house.reseller, "purpose": "Trial", "ends_at": ends_at}
    some.reserve(Reservation.draft(by=SYSTEM, name="Orsini", **draft), by=SYSTEM)


def superuser():
    found, _ = User.objects.get_or_create(username="root", is_superuser=True)
    return found


@settings(max_examples=scaled(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    some.lists(
        some.tuples(some.sampled_from(list(MOVES)), some.sets(some.sampled_from(TEN), min_size=1)),
        min_size=4,
        max_size=12,
    )
)
def test_no_sequence_of_moves_leaves_a_number_in_a_reservation_that_it_left(db, moves):
    with transaction.atomic():
        house = carrier(did_limit=4)
        numbers_in("instock", TEN, house)
        for name, numbers in [("reserve", set(TEN[:6])), *moves]:
            MOVES[name](DID.objects.filter(number__in=numbers), house)
            for did in DID.objects.select_related("reservation"):
                kept = did.reservation
                assert kept is None or (did.status, did.hold_until) == ("reserved", kept.ends_at), name
                assert did.status == "hold" or kept or did.hold_until is None, name
            past = DIDHistory.objects.filter(reservation_id__isnull=False).exclude(status="reserved")
            assert not past.exists(), name
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_sixteen_people_who_reserve_the_same_numbers_never_get_one_twice():
    house = carrier()
    numbers = [str(n) for n in range(1000, 1060)]
    numbers_in("instock", numbers, house)

    def reserve(n):
        draft = Reservation.draft(by=SYSTEM, reseller=house.reseller, name=f"Prospect {n}", purpose="Trial")
        some = numbers[3 * n : 3 * n + 12]
        return DID.objects.filter(number__in=some).reserve(draft, by=SYSTEM)

    results = at_once(*[lambda n=n: reserve(n) for n in range(16)])

    assert DIDHistory.objects.filter(status="reserved").count() == sum(result.done for result in results)
    assert sum(result.done for result in results) == DID.objects.filter(status="reserved").count() == 57
    assert all(result.selected == 12 for result in results)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM dids_did WHERE status = 'reserved' AND reservation_id IS NULL")
        assert cursor.fetchone() == (0,)
