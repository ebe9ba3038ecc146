"""The OpenAPI document, and that answers are what it says, whatever the query string."""

import json
import re
import string
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.bulk import ACTIONS
from api.urls import _document
from api.urls import api as ninja
from dids.lifecycle.statuses import EDIT_RIGHTS
from dids.lists.filters import DIDFilter
from staff.scopes import PASS_NOTHING_ON, SCOPES
from tests.api.conftest import Program, token_of
from tests.examples import scaled

pytestmark = pytest.mark.django_db
DOCUMENT = json.loads(_document())
OPERATIONS = [
    (path, method, one) for path, methods in DOCUMENT["paths"].items() for method, one in methods.items()
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LISTS = {path: one for path, _, one in OPERATIONS if one["operationId"].startswith("list_")}


def resolved(schema):
    """Return what a schema that is a reference refers to, any other one as it is."""
    return found_at(schema["$ref"]) if "$ref" in schema else schema


def found_at(reference):
    found = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_reference_leads_somewhere():
    assert DOCUMENT["openapi"].startswith("3.1")
    for reference in set(references(DOCUMENT)):
        assert found_at(reference)


def test_the_document_has_every_operation_with_its_refusals_and_rights():
    documented = {one["operationId"] for *_, one in OPERATIONS}
    every = {
        operation.operation_id
        for bound in ninja._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
    }
    # A calendar program gets the address of its feed from a screen.
    assert documented == every - {"get_document", "get_calendar_feed"}
    for path, _, one in OPERATIONS:
        assert {"401", "403", "422", "429", "431", "503"} <= one["responses"].keys(), path
        assert one["summary"] and one["description"], path
        for parameter in one["parameters"]:
            assert parameter["in"] != "query" or parameter["description"], (path, parameter["name"])
        names = [parameter["name"] for parameter in one["parameters"]]
        assert len(names) == len({*names}), path


def test_an_operation_names_the_rights_of_each_action():
    by_id = {one["operationId"]: one for *_, one in OPERATIONS}
    bulk = by_id["bulk_dids"]
    assert "assign: “Assign numbers to clients”" in bulk["description"]
    named = {
        action for what in bulk["x-permissions-for"] for action in what.partition(" from ")[0].split(", ")
    }
    assert named == {*ACTIONS}
    assert by_id["restore_did"]["x-permissions-for"] == {"from Archive": ["dids.restore_did"]}
    assert by_id["reserve_did"]["x-permissions-for"]["from Hold"] == ["dids.end_hold_did"]
    of_edit = by_id["edit_did"]["x-permissions-for"]
    assert {right for rights in of_edit.values() for right in rights} == EDIT_RIGHTS


def json_of(part):
    return part.get("content", {}).get("application/json")


def test_each_body_and_each_successful_answer_has_an_example_of_known_members():
    for path, method, one in OPERATIONS:
        answers = [answer for status, answer in one["responses"].items() if status.startswith("2")]
        for content in filter(None, map(json_of, [one.get("requestBody", {}), *answers])):
            assert content["example"], (method, path)
            schema = resolved(content["schema"])
            if "properties" in schema:
                members = content["example"].keys()
                assert {*schema.get("required", ())} <= members <= schema["properties"].keys(), (method, path)


def test_the_example_of_many_numbers_is_one_that_works(world, api, owner):
    body = json_of(DOCUMENT["paths"]["/api/v1/dids/bulk"]["post"]["requestBody"])["example"]
    refused = api(owner).post("/dids/bulk", body)
    assert (refused.status, refused.json["code"]) == (409, "unexpected_count")
    rehearsed = api(owner).post("/dids/bulk", body | {"expected": refused.json["selected"]})
    assert (rehearsed.status, rehearsed.json["dry_run"]) == (200, True)


def test_each_scope_passes_on_only_what_an_operation_needs():
    needed = {right for *_, one in OPERATIONS for right in one.get("x-permissions", ())}
    for *_, one in OPERATIONS:
        needed.update(*one.get("x-permissions-for", {}).values())
    own_scopes = {one.get("x-scope") for *_, one in OPERATIONS}
    for resource, levels in SCOPES.items():
        known = set()
        for level, rights in levels.items():
            assert rights <= needed, (resource, level, rights - needed)
            adds_nothing = resource in PASS_NOTHING_ON or rights <= known
            assert not adds_nothing or f"{resource}:{level}" in own_scopes, (resource, level)
            known |= rights


def test_links_lead_from_answers_to_what_can_be_done_with_the_record():
    """Each names an operation and its parameter, and where in the answer the value is."""
    links = {
        one["operationId"]: [*answer.get("links", {}).values()]
        for *_, one in OPERATIONS
        for status, answer in one["responses"].items()
        if status.startswith("2") and answer.get("links")
    }
    by_id = {one["operationId"]: one for *_, one in OPERATIONS}
    for of_one in links.values():
        for link in of_one:
            (name,) = link["parameters"]
            parameters = by_id[link["operationId"]]["parameters"]
            assert name in [one["name"] for one in parameters if one["in"] == "path"]
    assert {one["operationId"] for one in links["create_client"]} == {
        *("get_client", "edit_client", "delete_client", "close_client", "reopen_client"),
        *("get_change", "change_rows"),
    }
    (read,) = [link for link in links["create_did"] if link["operationId"] == "get_did"]
    assert read["parameters"] == {"number": "$response.body#/did/number"}
    assert {"get_job", "cancel_job", "refused_of_job"} <= {one["operationId"] for one in links["bulk_dids"]}


def test_a_parameter_without_a_value_is_refused(api, owner):
    """A program whose variable is unset doesn’t get all records."""
    program = api(owner)
    for path, name in (
        ("/dids", "client"),
        ("/dids", "as_of"),
        ("/clients", "limit"),
        ("/dids/2567", "fields"),
    ):
        refused = program.get(f"{path}?{name}=")
        assert (refused.status, [*refused.errors]) == (422, [f"?{name}"])
        assert refused.json["errors"][0]["code"] == "empty"


def test_fields_are_separated_by_commas_or_named_one_by_one(api, owner, world):
    for query in ("fields=number,status", "fields=number&fields=status"):
        assert {*api(owner).get(f"/dids?{query}").items[0]} == {"number", "status"}
        assert {*api(owner).get(f"/dids/2567?{query}").json} == {"number", "status"}


def test_a_list_documents_the_parameters_of_its_filter():
    names = {parameter["name"] for parameter in LISTS["/api/v1/dids"]["parameters"]}
    assert {*DIDFilter.names()} - names <= {"as_of", "list"}
    assert {"sort", "limit", "after", "fields", "count"} <= names


@pytest.mark.parametrize("path", LISTS)
def test_items_have_the_documented_fields(path, api, administrator, world):
    page = LISTS[path]["responses"]["200"]["content"]["application/json"]
    schema = resolved(resolved(page["schema"])["properties"]["items"]["items"])
    everything = ",".join(schema["properties"])
    for item in api(administrator).get(path, fields=everything).items:
        assert list(item) == list(schema["properties"])
        for name, value in item.items():
            assert kind_of(value) in types_of(schema["properties"][name]), name
            assert value is None or value in schema["properties"][name].get("enum", [value]), name
            if value and schema["properties"][name].get("format") == "date-time":
                assert TIME.fullmatch(value), (name, value)
    assert {*page["example"]["items"][0]} <= {*schema["properties"]}


def types_of(schema):
    if "anyOf" in schema:
        return [kind for one in schema["anyOf"] for kind in types_of(one)]
    types = resolved(schema)["type"]
    return types if isinstance(types, list) else [types]


def kind_of(value):
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return "null" if value is None else kinds[type(value)]


def values_of(parameter):
    """Return a strategy for texts that are often what a parameter takes."""
    schema = parameter["schema"].get("items", parameter["schema"])
    likely = [*schema.get("enum", []), "1", "-1", "0", "25", "=2567", "11*", "111-115", "2026-01-10", "rose"]
    junk = [
        "",
        " ",
        "\0",
        "²",
        "9" * 400,
        "1~1",
        "x~",
        "~",
        "%",
        "{}",
        "2026-99-99T00:00",
        "-",
        "*",
        "é" * 300,
    ]
    return st.one_of(
        st.sampled_from(likely), st.sampled_from(junk), st.text(string.printable + "é²\0", max_size=12)
    )


@st.composite
def queries(draw, operation):
    parameters = [one for one in operation["parameters"] if one["in"] == "query"]
    chosen = draw(st.lists(st.sampled_from(parameters), max_size=4))
    pairs = [(one["name"], draw(values_of(one))) for one in chosen]
    if draw(st.integers(0, 9)) == 0:
        pairs.append((draw(st.text(string.ascii_letters + "_é\0", min_size=1, max_size=8)), "1"))
    return urlencode(pairs)


@pytest.mark.parametrize("path", LISTS)
def test_any_query_string_gives_a_page_or_a_documented_refusal(path, world, administrator):
    """Each page that is found also leads to the next one."""
    program, operation = Program(token_of(administrator)), LISTS[path]

    @settings(max_examples=scaled(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(query=queries(operation))
    def check(query):
        answer = program.get(f"{path}?{query}")
        assert str(answer.status) in operation["responses"], answer.content
        if answer.status == 422:
            assert answer.json["code"] == "invalid" and answer.json["errors"]
            assert all(one["sentence"] and one["pointer"] for one in answer.json["errors"])
        elif answer.json["next"]:
            assert program.get(answer.json["next"]).status == 200

    check()


NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def members(schema):
    """Yield the names of the members of a schema, and of those in it."""
    if isinstance(schema, dict):
        if isinstance(properties := schema.get("properties"), dict):
            yield from properties
        for one in schema.values():
            yield from members(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from members(one)


def test_addresses_have_hyphens_and_names_in_json_have_underscores():
    for path in DOCUMENT["paths"]:
        assert "_" not in re.sub(r"\{\w+\}", "", path)
    for path, _, one in OPERATIONS:
        names = [parameter["name"] for parameter in one["parameters"] if parameter["in"] == "query"]
        assert all(map(NAME.fullmatch, [*names, *members(one)])), path
    assert all(map(NAME.fullmatch, [*members(DOCUMENT["components"]), *ACTIONS]))
