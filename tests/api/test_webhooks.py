"""Programs manage webhooks as the screens do: the same rules, refusals, sentences and records."""

import json
import logging
from html import unescape

import pytest
from django.apps import apps
from django.contrib.messages import get_messages
from django.db import transaction
from django.urls import reverse

from audit.models import Change
from didmgmt import clock
from didmgmt.models import SentRequest
from events import endpoints, forms
from events.models import Delivery, Endpoint
from events.publishing import create_event
from jobs.models import Job
from staff.models import Token
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

BODY = {
    "url": "https://receiver.example/hook",
    "description": "Billing",
    "types": ["did.edited", "job.failed"],
}
SPAN = {"since": "2026-01-01T00:00Z", "until": "2199-01-01T00:00Z"}
ALL = SPAN | {"only": "all"}
KEY = {"Idempotency-Key": "6f1c2a"}


@pytest.fixture
def program(api, administrator):
    return api(administrator)


@pytest.fixture
def endpoint(world):
    endpoint = Endpoint.objects.create(url="https://receiver.example/hook", types=["did.edited"])
    endpoint.secrets.create()
    return endpoint


@pytest.fixture
def at_reseller_1(api, world):
    return api(member("Administrator", username="boss", reseller=world.reseller))


def events(count=1, reseller=None):
    return [
        create_event("did.edited", reseller, at=clock.now(), about=f"{n} numbers", data={"count": n})
        for n in range(count)
    ]


def stored():
    """Return what is stored of all endpoints, but what differs each time."""
    apart = ("id", "created_at", "disabled_at", "deleted_at", "last_change")
    return [
        {name: value for name, value in row.items() if name not in apart}
        | {"deleted": row["deleted_at"] is not None}
        for row in Endpoint.objects.values()
    ]


# --- by screen and by API


def by_screen(user, name, endpoint, fields=None, delivery=None):
    args = [one.pk for one in (endpoint, delivery) if one]
    response = client_of(user).post(reverse(f"webhooks:{name}", args=args), fields or {})
    said = " ".join(str(one) for one in get_messages(response.wsgi_request))
    return said or unescape(response.content.decode())


ACTIONS = [
    # screen, its fields, method, path, body
    ("new", BODY, "POST", "/webhooks", BODY),
    ("new", BODY | {"url": "https://10.0.0.1/"}, "POST", "/webhooks", BODY | {"url": "https://10.0.0.1/"}),
    ("new", BODY | {"types": []}, "POST", "/webhooks", BODY | {"types": []}),
    ("edit", BODY, "PATCH", "/webhooks/{pk}", BODY),
    ("edit", BODY | {"url": "http://x.example/"}, "PATCH", "/webhooks/{pk}", {"url": "http://x.example/"}),
    ("pause", {}, "POST", "/webhooks/{pk}/pause", None),
    ("resume", {}, "POST", "/webhooks/{pk}/resume", None),
    ("rotate", {}, "POST", "/webhooks/{pk}/secret", None),
    ("delete", {}, "DELETE", "/webhooks/{pk}", None),
    ("test", {}, "POST", "/webhooks/{pk}/test", None),
    ("replay_one", {}, "POST", "/webhooks/{pk}/deliveries/{delivery}/replay", None),
    (
        "replay",
        SPAN | {"only": "all", "step": "apply"},
        "POST",
        "/webhooks/{pk}/replay",
        SPAN | {"only": "all"},
    ),
]


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action[0])
def test_each_action_has_the_sentence_record_and_change_of_the_screen(
    action, active, world, administrator, program, endpoint
):
    name, fields, method, path, body = action
    events(2)
    if not active:
        endpoint.pause(by=administrator)
    delivery = endpoint.deliveries.first()
    found = []
    for door in ("screen", "api"):
        with transaction.atomic():
            newest = Change.objects.latest("pk").pk if Change.objects.exists() else 0
            if door == "screen":
                said = by_screen(
                    administrator,
                    name,
                    endpoint if name != "new" else None,
                    fields,
                    delivery if name == "replay_one" else None,
                )
            else:
                answer = program.send(method, path.format(pk=endpoint.pk, delivery=delivery.pk), body)
                told = answer.json.get("sentence") or answer.json["detail"]
                said = told, [one["sentence"] for one in answer.json.get("errors", ())]
            changes = Change.objects.filter(pk__gt=newest).values_list("kind", "label", "touched")
            found.append(
                (said, [*changes], stored(), [*Delivery.objects.values_list("event", "state", "tries")])
            )
            transaction.set_rollback(True)
    (on_screen, *of_screen), ((told, errors), *of_program) = found
    assert of_screen[0] == of_program[0] and of_screen[1] == of_program[1]
    if name == "test":
        assert [row[1:] for row in of_screen[2]] == [row[1:] for row in of_program[2]]
    else:
        assert of_screen[2] == of_program[2]
    if errors:
        assert all(sentence in on_screen for sentence in errors)
    elif (name, active) == ("replay", False):
        assert "is not active. Resume it first." in told and "is not active. Resume it first." in on_screen
    else:
        assert on_screen.removesuffix(" Its answer appears below as soon as it comes.") == told


# --- secrets


def test_a_secret_is_in_one_answer_alone(program, caplog):
    caplog.set_level(logging.DEBUG)
    created = program.post("/webhooks", BODY, headers=KEY)
    endpoint = Endpoint.objects.get()
    first = endpoint.secrets.get().value
    assert (created.status, created.json["secret"]) == (201, first)
    assert created.headers["Cache-Control"] == "no-store"
    replaced = program.post(f"/webhooks/{endpoint.pk}/secret", headers={"Idempotency-Key": "two"})
    second = endpoint.secrets.latest("pk").value
    assert (replaced.status, replaced.json["secret"]) == (200, second)
    assert endpoint.valid_secrets(clock.now()) == [second, first]

    for answer, path, body, key in (
        (created, "/webhooks", BODY, "6f1c2a"),
        (replaced, f"/webhooks/{endpoint.pk}/secret", None, "two"),
    ):
        again = program.post(path, body, headers={"Idempotency-Key": key})
        assert (again.status, again.headers["Idempotent-Replayed"]) == (answer.status, "true")
        assert again.json == answer.json | {"secret": None}
        assert again.headers["Cache-Control"] == "no-store"
    assert Endpoint.objects.count() == 1 and endpoint.secrets.count() == 2
    program.post(f"/webhooks/{endpoint.pk}/replay", SPAN)
    rows = {
        model: repr([*model._base_manager.values()]) for model in apps.get_models() if model._meta.managed
    }
    assert [model.__name__ for model, text in rows.items() if first in text or second in text] == ["Secret"]
    assert SentRequest.objects.count() == 2
    for path in ("/webhooks", f"/webhooks/{endpoint.pk}", f"/webhooks/{endpoint.pk}/deliveries", "/changes"):
        text = program.get(path).content.decode()
        assert first not in text and second not in text
    assert first not in caplog.text and second not in caplog.text


def test_the_query_of_an_address_is_in_no_answer(program):
    told = program.post("/webhooks", BODY | {"url": "https://receiver.example/hook?key=hidden"}, headers=KEY)
    assert (told.json["webhook"]["url"], told.json["webhook"]["has_query"]) == (BODY["url"], True)
    pk = told.json["webhook"]["id"]
    answers = [told, program.get("/webhooks", limit=1), program.get(f"/webhooks/{pk}")]
    answers += [program.patch(f"/webhooks/{pk}", {"description": "x"}), program.get("/changes")]
    assert [answer for answer in answers if "hidden" in answer.content.decode()] == []
    assert Endpoint.objects.get().url.endswith("?key=hidden")
    assert "key=" not in SentRequest.objects.get().body


# --- rules


def test_an_edit_changes_what_the_body_names(program, world, endpoint):
    tag = program.get(f"/webhooks/{endpoint.pk}").headers["ETag"]
    told = program.patch(f"/webhooks/{endpoint.pk}", {"types": ["did.held"]}, headers={"If-Match": tag})
    assert (told.status, told.json["webhook"]["types"]) == (200, ["did.held"])
    assert (told.json["change"], told.json["undo_url"]) == (Change.objects.latest("pk").pk, None)
    stored_tag = program.get(f"/webhooks/{endpoint.pk}").headers["ETag"].strip('"')
    assert told.headers["ETag"].strip('"') == stored_tag.partition("-")[0]
    late = program.patch(f"/webhooks/{endpoint.pk}", {"types": ["did.edited"]}, headers={"If-Match": tag})
    assert (late.status, late.json["current"]["types"]) == (412, ["did.held"])
    assert program.delete(f"/webhooks/{endpoint.pk}", headers={"If-Match": tag}).status == 412
    nothing = program.patch(f"/webhooks/{endpoint.pk}", {"types": ["did.held"]})
    assert (nothing.status, nothing.json["change"]) == (200, None)
    assert program.patch(f"/webhooks/{endpoint.pk}", {"reseller": world.reseller.pk}).status == 200
    endpoint.refresh_from_db()
    assert (endpoint.reseller, endpoint.url) == (world.reseller, BODY["url"])


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"url": None}, {"#/url"}),
        ({"url": "https://x.example:0/", "types": ["did.odd"]}, {"#/url", "#/types"}),
        ({"description": "x" * 201}, {"#/description"}),
        ({"reseller": 999_999}, {"#/reseller"}),
        ({"reseller": 10**30}, {"#/reseller"}),
        ({"active": False}, {"#/active"}),
        ({"types": "did.edited"}, {"#/types"}),
    ],
)
def test_invalid_members_are_refused_by_name(program, endpoint, members, pointers):
    for told in (
        program.post("/webhooks", BODY | members),
        program.patch(f"/webhooks/{endpoint.pk}", members),
    ):
        assert (told.status, {*told.errors}) == (422, pointers)
    assert Endpoint.objects.count() == 1


def test_a_reseller_has_no_more_webhooks_than_on_the_screen(program, monkeypatch):
    monkeypatch.setattr(forms, "MOST", 1)
    assert program.post("/webhooks", BODY).status == 201
    refused = program.post("/webhooks", BODY)
    assert refused.errors == {"#": "There are 1 webhooks already. Delete one first."}


def test_a_token_of_a_reseller_sees_and_makes_webhooks_of_it_alone(world, at_reseller_1, endpoint):
    told = at_reseller_1.post("/webhooks", BODY)
    assert told.json["webhook"]["reseller"] == {"id": world.reseller.pk, "name": "Reseller 1"}
    own = told.json["webhook"]["id"]
    assert [item["id"] for item in at_reseller_1.get("/webhooks").items] == [own]
    events(1, world.reseller.pk)
    events(1)
    delivery = endpoint.deliveries.get().pk
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"description": "mine"}),
        ("DELETE", "", None),
        ("GET", "/deliveries", None),
        ("GET", f"/deliveries/{delivery}", None),
        ("POST", f"/deliveries/{delivery}/replay", None),
        ("POST", "/replay", SPAN),
        ("POST", "/test", None),
        ("POST", "/secret", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
    ):
        assert at_reseller_1.send(method, f"/webhooks/{endpoint.pk}{path}", body).status == 404, path
    assert at_reseller_1.get(f"/webhooks/{own}/deliveries/{delivery}").status == 404
    assert len(at_reseller_1.get(f"/webhooks/{own}/deliveries").items) == 1
    for reseller in (None, world.reseller_2.pk, 999_999):
        for told in (
            at_reseller_1.post("/webhooks", BODY | {"reseller": reseller}),
            at_reseller_1.patch(f"/webhooks/{own}", {"reseller": reseller}),
        ):
            sentence = "You have access to Reseller 1 only. Leave “reseller” out."
            assert told.errors == {"#/reseller": sentence}
    assert at_reseller_1.patch(f"/webhooks/{own}", {"reseller": world.reseller.pk}).status == 200


def test_a_token_that_is_bound_to_a_reseller_is_like_a_person_who_is(api, administrator, world, endpoint):
    bound = api(administrator)
    Token.objects.update(reseller=world.reseller)
    assert bound.get("/webhooks").items == []
    assert bound.post("/webhooks", BODY).json["webhook"]["reseller"]["name"] == "Reseller 1"


def test_each_level_of_the_scope_allows_more(api, administrator, endpoint):
    path = f"/webhooks/{endpoint.pk}"
    reads, writes, deletes = (api(administrator, f"webhooks:{level}") for level in ("read", "write", "admin"))
    assert reads.get(path).status == reads.get(f"{path}/deliveries").status == 200
    assert reads.patch(path, {"description": "x"}).status == reads.post(f"{path}/test").status == 403
    assert writes.patch(path, {"description": "x"}).status == 200
    refused = writes.delete(path)
    assert (refused.status, refused.json["scope"]) == (403, "webhooks:admin")
    assert api(administrator, "dids:admin changes:read").get("/webhooks").status == 403
    assert deletes.delete(path).status == 200
    assert deletes.get(path).status == deletes.delete(path).status == 404


def test_a_member_of_another_role_has_no_webhooks_by_its_token(api, owner, endpoint):
    assert api(owner).get("/webhooks").status == api(owner).post("/webhooks", BODY).status == 403


# --- deliveries


def test_deliveries_are_listed_with_payload_answer_and_tries(program, endpoint):
    events(3)
    entry = {
        "at": "2026-11-28T17:58:02.114000+00:00",
        "status": 503,
        "text": "503 No",
        "body": "<down>",
        "took": 4.1,
    }
    newest = endpoint.deliveries.order_by("-pk").first()
    Delivery.objects.filter(pk=newest.pk).update(tries=5, log=[entry])
    endpoint.deliveries.exclude(pk=newest.pk).update(state="delivered")
    page = program.get(f"/webhooks/{endpoint.pk}/deliveries", limit=2)
    assert page.items[0]["id"] == newest.pk and len(page.items) == 2 and "payload" not in page.items[0]
    assert len(program.get(page.json["next"]).items) == 1
    waiting = program.get(f"/webhooks/{endpoint.pk}/deliveries", state="waiting", count="true")
    assert waiting.json["count"] == 1
    (full,) = program.get(
        f"/webhooks/{endpoint.pk}/deliveries", state="waiting", fields="payload,attempts"
    ).items
    assert full["payload"]["data"] == {"count": 2} and full["attempts"][0]["body"] == "<down>"
    read = program.get(f"/webhooks/{endpoint.pk}/deliveries/{newest.pk}")
    assert (read.json["event"], read.json["tries"], read.json["about"]) == (newest.event_id, 5, "2 numbers")
    assert read.json["payload"] == json.loads(newest.event.body)
    tag = {"If-None-Match": read.headers["ETag"]}
    assert program.get(f"/webhooks/{endpoint.pk}/deliveries/{newest.pk}", headers=tag).status == 304
    odd = program.get(f"/webhooks/{endpoint.pk}/deliveries", state="odd")
    assert (odd.status, [*odd.errors]) == (422, ["?state"])


def test_a_test_and_a_replay_say_where_to_ask_for_the_answer(program, endpoint):
    Endpoint.objects.create(url="https://other.example/", types=["did.edited"])
    sent = program.post(f"/webhooks/{endpoint.pk}/test", headers=KEY)
    assert sent.status == 202
    assert program.post(f"/webhooks/{endpoint.pk}/test", headers=KEY).json == sent.json
    delivery = Delivery.objects.get()
    found = program.get(sent.headers["Location"]).json
    assert (found["id"], found["type"], found["state"]) == (delivery.pk, "webhook.test", "waiting")
    Delivery.objects.update(state="given_up", tries=10, next_try_at=None)
    again = program.post(f"/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/replay")
    assert (again.status, again.json["delivery"]["state"], again.json["delivery"]["tries"]) == (
        202,
        "waiting",
        0,
    )
    assert again.json["sentence"] == f"{delivery.event_id} will be sent again."


def test_nothing_is_sent_to_an_inactive_webhook(program, administrator, endpoint):
    events()
    endpoint.pause(by=administrator)
    delivery = endpoint.deliveries.get()
    for path, body in (("test", None), (f"deliveries/{delivery.pk}/replay", None), ("replay", SPAN)):
        refused = program.post(f"/webhooks/{endpoint.pk}/{path}", body)
        assert (refused.status, refused.json["code"]) == (409, "inactive")
        assert refused.json["current"]["state"] == "paused"
    assert Delivery.objects.get().next_try_at is None


def test_a_span_is_counted_replayed_and_left_to_a_job(program, endpoint, monkeypatch):
    path = f"/webhooks/{endpoint.pk}/replay"
    assert program.post(path, SPAN).json["sentence"] == "No event of this time matches."
    done, *_ = events(3)
    endpoint.deliveries.update(state="given_up", tries=10, next_try_at=None)
    endpoint.deliveries.filter(event=done).update(state="delivered")
    counted = program.post(path, SPAN | {"dry_run": True})
    assert counted.json == {"sentence": "2 events will be sent again.", "count": 2, "dry_run": True}
    assert not endpoint.deliveries.filter(state="waiting").exists()
    assert program.post(path, SPAN).json["count"] == 2
    assert endpoint.deliveries.filter(state="waiting", tries=0).count() == 2

    monkeypatch.setattr(endpoints, "AT_ONCE", 2)
    queued = program.post(path, SPAN | {"only": "all"}, headers=KEY)
    assert (queued.status, queued.headers["Location"]) == (202, queued.json["job"]["url"])
    assert program.post(path, SPAN | {"only": "all"}, headers=KEY).json == queued.json
    Job.objects.claim("test").run("test")
    job = program.get(queued.headers["Location"]).json
    assert (job["state"], job["done"], job["sentence"]) == ("done", 3, "3 events will be sent again.")
    assert endpoint.deliveries.filter(state="waiting").count() == 3


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"since": "soon"}, {"#/since"}),
        ({"until": "2025-12-31T00:00Z"}, {"#/until"}),
        ({"only": "some"}, {"#/only"}),
        ({"dry_run": 1}, {"#/dry_run"}),
        ({"since": 5, "to": "x"}, {"#/since", "#/to"}),
    ],
)
def test_an_impossible_span_is_refused_by_name(program, endpoint, members, pointers):
    told = program.post(f"/webhooks/{endpoint.pk}/replay", SPAN | members)
    assert (told.status, {*told.errors}) == (422, pointers)


def test_a_job_of_a_revoked_token_sends_nothing_more(api, administrator, endpoint, monkeypatch):
    monkeypatch.setattr(endpoints, "AT_ONCE", 0)
    events(2)
    endpoint.deliveries.update(state="given_up", next_try_at=None)
    api(administrator).post(f"/webhooks/{endpoint.pk}/replay", SPAN)
    Token.objects.latest("pk").revoke(by=administrator)
    Job.objects.claim("test").run("test")
    assert Job.objects.get().state == "failed"
    assert not endpoint.deliveries.filter(state="waiting").exists()


def test_answers_have_the_documented_members(program, endpoint):
    document = json.loads(program.get("/openapi.json").content)
    one = f"/webhooks/{endpoint.pk}"
    for method, path, body in (
        ("POST", "/webhooks", BODY),
        ("PATCH", one, {}),
        ("POST", f"{one}/secret", None),
        ("POST", f"{one}/pause", None),
        ("POST", f"{one}/resume", None),
        ("POST", f"{one}/test", None),
        ("POST", f"{one}/replay", SPAN),
        ("DELETE", one, None),
    ):
        told = program.send(method, path, body)
        operation = document["paths"]["/api/v1" + path.replace(str(endpoint.pk), "{pk}")][method.lower()]
        schema = operation["responses"][str(told.status)]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert told.json.keys() == schema["properties"].keys(), path
