"""The list of reservations and its dialogs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from clients.models import Client
from dids.models import DID, Reservation
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

NUMBERS = ["7700", "7701", "7702"]
LIST, NEW = "/reservations/", "/reservations/new/"


@pytest.fixture
def numbers(world):
    DID.objects.create_numbers([*NUMBERS, "7703"], operator=world.operator, by=SYSTEM)


def reserved(world, numbers=NUMBERS, *, days=7, **fields):
    ends_at = days and timezone.now() + timedelta(days=days)
    fields = {"client": world.client, "purpose": "Offer 20417", "ends_at": ends_at} | fields
    reservation = Reservation.draft(by=SYSTEM, reseller=world.reseller, **fields)
    assert DID.objects.filter(number__in=numbers).reserve(reservation, by=SYSTEM).done == len(numbers)
    return reservation


def sent(world, **fields):
    data = {"step": "apply", "numbers": "7700-7702", "whom": "client", "client": world.client.pk}
    return data | {"purpose": "Offer 20433", "ends": "1 week"} | fields


def text_of(answer):
    return " ".join(answer.content.decode().split())


def pks(*numbers):
    return ",".join(str(pk) for pk in DID.objects.filter(number__in=numbers).values_list("pk", flat=True))


def test_the_list_is_sorted_by_end_and_says_how_many_are_reserved_without(world, numbers, clerk):
    reserved(world, ["7700"], days=20, purpose="Later")
    reserved(world, ["7701"], days=None, name="Orsini", client=None, purpose="Own use")
    reserved(world, ["7702"], days=1 / 24, purpose="Today")
    reserved(world, ["7703"], days=2, purpose="Soon")
    listing = client_of(clerk).get(LIST)
    rows = listing.context["listing"].rows
    assert [row.purpose for row in rows] == ["Today", "Soon", "Later", "Own use"]
    assert [row.left for row in rows][-2:] == [20, None]
    page = text_of(listing)
    assert "4 reservations, for 4 numbers." in page
    assert "7 numbers</a> are Reserved without a reservation" in page


def test_a_counter_filters_the_list(world, numbers, clerk):
    reserved(world, ["7700"], days=2)
    reserved(world, ["7701"], days=None, name="Orsini", client=None)
    browser = client_of(clerk)
    for query, purposes in (("ends=none", 1), ("ends=week", 1), ("whom=name", 1), ("by=me", 0)):
        assert len(browser.get(f"{LIST}?{query}").context["listing"].rows) == purposes, query
    assert "There is no filter “nonsense”" in text_of(browser.get(f"{LIST}?nonsense=1"))


def test_the_list_is_exported_as_csv(world, numbers, clerk):
    reserved(world, ["7700", "7701"], days=None, name="=Orsini", client=None)
    reserved(world, ["7702"])
    answer = client_of(clerk).get(f"{LIST}export/?ends=none")
    header, row = b"".join(answer).decode("utf-8-sig").splitlines()
    assert header.startswith("First number,Last number,Numbers,Client,Name,Purpose")
    assert row.startswith("7700,7701,2,,'=Orsini,Offer 20417,system,")


def test_a_reservation_that_is_over_leaves_the_list_at_once(world, numbers, clerk):
    reservation = reserved(world, days=-1)
    browser = client_of(clerk)
    assert browser.get(LIST).context["listing"].rows == []
    assert browser.get(f"{LIST}{reservation.pk}/extend/").status_code == 404


def test_numbers_are_reserved_after_a_rehearsal_that_says_how_many(world, numbers, clerk):
    browser = client_of(clerk)
    reserved(world, ["7703"])
    rehearsal = browser.post(NEW, sent(world, step="preview"), headers={"HX-Request": "true"})
    page = text_of(rehearsal)
    assert "<b>3 numbers</b> will be Reserved for <b>Rose Orig</b> until" in page
    assert "0 refused" in page and "already has 1 number" in page
    assert 'name="rehearsed" value="3"' in page

    answer = browser.post(NEW, sent(world, rehearsed="3"), follow=True)
    assert "3 numbers reserved for Rose Orig until" in text_of(answer)
    assert Reservation.objects.get(purpose="Offer 20433").dids.count() == 3


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"purpose": ""}, "Enter what the numbers are kept for."),
        ({"whom": "name"}, "Enter the name that the numbers are kept for."),
        ({"client": ""}, "Choose the client that the numbers are kept for."),
        ({"ends": "date", "ends_at": "27 Nov 2020"}, "27 Nov 2020, 23:59 is over. Choose a later end."),
        ({"ends": "date"}, "Enter when the reservation ends, or choose another end."),
        ({"numbers": "9999"}, "None of these numbers is in the inventory: 9999."),
        ({"numbers": ""}, "Enter the numbers to reserve."),
    ],
)
def test_a_wrong_value_is_explained_at_its_field_and_nothing_is_lost(world, numbers, clerk, fields, sentence):
    answer = client_of(clerk).post(NEW, sent(world, **fields))
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert fields.get("purpose") == "" or "Offer 20433" in text_of(answer)
    assert not Reservation.objects.exists()


def test_a_lost_race_names_who_took_which_numbers_and_offers_the_rest(world, numbers, clerk):
    browser = client_of(clerk)
    rehearsal = browser.post(NEW, sent(world, step="preview"), headers={"HX-Request": "true"})
    seen = rehearsal.context["preview"]["seen"]
    clara = member("Clerk", username="clara.okafor")
    DID.objects.filter(number="7701").edit(by=clara, status="archive")

    answer = browser.post(NEW, sent(world, rehearsed="3", seen=seen))

    assert answer.status_code == 422
    page = text_of(answer)
    assert "1 of 3 was taken meanwhile by clara.okafor: 7701." in page
    assert "Reserve 2 numbers" in page
    assert not Reservation.objects.exists()
    assert browser.post(NEW, sent(world, rehearsed="2")).status_code == 302
    assert Reservation.objects.get().dids.count() == 2


def test_numbers_selected_on_the_list_are_reserved_without_typing_them(world, numbers, clerk):
    browser = client_of(clerk)
    ids = pks(*NUMBERS)
    dialog = browser.post(NEW, {"ids": ids, "scope": "ids"}, headers={"HX-Request": "true"})
    assert "numbers" not in dialog.context["form"].fields
    answer = browser.post(NEW, sent(world, ids=ids, scope="ids", whom="name", name="Orsini", ends="none"))
    assert answer.status_code == 302
    assert Reservation.objects.get().whom == "Orsini"
    assert DID.objects.filter(reservation__isnull=False).count() == 3


def test_a_bound_clerk_reserves_only_own_numbers_for_own_clients(world, numbers):
    bound = member("Clerk", username="bound", reseller=world.reseller_2)
    other = Client.objects.create(reseller=world.reseller_2, name="Own Client")
    browser = client_of(bound)
    unknown = browser.post(NEW, sent(world, numbers="3333"))
    assert "This client doesn’t exist, or you don’t have access to it." in text_of(unknown)
    missing = browser.post(NEW, sent(world, client=other.pk))
    assert "None of these numbers is in the inventory" in text_of(missing)
    reserved(world)
    assert browser.get(LIST).context["listing"].rows == []
    assert "Reserved without" not in text_of(browser.get(LIST))


def test_a_reservation_for_a_name_is_of_one_reseller(world, numbers, administrator):
    browser = client_of(administrator)
    answer = browser.post(NEW, sent(world, numbers="7700,3333", whom="name", name="Orsini"))
    assert "These numbers belong to several resellers: Reseller 1 and Reseller 2." in text_of(answer)


def test_the_end_is_changed_and_the_reservation_ended(world, numbers, clerk):
    reservation, browser = reserved(world), client_of(clerk)
    answer = browser.post(
        f"{LIST}{reservation.pk}/extend/", {"ends": "date", "ends_at": "1 Feb 2100"}, follow=True
    )
    assert "3 numbers now reserved for Rose Orig until 1 Feb 2100, 23:59." in text_of(answer)
    assert set(DID.objects.filter(reservation=reservation).values_list("hold_until__year", flat=True)) == {
        2100
    }
    answer = browser.post(f"{LIST}{reservation.pk}/end/", follow=True)
    assert "The reservation for Rose Orig has ended. 3 numbers put in stock." in text_of(answer)
    assert DID.objects.filter(number__in=NUMBERS, status="instock").count() == 3


def test_a_reservation_becomes_an_assignment_to_its_client(world, numbers, supervisor):
    reservation, browser = reserved(world, ["7700", "7701"]), client_of(supervisor)
    url = f"{LIST}{reservation.pk}/assign/"
    dialog = browser.get(url, headers={"HX-Request": "true"})
    assert dialog.context["client"] == world.client
    assert dialog.context["preview"]["changed"] == 2
    chosen = {"client": world.client.pk, "package": world.client_package.pk, "account": world.account.pk}
    answer = browser.post(url, {"step": "apply", **chosen}, follow=True)
    assert "2 numbers assigned to" in text_of(answer)
    assert DID.objects.filter(account=world.account, number__in=NUMBERS).count() == 2


def test_the_list_of_numbers_filters_by_reservation(world, numbers, clerk):
    reservation, browser = reserved(world, ["7700", "7701"]), client_of(clerk)
    until = (timezone.now() + timedelta(days=30)).strftime("%Y-%m-%d")
    for query, found in (
        (f"reservation={reservation.pk}", ["7700", "7701"]),
        ("reserved=with", ["7700", "7701"]),
        (f"reserved_until={until}", ["7700", "7701"]),
        ("reserved_until=2020-01-01", []),
        ("reserved=without&status=reserved&q=12568", ["12568"]),
        (f"reservation={reservation.pk}&status=instock", []),
    ):
        listing = browser.get(f"/dids/?{query}").context["listing"]
        assert sorted(row.number for row in listing.rows) == found, query
        assert listing.total == len(found), query
    past = browser.get(f"/dids/?reserved=with&as_of={timezone.now():%Y-%m-%d}")
    assert "can’t be filtered by" in text_of(past)


def test_the_page_of_a_number_shows_its_reservation(world, numbers, clerk):
    reserved(world, ["7700"])
    page = text_of(client_of(clerk).get(f"/dids/{world.did('7700').pk}/"))
    assert "Rose Orig: Offer 20417" in page
    assert "Reserved until" in page
