"""Programs read and change pattern rules as people do, with the same sentences, refusals and jobs."""

from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import transaction

from audit.models import Change
from dids import marks
from dids.models import MarkState, PatternRule
from dids.models.marks import all_words, rules_in_force
from jobs.models import Job
from tests.carrier import person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
SEVENS = {"mark_class": "gold", "kind": "pattern", "text": "A7", "name": "Sevens"}


@pytest.fixture
def boss(world):
    """Return an administrator where the suggested rules are in force and all numbers marked."""
    admin = member("Administrator", username="boss")
    marks.use_suggested(by=admin, version=0)
    job = Job.objects.claim("worker")
    Job.objects.get(pk=job.pk).run("worker")
    return admin


def rule(text):
    return PatternRule.objects.get(text=text, position__isnull=False)


def by_screen(user, path, fields):
    fields = {"version": MarkState.current().version} | fields
    response = client_of(user).post(f"/rules/marks/{path}", fields)
    said = " ".join(str(one) for one in get_messages(response.wsgi_request))
    return response.status_code == 302, said or unescape(response.content.decode())


def by_api(program, method, path, body):
    answer = program.send(method, path, body)
    if answer.status < 400:
        waiting = Job.objects.unfinished().order_by("-created_at").first()
        job = answer.json["job"]
        assert (job and job["id"]) == (waiting and str(waiting.pk))
        assert answer.headers["ETag"] == f'"{MarkState.current().version}"'
        return True, answer.json["sentence"]
    return False, [one["sentence"] for one in answer.json["errors"]]


ACTIONS = [
    # address of the screen, its fields, method, path, body
    ("new/", SEVENS, "POST", "/pattern-rules", SEVENS),
    ("new/", SEVENS | {"text": "aabb"}, "POST", "/pattern-rules", SEVENS | {"text": "aabb"}),
    ("new/", SEVENS | {"kind": ""}, "POST", "/pattern-rules", SEVENS | {"kind": ""}),
    ("new/", SEVENS | {"name": ""}, "POST", "/pattern-rules", {**SEVENS, "name": ""}),
    (
        "new/",
        SEVENS | {"kind": "ladder", "text": "2"},
        "POST",
        "/pattern-rules",
        SEVENS | {"kind": "ladder", "text": "2"},
    ),
    ("{pk}/", SEVENS | {"text": "AABB"}, "PATCH", "/pattern-rules/{pk}", SEVENS | {"text": "AABB"}),
    ("{pk}/", SEVENS | {"text": "00"}, "PATCH", "/pattern-rules/{pk}", SEVENS | {"text": "00"}),
    ("{pk}/", SEVENS | {"text": "x"}, "PATCH", "/pattern-rules/{pk}", SEVENS | {"text": "x"}),
    ("{pk}/move/", {"place": 1}, "POST", "/pattern-rules/{pk}/move", {"place": 1}),
    ("{pk}/move/", {"place": 5}, "POST", "/pattern-rules/{pk}/move", {"place": 5}),
    ("{pk}/delete/", {}, "DELETE", "/pattern-rules/{pk}", None),
    ("words/", {"words": "taxi\nBAKERY"}, "PUT", "/pattern-words", {"words": ["taxi", "BAKERY"]}),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[2]} {action[1]}")
def test_each_action_has_the_sentence_rules_and_change_of_the_screen(action, boss, api):
    path, fields, method, address, body = action
    pk, found = rule("AABB").pk, []
    for door in ("screen", "api"):
        with transaction.atomic():
            newest = Change.objects.latest("pk").pk
            if door == "screen":
                done, said = by_screen(boss, path.format(pk=pk), fields)
            else:
                done, told = by_api(api(boss), method, address.format(pk=pk), body)
            changes = Change.objects.filter(pk__gt=newest).order_by("pk")
            columns = ("position", "mark_class", "kind", "text", "name")
            found.append(
                (
                    done,
                    [*changes.values_list("kind", "label", "touched")],
                    [change.data.get("edited") for change in changes],
                    [*PatternRule.objects.order_by("position", "pk").values_list(*columns)],
                    all_words(),
                    MarkState.current().version,
                    Job.objects.unfinished().count(),
                )
            )
            transaction.set_rollback(True)
    assert found[0] == found[1]
    if found[0][0]:
        assert said == told
    else:
        assert told and all(sentence in said for sentence in told)


def test_rules_are_read_in_order_with_the_counts_of_the_branch(boss, world, api):
    theirs = member("Viewer", username="theirs", reseller=world.reseller_2)
    for user in (boss, theirs):
        shown = client_of(user).get("/rules/").context["mark_rows"]
        read = api(user).get("/pattern-rules").json
        assert [(one["place"], one["id"], one["numbers"], one["in_stock"]) for one in read["items"]] == [
            (row["place"], row["rule"].pk, row["rule"].numbers, row["rule"].in_stock) for row in shown
        ]
        assert read["is_marked"] is True and read["counted_at"]
    three = rule("AAA").pk
    assert api(theirs).get(f"/pattern-rules/{three}", fields="place,numbers").json == {
        "place": 4,
        "numbers": 0,
    }
    assert api(theirs).get("/pattern-words").json == {"words": all_words()}
    assert "?sort" in api(theirs).get("/pattern-rules", sort="name").errors


def test_a_new_rule_has_an_address_and_is_not_counted_before_the_job(boss, api):
    marks.delete_rule(rule("AAA").pk, by=boss, version=MarkState.current().version)
    MarkState.objects.update(counted_at=None)
    program = api(boss)
    added = program.post("/pattern-rules", SEVENS, headers={"Idempotency-Key": "one"})
    assert added.status == 201 and added.json["undo_url"] is None
    read = program.get(added.headers["Location"])
    assert read.json == added.json["pattern_rule"]
    assert (read.json["place"], read.json["numbers"]) == (8, None)
    assert program.get("/pattern-rules").json["is_marked"] is False
    again = program.post("/pattern-rules", SEVENS, headers={"Idempotency-Key": "one"})
    assert again.json == added.json and len(rules_in_force()) == 8


def test_an_edit_changes_only_what_it_names(boss, api):
    pairs = rule("AABB")
    edited = api(boss).patch(f"/pattern-rules/{pairs.pk}", {"name": "Pairs"})
    assert edited.json["sentence"] == "Rule “Pairs” is saved. No number has to be marked again."
    assert edited.json["job"] is None
    assert (rule("AABB").name, rule("AABB").mark_class) == ("Pairs", "silver")


def test_whoever_read_other_rules_overwrites_nothing(boss, api):
    program, pairs = api(boss), rule("AABB").pk
    tag = {"If-Match": program.get(f"/pattern-rules/{pairs}").headers["ETag"]}
    assert tag["If-Match"].partition("-")[0].strip('"') == str(MarkState.current().version)
    marks.move_rule(rule("AAAA").pk, 2, by=boss, version=MarkState.current().version)
    before = [(one.pk, one.name, one.position) for one in rules_in_force()], all_words()
    for method, path, body in (
        ("POST", "/pattern-rules", SEVENS),
        ("PATCH", f"/pattern-rules/{pairs}", {"name": "Pairs"}),
        ("POST", f"/pattern-rules/{pairs}/move", {"place": 1}),
        ("DELETE", f"/pattern-rules/{pairs}", None),
        ("PUT", "/pattern-words", {"words": ["TAXI"]}),
    ):
        answer = program.send(method, path, body, headers=tag)
        assert (answer.status, answer.json["code"]) == (412, "changed"), (method, path)
        assert answer.json["current"] == program.get("/pattern-rules").json
    assert before == ([(one.pk, one.name, one.position) for one in rules_in_force()], all_words())
    now = {"If-Match": program.get("/pattern-rules").headers["ETag"]}
    assert program.patch(f"/pattern-rules/{pairs}", {"name": "Pairs"}, headers=now).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer", "sentence"),
    [
        ("POST", "/pattern-rules", {**SEVENS, "mark_class": "tin"}, "#/mark_class", "not one of the options"),
        ("POST", "/pattern-rules", {}, "#/name", "Fill in this field."),
        ("POST", "/pattern-rules", {**SEVENS, "kind": None}, "#/kind", "Choose one of the options."),
        ("POST", "/pattern-rules", {**SEVENS, "text": "A" * 9}, "#/text", "Enter at most 8 characters"),
        ("PUT", "/pattern-words", {"words": ["TAXI", "CAFÉ"]}, "#/words/1", "“CAFÉ” has characters"),
        ("PUT", "/pattern-words", {"words": ["TAXI"] * 501}, "#/words", "at most 500 items"),
    ],
)
def test_what_is_wrong_is_said_at_its_member(boss, api, method, path, body, pointer, sentence):
    answer = api(boss).send(method, path, body)
    assert answer.status == 422 and sentence in answer.errors[pointer]


@pytest.mark.parametrize("place", [0, 41, "1", None, 10**30])
def test_a_move_to_no_place_is_refused(boss, api, place):
    answer = api(boss).post(f"/pattern-rules/{rule('AABB').pk}/move", {"place": place})
    assert answer.status == 422 and [*answer.errors] == ["#/place"]
    assert rules_in_force()[4].text == "AABB"


def test_more_ends_than_are_possible_are_refused_at_the_pattern(boss, api):
    wide = {"mark_class": "bronze", "kind": "pattern", "name": "Wide"}
    texts = ["1xxxx", "2xxxx", "3xxxx", "4xxxx", "5xxxx", "6xxxx"]
    answers = [api(boss).post("/pattern-rules", {**wide, "text": text}) for text in texts]
    refused = [one for one in answers if one.status != 201]
    assert refused and "ends of numbers" in refused[0].errors["#/text"]


def test_a_deleted_or_unknown_rule_is_missing(boss, api):
    program, pairs = api(boss), rule("AABB").pk
    assert program.delete(f"/pattern-rules/{pairs}").json["sentence"].startswith("Rule “Two pairs")
    for pk in (pairs, 0, 10**30):
        assert program.get(f"/pattern-rules/{pk}").status == 404
        assert program.patch(f"/pattern-rules/{pk}", {"name": "x"}).status == 404
        assert program.post(f"/pattern-rules/{pk}/move", {"place": 1}).status == 404
        assert program.delete(f"/pattern-rules/{pk}").status == 404


def test_the_scope_changes_rules_and_nothing_else(boss, world, api):
    path = f"/pattern-rules/{rule('AABB').pk}"
    program = api(boss, "pattern-rules:write")
    assert program.patch(path, {"name": "Pairs"}).status == 200
    assert program.get("/dids").status == 403
    reader = api(boss, "pattern-rules:read")
    assert reader.get("/pattern-rules").status == reader.get("/pattern-words").status == 200
    assert reader.patch(path, {"name": "x"}).status == 403
    for user in (
        person("viewer2", "dids.view_did"),
        member("Administrator", username="bound", reseller=world.reseller),
    ):
        assert api(user, "pattern-rules:write").patch(path, {"name": "x"}).status == 403
    assert rule("AABB").name == "Pairs"
