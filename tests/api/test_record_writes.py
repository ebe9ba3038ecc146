"""Programs write resellers, operators, clients, accounts and packages as the dialogs of the screens do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from audit.models import Change
from clients.classes import CLASSES
from clients.models import Account, Client, Package, Reseller
from dids.models import DID, ClientPackage
from operators.models import Operator
from tests.api.conftest import Program, token_of
from tests.api.test_document import DOCUMENT, resolved
from tests.api.test_matrix import filled
from tests.dids.models.test_racing import at_once
from tests.examples import scaled
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
MODELS = {
    "operators": Operator,
    "resellers": Reseller,
    "clients": Client,
    "accounts": Account,
    "packages": Package,
}


@pytest.fixture
def program(api, administrator):
    return api(administrator)


def body_of(kind, world, **fields):
    """Return the body of a new record."""
    owner = {"accounts": {"client": world.client.pk}, "resellers": {}}
    more = {"did_limit": 5} if kind == "packages" else {}
    return {"name": "New"} | more | owner.get(kind, {"reseller": world.reseller.pk}) | fields


def dialog(kind, world, user, pk=None, **fields):
    """Post the dialog of a new or an existing record; return the response."""
    head = f"/clients/{world.client.pk}/accounts/" if kind == "accounts" else f"/{kind}/"
    tail = "new/" if pk is None else f"{pk}/edit/" if kind in ("clients", "packages") else f"{pk}/"
    sent = {name: "" if value is None else value for name, value in fields.items()}
    if kind == "packages" and isinstance(sent.get("allowed_tags"), list):
        sent["allowed_tags"] = ", ".join(sent["allowed_tags"])
    if kind == "packages":
        sent["allowed_classes"] = sent.get("allowed_classes") or [*CLASSES]
    return client_of(user).post(head + tail, sent, headers=HTMX)


def record_of(kind, world):
    return {
        "operators": world.operator,
        "resellers": world.reseller,
        "clients": world.client,
        "accounts": world.account,
        "packages": world.package,
    }[kind]


def noun_of(kind):
    return kind.removesuffix("s")


@pytest.mark.parametrize("kind", MODELS)
def test_a_record_is_created_like_by_its_dialog(program, administrator, world, kind):
    told = program.post(f"/{kind}", body_of(kind, world))
    assert told.status == 201
    made = MODELS[kind].objects.get(name="New")
    by_program = Change.objects.latest("pk")
    record = told.json[noun_of(kind)]
    assert (record["id"], record["name"]) == (made.pk, "New")
    assert told.json["sentence"] == f"{noun_of(kind).capitalize()} New saved."
    assert told.json["change"] == by_program.pk
    assert told.json["undo_url"].endswith(f"/audit/{by_program.pk}/undo/")
    read = program.get(told.headers["Location"])
    assert read.status == 200
    assert {**read.json, **record} == read.json
    assert told.headers["ETag"].strip('"') == read.headers["ETag"].strip('"').partition("-")[0]

    MODELS[kind].objects.filter(pk=made.pk).delete()
    dialog(kind, world, administrator, **body_of(kind, world))
    by_person, again = Change.objects.latest("pk"), MODELS[kind].objects.get(name="New")
    assert (by_person.kind, by_person.label) == (by_program.kind, by_program.label)
    for field in MODELS[kind]._meta.concrete_fields:
        assert field.name == "id" or getattr(made, field.name) == getattr(again, field.name)


@pytest.mark.parametrize("kind", MODELS)
def test_a_record_is_edited_like_by_its_dialog(program, world, kind):
    record = record_of(kind, world)
    told = program.patch(f"/{kind}/{record.pk}", {"name": "Renamed"})
    assert (told.status, told.json["sentence"]) == (200, f"{noun_of(kind).capitalize()} Renamed saved.")
    record.refresh_from_db()
    assert record.name == "Renamed"
    assert Change.objects.latest("pk").label == f"{noun_of(kind).capitalize()} Renamed edited"
    nothing = program.patch(f"/{kind}/{record.pk}", {"name": "Renamed"})
    assert (nothing.status, nothing.json["change"], nothing.json["undo_url"]) == (200, None, None)


INVALID = [
    ("operators", {"name": ""}),
    ("operators", {"name": "x" * 101}),
    ("operators", {"hold_days": 366}),
    ("operators", {"hold_days": -1}),
    ("operators", {"hold_days": 10**30}),
    ("operators", {"reseller": 999_999}),
    ("operators", {"reseller": 10**30}),
    ("operators", {"name": "DID Operator"}),
    ("operators", {"name": "did operator"}),
    ("resellers", {"name": "Reseller 1"}),
    ("resellers", {"name": "reseller 2"}),
    ("clients", {"name": "Rose Orig"}),
    ("clients", {"name": "\u200b"}),
    ("accounts", {"name": "rose_orig"}),
    ("accounts", {"name": "Rose_Orig"}),
    ("packages", {"did_limit": 0, "name": "Basic"}),
    ("packages", {"did_limit": None}),
    ("packages", {"did_limit": 2**31}),
    ("packages", {"allowed_tags": ["x" * 51]}),
    ("packages", {"allowed_classes": ["platinum"]}),
]


@pytest.mark.parametrize(("kind", "fields"), INVALID)
def test_a_refusal_has_the_sentences_of_the_dialog(program, administrator, world, kind, fields):
    body = body_of(kind, world, **fields)
    page = dialog(kind, world, administrator, **body)
    assert page.status_code == 422
    told = program.post(f"/{kind}", body)
    assert told.status == 422
    assert sorted((one["pointer"], one["sentence"]) for one in told.json["errors"]) == sorted(
        (f"#/{name}", sentence)
        for name, some_errors in page.context["form"].errors.items()
        for sentence in some_errors
    )
    assert not MODELS[kind].objects.filter(name="New").exists()


@pytest.mark.parametrize("kind", MODELS)
def test_a_name_alike_is_created_only_on_request(program, world, kind):
    alike = record_of(kind, world).name.upper()
    refused = program.post(f"/{kind}", body_of(kind, world, name=alike))
    assert "which differs only in upper and lower case" in refused.errors["#/name"]
    wanted = program.post(f"/{kind}", body_of(kind, world, name=alike, although=True))
    assert (wanted.status, wanted.json[noun_of(kind)]["name"]) == (201, alike)


@pytest.mark.parametrize("kind", MODELS)
def test_a_record_in_use_is_not_deleted(program, administrator, world, kind):
    record = record_of(kind, world)
    head = f"/clients/{world.client.pk}/accounts" if kind == "accounts" else f"/{kind}"
    page = client_of(administrator).post(f"{head}/{record.pk}/delete/", headers=HTMX)
    told = program.delete(f"/{kind}/{record.pk}")
    assert (page.status_code, told.status, told.json["code"]) == (422, 409, "in_use")
    assert told.json["detail"] == page.context["refusal"]
    assert told.json["uses"]


@pytest.mark.parametrize("kind", MODELS)
def test_an_unused_record_is_deleted(program, world, kind):
    pk = program.post(f"/{kind}", body_of(kind, world)).json[noun_of(kind)]["id"]
    told = program.delete(f"/{kind}/{pk}")
    assert (told.status, told.json["sentence"]) == (200, f"{noun_of(kind).capitalize()} New deleted.")
    assert told.json["change"] == Change.objects.latest("pk").pk
    assert program.get(f"/{kind}/{pk}").status == 404
    assert program.delete(f"/{kind}/{pk}").status == 404


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_record_that_has_changed_is_not_written(program, administrator, world, kind, method):
    record = record_of(kind, world)
    tag = program.get(f"/{kind}/{record.pk}").headers["ETag"]
    record.name = "Meanwhile"
    record.record(by=administrator, fields=["name"])
    refused = getattr(program, method)(f"/{kind}/{record.pk}", {"name": "Late"}, {"If-Match": tag})
    assert (refused.status, refused.json["current"]["name"]) == (412, "Meanwhile")
    now = refused.headers["ETag"]
    if method == "patch":
        assert program.patch(f"/{kind}/{record.pk}", {"name": "Late"}, {"If-Match": now}).status == 200


def test_new_hold_days_move_the_ends_of_running_holds(program, world):
    told = program.patch(f"/operators/{world.operator.pk}", {"hold_days": 3})
    assert told.json["sentence"] == (
        "Operator DID Operator saved. 1 number on Hold now ends at a different time."
    )


def test_members_that_are_unknown_or_of_another_type_are_refused(program, world):
    told = program.post("/operators", {"name": 5, "reseller": "1", "colour": "red"})
    assert told.status == 422
    assert {*told.errors} == {"#/name", "#/reseller", "#/colour"}


@pytest.mark.parametrize("kind", ["operators", "clients", "accounts", "packages"])
def test_nothing_of_another_reseller_is_written_or_told(api, world, kind):
    stranger = api(member("Supervisor", username="sven", reseller=world.reseller_2))
    record = record_of(kind, world)
    before = Change.objects.count()
    answers = [
        stranger.post(f"/{kind}", body_of(kind, world)),
        stranger.patch(f"/{kind}/{record.pk}", {"name": "Mine"}),
        stranger.delete(f"/{kind}/{record.pk}"),
    ]
    assert [one.status for one in answers] == [422, 404, 404]
    assert Change.objects.count() == before
    for one in answers:
        assert record.name not in one.content.decode() and "Reseller 1" not in one.content.decode()


def test_names_of_another_reseller_are_free(api, world):
    stranger = api(member("Supervisor", username="sven", reseller=world.reseller_2))
    told = stranger.post("/operators", {"name": "DID Operator"})
    assert (told.status, told.json["operator"]["reseller"]["name"]) == (201, "Reseller 2")


# --- packages of clients


def given_id(told):
    return told.json["client_package"]["id"]


def test_a_client_gets_a_package(program, world):
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    told = program.post(
        "/client-packages",
        {
            "client": world.client.pk,
            "package": world.package.pk,
            "starts_at": start.isoformat(),
            "ends_at": end.isoformat(),
        },
    )
    assert told.status == 201
    assert told.json["sentence"] == "Rose Orig now has package Basic, with room for 5 numbers."
    given = ClientPackage.objects.get(pk=given_id(told))
    assert (given.starts_at, given.ends_at, given.active) == (start, end, True)
    assert program.get(told.headers["Location"]).json["state"] == "running"


@pytest.mark.parametrize(
    ("fields", "pointer", "sentence"),
    [
        ({"client": None}, "#/client", "Choose one of the options."),
        ({"client": 999_999}, "#/client", "This option doesn’t exist, or you don’t have access to it."),
        ({"package": None}, "#/package", "Choose one of the options."),
        ({"package": 999_999}, "#/package", "This client can’t have this package. Choose another one."),
        ({"starts_at": "soon"}, "#/starts_at", "Enter a date and time like 28 Nov 2026, 17:45."),
        ({"ends_at": "2020-01-01T00:00Z"}, "#/ends_at", "The end must be after the start."),
    ],
)
def test_a_package_that_cannot_be_given_is_refused_at_its_member(program, world, fields, pointer, sentence):
    body = {"client": world.client.pk, "package": world.package.pk} | fields
    told = program.post("/client-packages", body)
    assert told.status == 422
    assert told.errors[pointer].startswith(sentence)


def test_a_closed_client_gets_no_package(program, world):
    program.post(f"/clients/{world.client.pk}/close")
    told = program.post("/client-packages", {"client": world.client.pk, "package": world.package.pk})
    assert told.errors["#"] == "Client Rose Orig is closed. Reopen the client first."
    activated = program.post(f"/client-packages/{world.client_package.pk}/activate")
    assert (activated.status, activated.json["detail"]) == (409, told.errors["#"])


def test_deactivating_and_activating_tells_each_group_of_numbers(program, world):
    path = f"/client-packages/{world.client_package.pk}"
    off = program.post(f"{path}/deactivate")
    assert off.status == 200
    assert off.json["sentence"] == "Package Basic of Rose Orig switched off. 2 numbers put on Hold."
    assert {(one["was"], one["count"]) for one in off.json["held"]} == {("active", 1), ("blocked", 1)}
    assert off.json["clients"] == [
        {"id": world.client.pk, "name": "Rose Orig", "package": "Basic", "count": 2}
    ]
    assert off.json["client_package"]["state"] == "off"
    assert {world.did(n).status for n in ("2567", "2568", "2563")} == {"hold"}
    again = program.post(f"{path}/deactivate")
    assert again.json["sentence"].endswith("Nothing had to be changed.")
    assert (again.json["change"], again.json["held"]) == (None, [])

    on = program.post(f"{path}/activate")
    assert on.json["returned"] == {"active": 1, "blocked": 1}
    assert [(one["code"], one["count"], one["numbers"]) for one in on.json["stay"]] == [
        ("by_hand", 1, ["2563"])
    ]
    assert on.json["sentence"].startswith(
        "Package Basic of Rose Orig switched on. 2 numbers returned from Hold: 1 Active, 1 Blocked."
    )
    assert on.json["undo_url"].endswith(f"/audit/{on.json['change']}/undo/")
    assert (world.did("2567").status, world.did("2568").status) == ("active", "blocked")
    assert program.post(f"{path}/activate").json["sentence"] == "Package Basic of Rose Orig is already on."


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (
            "/client-packages/{0.client_package.pk}/deactivate",
            "/client-packages/{0.client_package.pk}/deactivate/",
        ),
        ("/clients/{0.client.pk}/close", "/clients/{0.client.pk}/close/"),
        ("/packages/{0.package.pk}/archive", "/packages/{0.package.pk}/archive/"),
    ],
)
def test_stopping_writes_what_the_screen_writes(program, administrator, world, path, url):
    def written():
        change = Change.objects.latest("pk")
        statuses = dict(DID.objects.values_list("number", "status"))
        return change.kind, change.label, change.touched, statuses

    told = program.post(path.format(world))
    assert told.status == 200
    by_program = written()
    if "close" in path:
        program.post(f"/clients/{world.client.pk}/reopen")
    if "archive" in path:
        program.post(f"/packages/{world.package.pk}/restore")
    program.post(f"/client-packages/{world.client_package.pk}/activate")
    page = client_of(administrator).post(url.format(world), {"step": "apply"}, follow=True)
    assert written() == by_program
    assert told.json["sentence"] in page.content.decode()


STARTS = [
    # what comes before, method, path, body, address of the screen, its fields
    ("/clients/{client}/close", "POST", "/clients/{client}/reopen", None, "/clients/{client}/reopen/", {}),
    (
        "/packages/{package}/archive",
        "POST",
        "/packages/{package}/restore",
        None,
        "/packages/{package}/restore/",
        {},
    ),
    (
        "/client-packages/{given}/deactivate",
        "POST",
        "/client-packages/{given}/activate",
        None,
        "/client-packages/{given}/activate/",
        {},
    ),
    (
        "",
        "POST",
        "/client-packages",
        {"client": "{client}", "package": "{package}", "starts_at": "2099-01-10T09:00Z"},
        "/clients/{client}/give/",
        {"package": "{package}", "starts_at": "2099-01-10T09:00"},
    ),
    (
        "",
        "PATCH",
        "/client-packages/{given}",
        {"ends_at": "2099-05-03T14:03Z"},
        "/client-packages/{given}/end/",
        {"ends_at": "2099-05-03T14:03"},
    ),
]


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start[2])
def test_starting_writes_what_the_screen_writes(program, administrator, world, start):
    before, method, path, body, url, fields = start
    ids = {"client": world.client.pk, "package": world.package.pk, "given": world.client_package.pk}
    if before:
        assert program.post(before.format(**ids)).status == 200
    body, fields = filled(body, ids), filled(fields, ids)
    found = []
    for door in ("api", "screen"):
        newest = Change.objects.latest("pk").pk
        with transaction.atomic():
            if door == "api":
                sentence = program.send(method, path.format(**ids), body).json["sentence"]
            else:
                response = client_of(administrator).post(url.format(**ids), fields)
                sentence = " ".join(map(str, get_messages(response.wsgi_request)))
            changes = Change.objects.filter(pk__gt=newest)
            found.append(
                (
                    sentence,
                    [*changes.values_list("kind", "label", "touched", "data__cause")],
                    [*DID.objects.order_by("number").values_list("number", "status")],
                    [
                        *ClientPackage.objects.order_by("starts_at").values_list(
                            "client", "package", "active", "starts_at", "ends_at"
                        )
                    ],
                    [*Client.objects.values_list("closed_at")],
                    [*Package.objects.values_list("archived_at")],
                )
            )
            transaction.set_rollback(True)
    assert found[0] == found[1] and found[0][0] and found[0][1]


def test_a_client_is_closed_and_reopened(program, world):
    closed = program.post(f"/clients/{world.client.pk}/close")
    assert closed.json["sentence"] == "Client Rose Orig closed. 2 numbers put on Hold."
    assert closed.json["client"]["closed_at"].endswith("Z")
    opened = program.post(f"/clients/{world.client.pk}/reopen")
    assert opened.json["sentence"] == "Client Rose Orig reopened. Still switched off: 1 package."
    assert opened.json["client"]["closed_at"] is None
    again = program.post(f"/clients/{world.client.pk}/reopen")
    assert (again.json["sentence"], again.json["change"]) == ("Client Rose Orig is not closed.", None)


def test_a_package_is_archived_and_restored(program, world):
    archived = program.post(f"/packages/{world.package.pk}/archive")
    assert archived.json["sentence"] == "Package Basic archived. 2 numbers put on Hold."
    restored = program.post(f"/packages/{world.package.pk}/restore")
    assert restored.json["sentence"] == "Package Basic restored. Still switched off for 1 client."


def test_the_end_of_a_package_is_set_cleared_and_refused(program, world):
    path = f"/client-packages/{world.client_package.pk}"
    told = program.patch(path, {"ends_at": "2099-05-03T14:03Z"})
    assert told.json["sentence"] == "Package Basic of Rose Orig ends on 3 May 2099, 14:03."
    assert told.json["client_package"]["ends_at"] == "2099-05-03T14:03:00.000000Z"
    cleared = program.patch(path, {"ends_at": None})
    assert cleared.json["sentence"] == "Package Basic of Rose Orig no longer has an end."
    early = program.patch(path, {"ends_at": "2001-01-01T00:00Z"})
    assert early.status == 422
    assert early.errors["#/ends_at"].endswith("Choose a later end.")
    now = program.patch(path, {"ends_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()})
    assert now.json["sentence"] == "Package Basic of Rose Orig ended. 2 numbers put on Hold."
    assert [one["count"] for one in now.json["held"]] == [1, 1]


# --- any body

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=12),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
VALUES = {
    "name": some.text(max_size=120) | some.sampled_from(["New", "", "\0", "DID Operator", "ROSE ORIG"]),
    "reseller": some.integers() | some.sampled_from([1, 2, 2**63, -1]),
    "client": some.integers() | some.sampled_from([1, 2, 2**63, -1]),
    "package": some.integers(),
    "hold_days": some.integers(-5, 400) | some.none(),
    "did_limit": some.integers(-5, 2**33),
    "allowed_tags": some.lists(some.text(max_size=60), max_size=3),
    "allowed_classes": some.lists(some.sampled_from([*CLASSES]) | some.text(max_size=6), max_size=5),
    "although": some.booleans(),
    "starts_at": some.text(max_size=20)
    | some.sampled_from(["2026-01-01", "0001-01-01", "9999-12-31T23:59Z"]),
    "ends_at": some.text(max_size=20) | some.none(),
    "new_reseller": some.text(max_size=5),
}
BODIES = JSON | some.fixed_dictionaries({}, optional={name: value | JSON for name, value in VALUES.items()})
PATHS = [*MODELS, "client-packages"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("kind", PATHS)
def test_any_body_is_written_or_refused_with_a_problem(administrator, world, kind, method):
    program = Program(token_of(administrator))
    record = world.client_package if kind == "client-packages" else record_of(kind, world)
    path = f"/{kind}" if method == "POST" else f"/{kind}/{record.pk}"

    @settings(max_examples=scaled(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(body=BODIES)
    def check(body):
        told = program.send(method, path, body)
        assert told.status in (200, 201, 422), told.content
        if told.status == 422:
            assert told.headers["Content-Type"] == "application/problem+json"
            assert all(one["pointer"] and one["sentence"] for one in told.json["errors"])
        else:
            assert told.json["sentence"]

    check()


def test_the_actor_of_a_write_is_the_token(program, world):
    program.post("/operators", body_of("operators", world))
    assert Change.objects.latest("pk").actor_kind == Change.Actor.TOKEN


def test_answers_have_the_documented_members(program, world):
    given = f"/client-packages/{world.client_package.pk}"
    spare = Operator.objects.create(reseller=world.reseller, name="Spare")
    for method, path, body in [
        *(("post", f"/{kind}", body_of(kind, world)) for kind in MODELS),
        *(("patch", f"/{kind}/{record_of(kind, world).pk}", {}) for kind in MODELS),
        ("post", f"{given}/deactivate", None),
        ("post", f"{given}/activate", None),
        ("patch", given, {"ends_at": None}),
        ("post", f"/clients/{world.client.pk}/close", None),
        ("post", f"/clients/{world.client.pk}/reopen", None),
        ("post", f"/packages/{world.package.pk}/archive", None),
        ("post", f"/packages/{world.package.pk}/restore", None),
        ("post", "/client-packages", {"client": world.client.pk, "package": world.package.pk}),
        ("delete", f"/operators/{spare.pk}", None),
    ]:
        told = program.send(method.upper(), path, body)
        answers = DOCUMENT["paths"]["/api/v1" + re.sub(r"\d+", "{pk}", path)][method]["responses"]
        schema = resolved(answers[str(told.status)]["content"]["application/json"]["schema"])
        assert {*schema["required"]} <= told.json.keys() <= schema["properties"].keys(), path
        documents = any(name in schema["required"] for name in ("held", "returned"))
        assert documents == path.endswith(("activate", "/close", "/archive"))


# --- at the same time


@pytest.mark.django_db(transaction=True)
def test_of_two_programs_that_write_at_once_the_second_is_refused(request):
    world, administrator = map(request.getfixturevalue, ("world", "administrator"))
    one, other = (Program(token_of(administrator)) for _ in range(2))
    path = f"/operators/{world.operator.pk}"
    seen = {"If-Match": one.get(path).headers["ETag"]}
    edits = at_once(
        lambda: one.patch(path, {"hold_days": 3}, seen), lambda: other.patch(path, {"hold_days": 4}, seen)
    )
    assert sorted(told.status for told in edits) == [200, 412]
    body = body_of("clients", world)
    created = at_once(lambda: one.post("/clients", body), lambda: other.post("/clients", body))
    assert sorted(told.status for told in created) == [201, 422]
    (refused,) = [told for told in created if told.status == 422]
    assert refused.errors == {"#/name": "Reseller 1 already has a client “New”."}
    off = f"/client-packages/{world.client_package.pk}/deactivate"
    stopped = at_once(lambda: one.post(off), lambda: other.post(off))
    assert [told.status for told in stopped] == [200, 200]
    assert sorted(sum(one["count"] for one in told.json["held"]) for told in stopped) == [0, 2]
    assert len([told for told in stopped if told.json["change"]]) == 1
