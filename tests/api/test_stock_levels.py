"""Programs set stock levels as people do, with the same sentences, refusals and records."""

from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import transaction

from audit import SYSTEM
from audit.models import Change
from dids.models import DID, StockLevel
from tests.carrier import person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def level(world):
    numbers = [f"44200001{n:02}" for n in range(10)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM, status="instock", tags=["London"])
    made = StockLevel(reseller=world.reseller, prefix="4420", minimum=8)
    made.create(by=SYSTEM)
    return made


def by_screen(user, path, fields):
    response = client_of(user).post(f"/stock-levels/{path}", fields)
    said = " ".join(str(one) for one in get_messages(response.wsgi_request))
    return response.status_code == 302, said or unescape(response.content.decode())


def by_api(program, method, path, body):
    answer = program.send(method, f"/stock-levels{path}", body)
    if answer.status < 400:
        return True, answer.json["sentence"]
    return False, [one["sentence"] for one in answer.json["errors"]]


ACTIONS = [
    # address of the screen, its fields, method, path, body
    ("new/", {"of": "tag", "tag": "London", "minimum": 8}, "POST", "", {"tag": "London", "minimum": 8}),
    ("new/", {"of": "prefix", "prefix": "4420", "minimum": 8}, "POST", "", {"prefix": "4420", "minimum": 8}),
    ("new/", {"of": "prefix", "prefix": "44x", "minimum": 8}, "POST", "", {"prefix": "44x", "minimum": 8}),
    ("new/", {"of": "prefix", "prefix": "45", "minimum": 0}, "POST", "", {"prefix": "45", "minimum": 0}),
    (
        "new/",
        {"of": "operator", "operator": "{operator}", "minimum": 5},
        "POST",
        "",
        {"operator": "{operator}", "minimum": 5},
    ),
    ("{level}/", {"minimum": 12}, "PATCH", "/{level}", {"minimum": 12}),
    ("{level}/", {"minimum": 0}, "PATCH", "/{level}", {"minimum": 0}),
    ("{level}/delete/", {}, "DELETE", "/{level}", None),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[2]} {action[1]}")
def test_each_action_has_the_sentence_record_and_change_of_the_screen(action, world, level, owner, api):
    path, fields, method, address, body = action

    def filled(text):
        return {"{operator}": world.operator.pk}.get(text, text)

    found = []
    for door in ("screen", "api"):
        with transaction.atomic():
            newest = Change.objects.latest("pk").pk
            if door == "screen":
                sent = {name: filled(value) for name, value in fields.items()}
                done, said = by_screen(owner, path.format(level=level.pk), sent)
            else:
                sent = body and {name: filled(value) for name, value in body.items()}
                done, told = by_api(api(owner), method, address.format(level=level.pk), sent)
            changes = Change.objects.filter(pk__gt=newest).order_by("pk")
            columns = ("reseller", "operator", "tag", "prefix", "minimum")
            edited = [change.data.get("edited") for change in changes]
            found.append(
                (
                    done,
                    [*changes.values_list("kind", "label", "touched")],
                    edited,
                    [*StockLevel.objects.order_by("pk").values_list(*columns)],
                )
            )
            transaction.set_rollback(True)
    assert found[0] == found[1]
    if found[0][0]:
        assert said == told
    else:
        assert told and all(sentence in said for sentence in told)


def test_levels_are_read_with_the_stock_of_the_owners_branch(world, level, owner, api):
    StockLevel(prefix="4420", minimum=1).create(by=SYSTEM)
    listed = api(owner).get("/stock-levels", sort="-level").items
    assert [(one["prefix"], one["minimum"], one["in_stock"]) for one in listed] == [("4420", 8, 10)]
    assert listed[0]["reseller"] == {"id": world.reseller.pk, "name": "Reseller 1"}
    everywhere = api(member("Administrator")).get("/stock-levels", fields="reseller,in_stock").items
    assert {"reseller": None, "in_stock": 10} in everywhere


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        ({"minimum": 5}, "#", "Name one of “operator”, “tag” and “prefix”."),
        ({"minimum": 5, "tag": "London", "prefix": "44"}, "#", "Name one of"),
        ({"minimum": 5, "prefix": "44", "reseller": 99}, "#/reseller", "You have access to Reseller 1 only."),
        ({"minimum": 5, "operator": 1, "reseller": 1}, "#/reseller", "The level of an operator counts"),
        ({"minimum": 5, "tag": "Paris"}, "#/tag", "doesn’t exist"),
        ({"minimum": 5, "prefix": "4420"}, "#/prefix", "Prefix 4420 already has a level."),
    ],
)
def test_what_is_wrong_is_said_at_its_member(level, owner, api, body, pointer, sentence):
    answer = api(owner).post("/stock-levels", body)
    assert answer.status == 422 and sentence in answer.errors[pointer]


def test_a_level_that_changed_since_it_was_read_is_not_overwritten(level, owner, api):
    program = api(owner)
    read = program.get(f"/stock-levels/{level.pk}")
    tag = {"If-Match": read.headers["ETag"]}
    written = program.patch(f"/stock-levels/{level.pk}", {"minimum": 9}, headers=tag)
    assert (written.status, written.json["stock_level"]["minimum"]) == (200, 9)
    assert program.patch(f"/stock-levels/{level.pk}", {"minimum": 10}, headers=tag).status == 412


def test_the_scope_sets_levels_and_nothing_else(level, owner, api):
    program = api(owner, "stock-levels:write")
    assert program.patch(f"/stock-levels/{level.pk}", {"minimum": 9}).status == 200
    assert program.get("/dids").status == 403
    reader = api(owner, "stock-levels:read")
    assert reader.get("/stock-levels").status == 200
    assert reader.patch(f"/stock-levels/{level.pk}", {"minimum": 7}).status == 403
    viewer = api(person("viewer2", "dids.view_did"), "stock-levels:write")
    assert viewer.patch(f"/stock-levels/{level.pk}", {"minimum": 7}).status == 403
