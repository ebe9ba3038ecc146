"""Every action on numbers by screen and by API: equal results, refusals, sentences and history."""

from contextlib import contextmanager
from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import transaction

from audit import SYSTEM
from dids.models import DID, DIDHistory, Reservation, TagSet
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

BY_STATUS = {
    "reserved": "111",
    "instock": "256999",
    "active": "2567",
    "blocked": "2568",
    "hold": "2563",
    "archive": "12567",
}
HELD = ["active", "blocked", "hold"]
ALL = [*BY_STATUS.values()]
# Differ by the time of the write, or by ids that sequences give only once
APART = ("history_id", "object_id", "at", "change_id", "hold_from", "hold_until", "tag_set_id")


@contextmanager
def undone():
    """Undo what is written here, so that both doors find the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(params=["Supervisor", "Clerk"])
def person(request, world):
    return member(request.param, username="person", reseller=world.reseller)


class Door:
    """What an action did: its ``sentence``, the ``history`` that it wrote, and the ``numbers`` after it."""

    def __init__(self, act):
        newest = DIDHistory.objects.latest("history_id").pk
        with undone():
            self.refused, self.sentence = act()
            rows = DIDHistory.objects.select_related("change").order_by("object_id", "history_id")
            written = list(rows.filter(history_id__gt=newest))
            tags = dict(TagSet.objects.values_list("pk", "label"))
            self.history = [
                {name: value for name, value in vars(row).items() if name not in APART and name[0] != "_"}
                | {"tags": tags.get(row.tag_set_id)}
                for row in written
            ]
            self.changes = {(row.change.kind, row.change.label) for row in written}
            self.held = [row.hold_from and row.hold_until - row.hold_from for row in written]
            self.numbers = [*DID.objects.order_by("number").values_list("number", "status", "notes")]


def screen(person, path, fields):
    """Return a function that sends a form and returns (whether it was refused, what people read)."""

    def act():
        response = client_of(person).post(path, fields)
        if response.status_code == 302:
            said = [str(one) for one in get_messages(response.wsgi_request)]
            return False, " ".join(said)
        return True, unescape(response.content.decode())

    return act


def program(api, person, method, path, body=None):
    def act():
        answer = api(person).send(method, path, body)
        refused = answer.status >= 400
        return refused, answer.json["detail" if refused else "sentence"]

    return act


def assert_equal(one, other, *, labels=True):
    assert one.history == other.history
    assert one.held == other.held
    assert one.numbers == other.numbers
    if labels:
        assert one.changes == other.changes
    if one.refused and not one.sentence.startswith("No"):
        assert other.refused
        if "Refused: " in one.sentence:
            assert other.sentence in one.sentence
    else:
        assert one.sentence == other.sentence


@pytest.mark.parametrize(
    ("action", "target"), [("reserve", "reserved"), ("put-in-stock", "instock"), ("archive", "archive")]
)
def test_a_free_move_of_one_number(action, target, world, person, api):
    for did in map(world.did, ALL):
        on_screen = Door(screen(person, f"/dids/{did.pk}/", {"status": target}))
        by_api = Door(program(api, person, "POST", f"/dids/{did.number}/{action}"))
        assert_equal(on_screen, by_api)


@pytest.mark.parametrize(
    ("action", "move"),
    [("block", "block"), ("hold", "hold"), ("end-hold", "release"), ("unblock", "activate")],
)
def test_a_move_of_a_number_that_a_client_has(action, move, world, person, api):
    for status in HELD:
        if (action, status) == ("unblock", "hold"):
            continue  # “Activate” takes a number back from Hold as well, which “assign” does by the API
        did = world.did(BY_STATUS[status])
        on_screen = Door(screen(person, f"/clients/{world.client.pk}/dids/{move}/", {"ids": did.pk}))
        by_api = Door(program(api, person, "POST", f"/dids/id:{did.pk}/{action}"))
        on_screen.sentence = on_screen.sentence.replace("activated", "unblocked")
        assert_equal(on_screen, by_api, labels=action != "unblock")


def test_an_assignment_of_one_number(world, person, api):
    own = {"client": world.client.pk, "account": world.account.pk}
    for did in map(world.did, ALL):
        form = own | {"ids": did.pk, "step": "apply", "package": world.client_package.pk}
        on_screen = Door(screen(person, f"/dids/assign/?ids={did.pk}", form))
        body = own | {"client_package": world.client_package.pk}
        assert_equal(on_screen, Door(program(api, person, "POST", f"/dids/{did.number}/assign", body)))


def test_an_edit_of_one_number(world, person, api):
    fields = {"notes": "seen", "hold_days": 3, "tags": "gold, vip", "after_hold": "reserved"}
    for did in map(world.did, ALL):
        on_screen = Door(screen(person, f"/dids/{did.pk}/", fields))
        body = fields | {"tags": ["vip", "gold"]}
        by_api = Door(program(api, person, "PATCH", f"/dids/{did.number}", body))
        assert_equal(on_screen, by_api)


def test_a_deletion_of_one_number(world, person, api):
    for did in map(world.did, ALL):
        on_screen = Door(screen(person, f"/dids/delete/?ids={did.pk}", {"ids": did.pk, "step": "apply"}))
        by_api = Door(program(api, person, "DELETE", f"/dids/{did.number}"))
        assert_equal(on_screen, by_api)


@pytest.mark.parametrize("number", ["70010", "70010-70012", "2567", "x", ""])
def test_creation(number, world, person, api):
    own = {"operator": world.operator.pk, "status": "reserved", "after_hold": "archive", "notes": "new"}
    on_screen = Door(screen(person, "/dids/new/", own | {"numbers": number, "tags": "gold"}))
    body = own | {"action": "create", "numbers": [number], "tags": ["gold"]}
    assert_equal(on_screen, Door(program(api, person, "POST", "/dids/bulk", body)))


MASS_EDITS = [
    ({"notes": "seen"}, {"change_notes": "on", "notes": "seen"}),
    ({"notes": ""}, {"change_notes": "on", "notes": ""}),
    ({"add_tags": ["gold"]}, {"change_tags": "on", "tag_action": "add", "tags": "gold"}),
    ({"remove_tags": ["gold"]}, {"change_tags": "on", "tag_action": "remove", "tags": "gold"}),
    ({"tags": []}, {"change_tags": "on", "tag_action": "replace", "tags": ""}),
    ({"hold_days": None}, {"change_hold_days": "on", "hold_days": ""}),
    ({"hold_days": 400}, {"change_hold_days": "on", "hold_days": "400"}),
    *(({"status": one}, {"change_status": "on", "status": one}) for one in BY_STATUS),
]


@pytest.mark.parametrize(("members", "fields"), MASS_EDITS)
def test_an_edit_of_many_numbers(members, fields, world, person, api):
    ids = ",".join(str(world.did(number).pk) for number in ALL)
    on_screen = Door(screen(person, "/dids/mass-edit/", fields | {"ids": ids, "step": "apply"}))
    body = {"action": "edit", "numbers": ALL, **members}
    assert_equal(on_screen, Door(program(api, person, "POST", "/dids/bulk", body)))


@pytest.mark.parametrize(
    ("action", "status"), [("reserve", "reserved"), ("put_in_stock", "instock"), ("archive", "archive")]
)
def test_a_free_move_of_many_numbers(action, status, world, person, api):
    ids = ",".join(str(world.did(number).pk) for number in ALL)
    fields = {"ids": ids, "step": "apply", "change_status": "on", "status": status}
    on_screen = Door(screen(person, "/dids/mass-edit/", fields))
    by_api = Door(program(api, person, "POST", "/dids/bulk", {"action": action, "numbers": ALL}))
    assert_equal(on_screen, by_api)


@pytest.mark.parametrize(("action", "move"), [("block", "block"), ("hold", "hold"), ("end_hold", "release")])
def test_a_move_of_many_numbers_that_a_client_has(action, move, world, person, api):
    numbers = [BY_STATUS[status] for status in HELD]
    ids = ",".join(str(world.did(number).pk) for number in numbers)
    on_screen = Door(screen(person, f"/clients/{world.client.pk}/dids/{move}/", {"ids": ids}))
    body = {"action": action, "filter": {"client": world.client.pk}}
    assert_equal(on_screen, Door(program(api, person, "POST", "/dids/bulk", body)))


def test_an_assignment_of_many_numbers(world, person, api):
    ids = ",".join(str(world.did(number).pk) for number in ALL)
    own = {"client": world.client.pk, "account": world.account.pk}
    form = own | {"ids": ids, "step": "apply", "package": world.client_package.pk}
    on_screen = Door(screen(person, "/dids/assign/", form))
    body = own | {"action": "assign", "numbers": ALL, "client_package": world.client_package.pk}
    assert_equal(on_screen, Door(program(api, person, "POST", "/dids/bulk", body)))


def test_a_deletion_of_many_numbers(world, person, api):
    ids = ",".join(str(world.did(number).pk) for number in ALL)
    on_screen = Door(screen(person, "/dids/delete/", {"ids": ids, "step": "apply"}))
    by_api = Door(program(api, person, "POST", "/dids/bulk", {"action": "delete", "numbers": ALL}))
    assert_equal(on_screen, by_api)


# --- reservations

RESERVED = ["111", "112", "113"]
ENDS = {"ends": "date", "ends_at": "2100-02-01"}
# {name: (fields of the dialog, members of the body)}
KEEP = {
    "client": ({"whom": "client"}, {}),
    "name": ({"whom": "name", "name": "Orsini"}, {"name": "Orsini"}),
    "nobody": ({"whom": "name", "name": ""}, {"name": ""}),
}


@pytest.fixture
def reservation(world):
    """Keep three numbers for the client, of which one is in use by now."""
    DID.objects.filter(number__in=RESERVED).edit(by=SYSTEM, status="instock")
    fields = {"client": world.client, "purpose": "Offer", "ends_at": None}
    made = Reservation.draft(by=SYSTEM, reseller=world.reseller, **fields)
    DID.objects.filter(number__in=RESERVED).reserve(made, by=SYSTEM)
    return made


def kept():
    """Return what is stored of reservations, but what differs between a person and their token."""
    columns = ("client", "name", "purpose", "ends_at", "reseller")
    return [*Reservation.objects.order_by("pk").values_list(*columns)]


class Keeping(Door):
    """A door to reservations: also what is stored of them."""

    def __init__(self, act):
        def acting():
            done = act()
            self.kept = kept()
            return done

        super().__init__(acting)
        for row in self.history:
            row["reservation_id"] = row["reservation_id"] is not None  # sequences give each id once


def assert_kept(one, other):
    assert one.kept == other.kept
    assert one.history == other.history and one.numbers == other.numbers and one.changes == other.changes
    if one.sentence != other.sentence:
        assert one.refused and other.refused


def keeping(world, whom, **more):
    client = {"client": world.client.pk} if whom == "client" else {}
    fields, body = (part | client for part in KEEP[whom])
    common = {"purpose": "Offer 20433"} | more
    return fields | common | ENDS | {"step": "apply"}, body | common | {"ends_at": "2100-02-01"}


@pytest.mark.parametrize("whom", KEEP)
def test_a_reservation_of_typed_numbers(whom, world, person, api):
    fields, body = keeping(world, whom)
    for numbers in (["256999", "2567", "999"], ["2567"], ["256999-x"]):
        typed = Keeping(screen(person, "/reservations/new/", fields | {"numbers": "\n".join(numbers)}))
        by_api = Keeping(program(api, person, "POST", "/reservations", body | {"numbers": numbers}))
        assert_kept(typed, by_api)


@pytest.mark.parametrize("whom", KEEP)
def test_a_reservation_of_selected_numbers(whom, world, person, api):
    fields, body = keeping(world, whom)
    ids = ",".join(str(world.did(number).pk) for number in ALL)
    on_screen = Keeping(screen(person, "/reservations/new/", fields | {"ids": ids}))
    sent = body | {"action": "reserve", "numbers": ALL}
    assert_kept(on_screen, Keeping(program(api, person, "POST", "/dids/bulk", sent)))


def test_a_reservation_of_one_number(world, person, api):
    fields, body = keeping(world, "client")
    for did in map(world.did, ALL):
        on_screen = Keeping(screen(person, "/reservations/new/", fields | {"ids": did.pk}))
        assert_kept(on_screen, Keeping(program(api, person, "POST", f"/dids/{did.number}/reserve", body)))


@pytest.mark.parametrize("ends_at", ["2100-02-01", "2020-01-01", None, ""])
def test_another_end_of_a_reservation(ends_at, world, person, api, reservation):
    fields = {"ends": "none"} if ends_at is None else {"ends": "date", "ends_at": ends_at}
    on_screen = Keeping(screen(person, f"/reservations/{reservation.pk}/extend/", fields))
    path = f"/reservations/{reservation.pk}/extend"
    assert_kept(on_screen, Keeping(program(api, person, "POST", path, {"ends_at": ends_at})))


def test_the_end_of_a_reservation(world, person, api, reservation):
    on_screen = Keeping(screen(person, f"/reservations/{reservation.pk}/end/", {}))
    assert_kept(on_screen, Keeping(program(api, person, "POST", f"/reservations/{reservation.pk}/end")))


@pytest.mark.parametrize("limit", [0, 4, 9])
def test_an_assignment_of_what_is_reserved(limit, world, person, api, reservation):
    world.package.did_limit = limit
    world.package.save()
    own = {"client": world.client.pk, "account": world.account.pk}
    form = own | {"step": "apply", "package": world.client_package.pk}
    on_screen = Keeping(screen(person, f"/reservations/{reservation.pk}/assign/", form))
    body = own | {"client_package": world.client_package.pk}
    by_api = Keeping(program(api, person, "POST", f"/reservations/{reservation.pk}/assign", body))
    assert_kept(on_screen, by_api)
