"""Status codes of every operation of the API for every kind of user; one that is not listed fails.

Users, in the order of the columns: without a token; a viewer; a stranger, who has every permission but in
another reseller; the owner, a supervisor of the reseller that the records belong to; an administrator, who
has no reseller; and nobody, who has no permission at all.
"""

import pytest

from api.urls import api as ninja
from dids.models import DID, Tag
from tests.carrier import person
from tests.screens.test_access import SECRETS, ids_of
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db
USERS = ["anonymous", "viewer", "stranger", "owner", "administrator", "nobody"]


class Operation:
    """An operation by its id, a request for it, and the status codes for each of USERS.

    ``{number}`` and the like, in the path and in the texts of the body, are ids of records of Reseller 1.
    """

    def __init__(self, name, method, path, statuses, body=None):
        self.name, self.method, self.path, self.body = name, method, path, body
        self.statuses = dict(zip(USERS, map(int, statuses.split()), strict=True))


OPERATIONS = [
    Operation("get_document", "GET", "/openapi.json", "200 200 200 200 200 200"),
    # id, method, path                         anonymous viewer stranger owner administrator nobody
    Operation("list_dids", "GET", "/dids", "401 200 200 200 200 403"),
    Operation("get_did", "GET", "/dids/id:{number}", "401 200 404 200 200 403"),
    *(
        operation
        for plural, one, record in (
            ("operators", "operator", "{operator}"),
            ("resellers", "reseller", "{reseller}"),
            ("clients", "client", "{client}"),
            ("accounts", "account", "{account}"),
            ("packages", "package", "{package}"),
            ("client-packages", "client_package", "{client_package}"),
            ("reservations", "reservation", "{reservation}"),
            ("changes", "change", "{change}"),
        )
        for operation in (
            Operation(f"list_{plural.replace('-', '_')}", "GET", f"/{plural}", "401 200 200 200 200 403"),
            Operation(f"get_{one}", "GET", f"/{plural}/{record}", "401 200 404 200 200 403"),
        )
    ),
    Operation(
        "create_operator",
        "POST",
        "/operators",
        "401 403 422 201 201 403",
        {"name": "New", "reseller": "{reseller}"},
    ),
    Operation("edit_operator", "PATCH", "/operators/{operator}", "401 403 404 200 200 403", {"name": "New"}),
    Operation("delete_operator", "DELETE", "/operators/{operator}", "401 403 404 409 409 403"),
    Operation("create_reseller", "POST", "/resellers", "401 403 403 403 201 403", {"name": "New"}),
    Operation("edit_reseller", "PATCH", "/resellers/{reseller}", "401 403 403 403 200 403", {"name": "New"}),
    Operation("delete_reseller", "DELETE", "/resellers/{reseller}", "401 403 403 403 409 403"),
    Operation(
        "create_client",
        "POST",
        "/clients",
        "401 403 422 201 201 403",
        {"name": "New", "reseller": "{reseller}"},
    ),
    Operation("edit_client", "PATCH", "/clients/{client}", "401 403 404 200 200 403", {"name": "New"}),
    Operation("delete_client", "DELETE", "/clients/{client}", "401 403 404 409 409 403"),
    Operation("close_client", "POST", "/clients/{client}/close", "401 403 404 200 200 403"),
    Operation("reopen_client", "POST", "/clients/{client}/reopen", "401 403 404 200 200 403"),
    Operation(
        "create_account",
        "POST",
        "/accounts",
        "401 403 422 201 201 403",
        {"name": "new", "client": "{client}"},
    ),
    Operation("edit_account", "PATCH", "/accounts/{account}", "401 403 404 200 200 403", {"name": "new"}),
    Operation("delete_account", "DELETE", "/accounts/{account}", "401 403 404 409 409 403"),
    Operation(
        "create_package",
        "POST",
        "/packages",
        "401 403 422 201 201 403",
        {"name": "New", "reseller": "{reseller}", "did_limit": 5},
    ),
    Operation("edit_package", "PATCH", "/packages/{package}", "401 403 404 200 200 403", {"did_limit": 7}),
    Operation("delete_package", "DELETE", "/packages/{package}", "401 403 404 409 409 403"),
    Operation("archive_package", "POST", "/packages/{package}/archive", "401 403 404 200 200 403"),
    Operation("restore_package", "POST", "/packages/{package}/restore", "401 403 404 200 200 403"),
    Operation(
        "create_client_package",
        "POST",
        "/client-packages",
        "401 403 422 201 201 403",
        {"client": "{client}", "package": "{package}"},
    ),
    Operation(
        "edit_client_package",
        "PATCH",
        "/client-packages/{client_package}",
        "401 403 404 200 200 403",
        {"ends_at": None},
    ),
    Operation(
        "deactivate_client_package",
        "POST",
        "/client-packages/{client_package}/deactivate",
        "401 403 404 200 200 403",
    ),
    Operation(
        "activate_client_package",
        "POST",
        "/client-packages/{client_package}/activate",
        "401 403 404 200 200 403",
    ),
    Operation(
        "create_reservation",
        "POST",
        "/reservations",
        "401 403 422 201 201 403",
        {"numbers": ["256999"], "client": "{client}", "purpose": "Trial"},
    ),
    Operation(
        "extend_reservation",
        "POST",
        "/reservations/{reservation}/extend",
        "401 403 404 200 200 403",
        {"ends_at": None},
    ),
    Operation(
        "extend_reservations",
        "POST",
        "/reservations/extend",
        "401 403 422 200 200 403",
        {"reservations": ["{reservation}"], "ends_at": None},
    ),
    Operation("end_reservation", "POST", "/reservations/{reservation}/end", "401 403 404 200 200 403"),
    Operation(
        "assign_reservation",
        "POST",
        "/reservations/{reservation}/assign",
        "401 403 404 200 200 403",
        {"client_package": "{client_package}", "account": "{account}"},
    ),
    Operation("list_stock_levels", "GET", "/stock-levels", "401 200 200 200 200 403"),
    Operation("get_stock_level", "GET", "/stock-levels/{level}", "401 200 404 200 200 403"),
    Operation(
        "create_stock_level",
        "POST",
        "/stock-levels",
        "401 403 201 201 201 403",
        {"prefix": "44", "minimum": 5},
    ),
    Operation(
        "edit_stock_level", "PATCH", "/stock-levels/{level}", "401 403 404 200 200 403", {"minimum": 5}
    ),
    Operation("delete_stock_level", "DELETE", "/stock-levels/{level}", "401 403 404 200 200 403"),
    Operation("get_calendar_feed", "GET", "/calendar/did_Key.x.ics", "401 401 401 401 401 401"),
    Operation("get_calendar", "GET", "/calendar", "401 200 200 200 200 403"),
    Operation("get_overview", "GET", "/overview", "401 200 200 200 200 403"),
    Operation("get_minimum_holds", "GET", "/minimum-holds", "401 200 200 200 200 403"),
    Operation("get_pattern_rules", "GET", "/pattern-rules", "401 200 200 200 200 403"),
    Operation("get_pattern_rule", "GET", "/pattern-rules/{mark_rule}", "401 200 200 200 200 403"),
    Operation(
        "create_pattern_rule",
        "POST",
        "/pattern-rules",
        "401 403 403 403 201 403",
        {"mark_class": "gold", "kind": "pattern", "text": "77", "name": "Sevens"},
    ),
    Operation(
        "edit_pattern_rule", "PATCH", "/pattern-rules/{mark_rule}", "401 403 403 403 200 403", {"name": "New"}
    ),
    Operation(
        "move_pattern_rule",
        "POST",
        "/pattern-rules/{mark_rule}/move",
        "401 403 403 403 200 403",
        {"place": 1},
    ),
    Operation("delete_pattern_rule", "DELETE", "/pattern-rules/{mark_rule}", "401 403 403 403 200 403"),
    Operation("get_pattern_words", "GET", "/pattern-words", "401 200 200 200 200 403"),
    Operation(
        "replace_pattern_words", "PUT", "/pattern-words", "401 403 403 403 200 403", {"words": ["TAXI"]}
    ),
    Operation("find_free_runs", "GET", "/free-runs?count=2", "401 200 200 200 200 403"),
    Operation("change_rows", "GET", "/changes/{change}/rows", "401 200 404 200 200 403"),
    Operation("list_tags", "GET", "/tags", "401 200 200 200 200 403"),
    Operation("get_tag", "GET", "/tags/{tag}", "401 200 404 200 200 403"),
    Operation("did_history", "GET", "/dids/id:{number}/history", "401 200 404 200 200 403"),
    Operation("did_ownership", "GET", "/dids/id:{number}/ownership", "401 200 404 200 200 403"),
    Operation("explain_did", "GET", "/dids/id:{number}/explain", "401 200 404 200 200 403"),
    Operation("who_had_it", "POST", "/who-had-it", "401 200 200 200 200 403", {"numbers": ["2567"]}),
    Operation(
        "create_did",
        "POST",
        "/dids",
        "401 403 422 201 201 403",
        {"number": "998877", "operator": "{operator}"},
    ),
    Operation("edit_did", "PATCH", "/dids/id:{number}", "401 403 404 200 200 403", {"notes": "seen"}),
    Operation("delete_did", "DELETE", "/dids/id:{number}", "401 403 404 200 200 403"),
    Operation(
        "assign_did",
        "POST",
        "/dids/id:{number}/assign",
        "401 403 404 200 200 403",
        {"client_package": "{client_package}", "account": "{account}"},
    ),
    Operation("block_did", "POST", "/dids/id:{in_use}/block", "401 403 404 200 200 403"),
    Operation("unblock_did", "POST", "/dids/id:{blocked}/unblock", "401 403 404 200 200 403"),
    Operation("hold_did", "POST", "/dids/id:{in_use}/hold", "401 403 404 200 200 403"),
    Operation("end_hold_did", "POST", "/dids/id:{on_hold}/end-hold", "401 403 404 200 200 403"),
    Operation("reserve_did", "POST", "/dids/id:{number}/reserve", "401 403 404 200 200 403"),
    Operation("put_in_stock_did", "POST", "/dids/id:{reserved}/put-in-stock", "401 403 404 200 200 403"),
    Operation("archive_did", "POST", "/dids/id:{number}/archive", "401 403 404 200 200 403"),
    Operation("restore_did", "POST", "/dids/id:{archived}/restore", "401 403 404 200 200 403"),
    # Of a list, a stranger's numbers are as missing as those that do not exist.
    *(
        Operation("bulk_dids", "POST", "/dids/bulk", statuses, {"numbers": ["id:{number}"], **body})
        for statuses, body in (
            ("401 403 200 200 200 403", {"action": "edit", "notes": "seen"}),
            ("401 403 200 200 200 403", {"action": "archive"}),
            ("401 403 200 200 200 403", {"action": "block"}),
            ("401 403 200 200 200 403", {"action": "end_hold"}),
            ("401 403 200 200 200 403", {"action": "delete"}),
            ("401 403 422 200 200 403", {"action": "assign", "account": "{account}"}),
            (
                "401 403 422 200 200 403",
                {"action": "create", "numbers": ["998877"], "operator": "{operator}"},
            ),
        )
    ),
    *(
        Operation(name, method, f"/webhooks{path}", statuses, body)
        for name, method, path, statuses, body in (
            ("list_webhooks", "GET", "", "401 403 200 403 200 403", None),
            ("get_webhook", "GET", "/{endpoint}", "401 403 404 403 200 403", None),
            (
                "create_webhook",
                "POST",
                "",
                "401 403 422 403 201 403",
                {"url": "https://new.example/", "types": ["did.held"], "reseller": "{reseller}"},
            ),
            ("edit_webhook", "PATCH", "/{endpoint}", "401 403 404 403 200 403", {"description": "x"}),
            ("delete_webhook", "DELETE", "/{endpoint}", "401 403 404 403 200 403", None),
            ("replace_secret_of_webhook", "POST", "/{endpoint}/secret", "401 403 404 403 200 403", None),
            ("pause_webhook", "POST", "/{endpoint}/pause", "401 403 404 403 200 403", None),
            ("resume_webhook", "POST", "/{endpoint}/resume", "401 403 404 403 200 403", None),
            ("test_webhook", "POST", "/{endpoint}/test", "401 403 404 403 202 403", None),
            ("deliveries_of_webhook", "GET", "/{endpoint}/deliveries", "401 403 404 403 200 403", None),
            ("get_delivery", "GET", "/{endpoint}/deliveries/{delivery}", "401 403 404 403 200 403", None),
            (
                "replay_delivery",
                "POST",
                "/{endpoint}/deliveries/{delivery}/replay",
                "401 403 404 403 202 403",
                None,
            ),
            (
                "replay_webhook",
                "POST",
                "/{endpoint}/replay",
                "401 403 404 403 200 403",
                {"since": "2026-01-01T00:00Z", "until": "2199-01-01T00:00Z"},
            ),
        )
    ),
    # Without a content type of rows; test_rows.py has what each of them needs.
    Operation("bulk_rows", "POST", "/dids/bulk/rows?action=create", "401 403 415 415 415 403", {}),
    # A token sees the jobs that it submitted itself, see test_bulk.py.
    Operation("list_jobs", "GET", "/jobs", "401 200 200 200 200 403"),
    Operation("get_job", "GET", "/jobs/{job}", "401 404 404 404 404 403"),
    Operation("cancel_job", "POST", "/jobs/{job}/cancel", "401 404 404 404 404 403"),
    Operation("retry_job", "POST", "/jobs/{job}/retry", "401 404 404 404 404 403"),
    Operation("refused_of_job", "GET", "/jobs/{job}/refused", "401 404 404 404 404 403"),
]


def operation_ids():
    """Yield the ids of all operations."""
    for bound in ninja._get_bound_routers():
        for view in bound.path_operations.values():
            for operation in view.operations:
                yield operation.operation_id


def test_every_operation_is_listed():
    assert {one.name for one in OPERATIONS} == set(operation_ids())


@pytest.fixture(scope="module")
def world(module_db):
    return make_world()


@pytest.fixture(scope="module")
def owner(world):
    return member("Supervisor", username="owner", reseller=world.reseller)


@pytest.fixture(scope="module")
def ids(world, owner):
    tagged = DID.objects.filter(operator=world.operator, number="111")
    tagged.edit(by=owner, tags=["Gold"])
    others = {"blocked": "2568", "on_hold": "2563", "reserved": "111", "archived": "12567"}
    found = {name: world.did(number).pk for name, number in others.items()}
    return ids_of(world, owner) | found | {"tag": Tag.objects.get(name="Gold").pk}


@pytest.fixture
def nobody(world):
    return person("nobody")


def filled(value, ids):
    """Return a JSON value with the ids in its texts; a text that is only an id becomes a number."""
    if isinstance(value, dict):
        return {name: filled(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    if isinstance(value, str) and value[1:-1] in ids:
        return ids[value[1:-1]]
    return value.format(**ids) if isinstance(value, str) else value


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_operation_answers_each_user_with_the_listed_status(operation, user, ids, api, request):
    program = api(None if user == "anonymous" else request.getfixturevalue(user))
    path = operation.path.format(**ids)
    answer = program.send(operation.method, path, filled(operation.body, ids))
    assert answer.status == operation.statuses[user], answer.content
    if user in ("anonymous", "stranger", "nobody"):
        assert [secret for secret in SECRETS if secret in answer.content.decode()] == []


def test_an_unknown_address_is_answered_with_a_problem(api, administrator):
    for path in ("/api/", "/api/v1/", "/api/v2/dids", "/dids/1/nonsense", "/nonsense"):
        answer = api(administrator).get(path)
        assert (answer.status, answer.json["code"]) == (404, "not_found"), path
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_wrong_method_is_answered_with_those_that_are_possible(api, administrator):
    answer = api(administrator).send("PUT", "/dids")
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"] and "HEAD" in answer.headers["Allow"]


def test_a_session_is_no_token(administrator):
    answer = client_of(administrator).get("/api/v1/dids")
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_missing"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
