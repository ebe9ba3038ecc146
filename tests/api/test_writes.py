"""Writes to one number by the API: what they answer, and what stops them."""

import pytest

from audit import SYSTEM
from dids.models import DID, DIDHistory
from dids.models.number_writes import EXISTING_NAMED

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(api, owner):
    return api(owner)


def test_a_new_number_is_answered_with_its_address_and_its_version(program, world):
    body = {"number": "+44 20 7946 0000", "operator": world.operator.pk, "tags": ["gold", "vip"]}
    answer = program.post("/dids", body)
    assert answer.status == 201
    assert answer.json["sentence"] == "1 DID created for DID Operator."
    assert answer.json["did"]["tags"] == ["gold", "vip"]
    assert answer.headers["Location"] == "/api/v1/dids/442079460000"
    read = program.get(answer.headers["Location"])
    assert read.json["id"] == answer.json["did"]["id"]
    edited = program.patch(
        answer.headers["Location"], {"notes": "a"}, headers={"If-Match": answer.headers["ETag"]}
    )
    assert edited.status == 200


def test_a_number_that_exists_is_a_conflict_with_its_state(program, world):
    answer = program.post("/dids", {"number": "2567", "operator": world.operator.pk})
    assert (answer.status, answer.json["code"]) == (409, "exists")
    assert answer.json["current"]["status"] == "active"


def test_a_number_of_another_reseller_exists_without_being_shown(program, world):
    answer = program.post("/dids", {"number": "3333", "operator": world.operator.pk})
    assert (answer.status, answer.json["code"], answer.json["current"]) == (409, "exists", None)


def test_what_is_said_of_numbers_of_another_reseller_does_not_depend_on_them(program, world):
    """That they exist is said, as on screens, because a number is unique over all resellers."""
    others = {
        "3334": {"status": "archive"},
        "3335": {"status": "reserved", "tags": ["gold"], "notes": "Rose"},
    }
    for number, fields in others.items():
        DID.objects.create_numbers([number], operator=world.operator_2, by=SYSTEM, **fields)
    told = []
    for number in ("3333", *others):
        new = {"operator": world.operator.pk, "status": "instock"}
        of_many = {"action": "create", "numbers": [number], **new}
        answers = [program.post("/dids", {"number": number, **new})]
        answers += [program.post("/dids/bulk", of_many | {"dry_run": dry_run}) for dry_run in (True, False)]
        told.append([answer.content.decode().replace(number, "…") for answer in answers])
    assert told[0] == told[1] == told[2]
    assert [text for text in told[0] if "already exist" not in text] == []


def test_a_rehearsal_names_only_some_of_the_numbers_that_exist(program, world):
    """It writes nothing, and would otherwise list the numbers of other resellers to whoever asks."""
    taken = [str(number) for number in range(500_000, 500_150)]
    DID.objects.create_numbers(taken, operator=world.operator_2, by=SYSTEM)
    body = {"action": "create", "range": "500000-500199", "operator": world.operator.pk, "dry_run": True}
    rehearsed = program.post("/dids/bulk", body).json
    assert rehearsed["result"] == {"done": 50, "unchanged": 0, "refused": 150}
    assert rehearsed["refusals"][0]["numbers"] == taken[:EXISTING_NAMED]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"number": "no digits"}, "#/number"),
        ({"number": "111-222"}, "#/number"),
        ({"number": ""}, "#/number"),
        ({"operator": 10**18}, "#/operator"),
        ({"operator": "Operator"}, "#/operator"),
        ({"status": "active"}, "#/status"),
        ({"hold_days": 366}, "#/hold_days"),
        ({"tags": ["a,b"]}, "#/tags/0"),
        ({"tags": "gold"}, "#/tags"),
        ({"notes": "n" * 501}, "#/notes"),
        ({"color": "red"}, "#/color"),
    ],
)
def test_an_invalid_member_is_named_by_its_pointer(body, pointer, program, world):
    answer = program.post("/dids", {"number": "4000", "operator": world.operator.pk} | body)
    assert answer.status == 422
    assert [*answer.errors] == [pointer]
    assert not DID.objects.filter(number="4000").exists()


def test_an_edit_of_what_has_changed_since_is_refused_with_the_present_state(program, world):
    tag = program.get("/dids/111").headers["ETag"]
    assert program.patch("/dids/111", {"notes": "first"}, headers={"If-Match": tag}).status == 200
    for method, path, body in (
        ("PATCH", "/dids/111", {"notes": "second"}),
        ("POST", "/dids/111/archive", None),
        ("DELETE", "/dids/111", None),
    ):
        answer = program.send(method, path, body, headers={"If-Match": tag})
        assert (answer.status, answer.json["code"]) == (412, "changed")
        assert answer.json["current"]["notes"] == "first"
    assert (world.did("111").notes, world.did("111").status) == ("first", "reserved")


def test_a_move_that_the_state_forbids_is_a_conflict_with_the_state(program):
    answer = program.post("/dids/111/block")
    assert answer.status == 409
    assert answer.json["current"]["status"] == "reserved"
    (refusal,) = answer.json["refusals"]
    assert refusal["why"] == "Reserved, not used by any client; only Active numbers can be blocked"
    assert refusal["numbers"] == ["111"]


def test_only_a_number_in_the_archive_is_restored(program, world):
    assert program.post("/dids/12567/restore").json["did"]["status"] == "instock"
    answer = program.post("/dids/111/restore")
    assert answer.json["detail"] == "Refused: Reserved, not in the archive."
    assert world.did("111").status == "reserved"


def test_a_missing_right_for_this_move_alone_is_a_403_in_words(api, world, clerk):
    answer = api(clerk).post("/dids/12567/put-in-stock")
    assert answer.status == 403
    assert "the right to restore numbers from the archive" in answer.json["detail"]


def test_a_token_without_the_scope_for_a_write_is_refused(api, owner, world):
    reader = api(owner, "dids:read")
    for path in ("block", "reserve", "assign"):
        assert reader.post(f"/dids/2567/{path}", {}).status == 403
    assert reader.post("/dids/bulk", {"action": "block", "numbers": ["2567"]}).status == 403
    assert world.did("2567").status == "active"


def test_the_only_package_and_account_are_chosen(program, world):
    answer = program.post("/dids/256999/assign", {"client": world.client.pk})
    assert answer.status == 200
    assert answer.json["did"]["account"] == {"id": world.account.pk, "name": "rose_orig"}


def test_a_package_of_another_reseller_is_as_unknown_as_none(api, stranger, world):
    for pk in (world.client_package.pk, 10**9):
        answer = api(stranger).post("/dids/3333/assign", {"client_package": pk})
        assert [*answer.errors] == ["#/client_package"]


def test_the_change_of_a_write_names_the_token(program):
    answer = program.post("/dids/2567/block")
    change = DIDHistory.objects.latest("history_id").change
    assert change.pk == answer.json["change"]
    assert (change.kind, change.actor_kind) == ("block", "token")


def test_a_repeated_move_changes_nothing(program):
    assert program.post("/dids/2567/block").json["result"] == {"done": 1, "unchanged": 0, "refused": 0}
    again = program.post("/dids/2567/block")
    assert again.json["result"] == {"done": 0, "unchanged": 1, "refused": 0}
    assert again.json["change"] is None


MOVES = ["block", "unblock", "hold", "end-hold", "reserve", "put-in-stock", "archive", "restore", "assign"]


@pytest.mark.parametrize(
    ("method", "suffix"), [("PATCH", ""), ("DELETE", ""), *(("POST", f"/{move}") for move in MOVES)]
)
def test_a_number_of_another_reseller_is_as_unknown_as_one_that_does_not_exist(
    method, suffix, api, stranger, world
):
    program, before = api(stranger), DIDHistory.objects.count()
    for number in ("2567", f"id:{world.did('2567').pk}", "2569", "id:999999"):
        body = {"PATCH": {"notes": "seen"}, "POST": {}}.get(method)
        answer = program.send(method, f"/dids/{number}{suffix}", body)
        assert (answer.status, answer.json["detail"]) == (404, f"There is no number {number}.")
        assert "current" not in answer.json
    assert DIDHistory.objects.count() == before


@pytest.mark.parametrize("body", [{"number": "\ud800"}, {"number": "4000", "notes": "\udfff"}])
def test_half_a_character_is_refused(program, world, body):
    answer = program.post("/dids", body | {"operator": world.operator.pk})
    assert (answer.status, answer.json["code"]) == (400, "unreadable")
    assert not DID.objects.filter(number="4000").exists()


@pytest.mark.parametrize("version", ["²", "x", "", "1" * 19])
def test_a_version_that_is_no_number_is_refused(program, version):
    answer = program.patch("/dids/111", {"notes": "seen"}, {"If-Match": f'"{version}"'})
    assert [*answer.errors] == ["If-Match"]


def test_a_number_is_written_only_at_the_very_version_that_is_expected(program, world):
    version = int(program.get("/dids/111").headers["ETag"].strip('"').partition("-")[0])
    for other in (version - 1, version + 1, 99_999_999):
        assert program.patch("/dids/111", {"notes": "seen"}, {"If-Match": f'"{other}"'}).status == 412
    assert program.patch("/dids/111", {"notes": "seen"}, {"If-Match": f'"{version}"'}).status == 200


def test_true_is_no_id(program, world):
    answer = program.post("/dids", {"number": "4000", "operator": True})
    assert [*answer.errors] == ["#/operator"]
