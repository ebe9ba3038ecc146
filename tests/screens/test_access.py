"""Status codes of every address for every kind of user; an address that is not listed fails.

Users, in the order of the columns: anonymous; a viewer; a stranger, who has every permission but in
another reseller; the owner, a supervisor of the reseller that the records belong to; an administrator,
who has no reseller and manages people.
"""

import re
from collections import Counter
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import URLPattern, get_resolver, resolve
from django.utils import timezone

from audit import SYSTEM
from audit.history import TRACKED
from clients.models import Account, Client, Package, Reseller
from dids.history.external_writes import ExternalWrite
from dids.job_kinds import submit_create
from dids.models import DID, MarkState, Reservation, SavedView, StockLevel
from dids.numbering.ranges import Numbers
from events.models import Endpoint
from events.publishing import create_event
from notices.models import Notice
from operators.models import Operator
from screens.templatetags.place import section
from tests.carrier import token_of
from tests.imports import imported
from tests.world import PASSWORD, client_of, make_world, member, pattern_rule, suggested_rule

pytestmark = pytest.mark.django_db
USERS = ["anonymous", "viewer", "stranger", "owner", "administrator"]


class Address:
    """An address and the status codes of GET and POST for each of USERS; "login": redirected to sign in.

    ``{number}`` and the like, in the address and in the body of the POST, are ids of records of Reseller 1.
    """

    def __init__(self, name, path, get, post, /, **sent):
        self.name, self.path, self.sent = name, path, sent
        self.get, self.post = (dict(zip(USERS, answers.split(), strict=True)) for answers in (get, post))


STAFF_ONLY = "login 403 403 403 200"
NOBODY = "login 403 403 403 403"
SIGNED_IN = "login 200 200 200 200"
NO_POST = "login 405 405 405 405"
ON_RECORD = ("login 403 404 200 200", "login 403 404 302 302")  # an action on a record of Reseller 1

OF_WEBHOOK = ("login 403 404 403 200", "login 403 404 403 302")
OF_VIEW = ("login 404 404 200 404", "login 404 404 302 404")

ADDRESSES = [
    # name, address                              anonymous viewer stranger owner administrator: GET, POST
    Address("home", "/", "login 302 302 302 302", "login 302 302 302 302"),
    Address("healthz", "/healthz", "200 200 200 200 200", "405 405 405 405 405"),
    Address("readyz", "/readyz", "200 200 200 200 200", "405 405 405 405 405"),
    Address("metrics", "/metrics", "404 404 404 404 404", "405 405 405 405 405"),
    Address("security_txt", "/.well-known/security.txt", "404 404 404 404 404", "405 405 405 405 405"),
    Address("staff:login", "/login/", "200 302 302 302 302", "200 302 302 302 302"),
    Address("staff:session", "/session/", "login 204 204 204 204", NO_POST),
    Address("staff:logout", "/logout/", "login 405 405 405 405", "login 302 302 302 302"),
    Address(
        "staff:password_change",
        "/password/",
        SIGNED_IN,
        "login 302 302 302 302",
        old_password=PASSWORD,
        new_password1="battery-staple-7",
        new_password2="battery-staple-7",
    ),
    Address("staff:password_change_done", "/password/done/", SIGNED_IN, NO_POST),
    Address("staff:me", "/me/", SIGNED_IN, "login 302 302 302 302", time_zone="UTC"),
    Address("staff:lists", "/me/lists/", NO_POST, "login 302 302 302 302", page_size="50"),
    Address("api_reference:page", "/api-reference/", SIGNED_IN, NO_POST),
    Address("find:page", "/find/?q=1", SIGNED_IN, NO_POST),
    Address("start:start", "/start/", SIGNED_IN, NO_POST),
    Address("start:statuses", "/start/statuses/", SIGNED_IN, NO_POST),
    Address("dids:list", "/dids/", SIGNED_IN, NO_POST),
    Address("dids:detail", "/dids/{number}/", "login 200 404 200 200", "login 403 404 302 302", notes="seen"),
    Address("dids:explanation", "/dids/{number}/explanation/", "login 200 404 200 200", NO_POST),
    Address("dids:history", "/dids/{number}/history/", "login 200 404 200 200", NO_POST),
    Address(
        "dids:new",
        "/dids/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        numbers="4000",
        operator="{operator}",
        status="instock",
        after_hold="instock",
    ),
    Address(
        "dids:mass_edit",
        "/dids/mass-edit/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
        change_notes="on",
        notes="seen",
    ),
    Address("dids:search", "/dids/search/", NO_POST, "login 302 302 302 302", q="4420"),
    Address(
        "dids:delete",
        "/dids/delete/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
    ),
    Address(
        "dids:assign",
        "/dids/assign/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
        client="{client}",
        package="{client_package}",
        account="{account}",
    ),
    Address("clients:dids", "/clients/{client}/dids/", "login 200 404 200 200", NO_POST),
    Address(
        "clients:add_dids",
        "/clients/{client}/dids/add/",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
        package="{client_package}",
        account="{account}",
    ),
    *(
        Address(f"clients:dids_{what}", f"/clients/{{client}}/dids/choices/{what}/", *answers)
        for what in ("accounts", "packages")
        for answers in [("login 200 404 200 200", NO_POST)]
    ),
    *(
        Address(
            f"clients:{move}_dids",
            f"/clients/{{client}}/dids/{move}/",
            NO_POST,
            "login 403 404 302 302",
            ids="{in_use}",
        )
        for move in ("activate", "block", "hold", "release")
    ),
    Address("dids:export", "/dids/export/", SIGNED_IN, "login 200 302 200 200", ids="{number}"),
    Address("dids:missing", "/dids/missing/?q=1,998", SIGNED_IN, NO_POST),
    Address("dids:import", "/dids/import/", "login 403 200 200 200", "login 403 422 422 422"),
    *(
        # Only the owner of an import has access, whatever permissions others have.
        Address(f"dids:import_{step}", f"/dids/import/{{import}}/{path}", *answers)
        for step, path, answers in (
            ("columns", "columns/", ("login 403 404 302 404", "login 403 404 302 404")),
            ("reading", "reading/", ("login 405 405 405 405", "login 403 404 302 404")),
            ("check", "check/", ("login 403 404 302 404", "login 403 404 302 404")),
            ("flagged", "flagged/", ("login 405 405 405 405", "login 403 404 302 404")),
            ("discard", "discard/", ("login 403 404 302 404", "login 403 404 302 404")),
            ("result", "result/", ("login 403 404 200 404", "login 405 405 405 405")),
            ("refused", "refused.csv", ("login 403 404 200 404", "login 405 405 405 405")),
            ("left_out", "left-out.csv", ("login 403 404 200 404", "login 405 405 405 405")),
        )
    ),
    Address("dids:columns", "/dids/columns/", NO_POST, "login 302 302 302 302", column="tag"),
    Address(
        "dids:view_new", "/dids/views/new/", SIGNED_IN, "login 302 302 302 302", name="Mine", shared="me"
    ),
    # A view is changed by the person who saved it alone.
    Address("dids:view_edit", "/dids/views/{view}/", *OF_VIEW, name="Ours", shared="me"),
    Address("dids:view_save", "/dids/views/{view}/save/", NO_POST, OF_VIEW[1]),
    Address("dids:client_choices", "/dids/choices/clients/", SIGNED_IN, NO_POST),
    Address("dids:tag_choices", "/dids/choices/tags/", SIGNED_IN, NO_POST),
    Address("calendar:calendar", "/calendar/", SIGNED_IN, NO_POST),
    Address("calendar:export", "/calendar/export/", SIGNED_IN, NO_POST),
    Address(
        "calendar:feed",
        "/calendar/feed/",
        "login 403 200 200 200",
        "login 403 200 200 200",  # the answer has the address, which no other one may lead to
        name="Desk",
        expires_at="365",
    ),
    Address("blocks:map", "/blocks/", SIGNED_IN, NO_POST),
    Address("runs:find", "/free-runs/?count=3", SIGNED_IN, NO_POST),
    Address(
        "audit:who_had_it", "/audit/who-had-it/", SIGNED_IN, "login 302 302 302 302", numbers="2567,2563"
    ),
    Address(
        "audit:who_had_it_statement",
        "/audit/who-had-it/statement/?numbers=2567,2563",
        SIGNED_IN,
        SIGNED_IN,
        numbers="2567",
    ),
    Address(
        "audit:who_had_it_csv",
        "/audit/who-had-it/csv/?numbers=2567",
        SIGNED_IN,
        SIGNED_IN,
        numbers="2567",
    ),
    Address("operators:list", "/operators/", SIGNED_IN, NO_POST),
    Address(
        "operators:new",
        "/operators/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Oliver",
        reseller="{reseller}",
    ),
    Address(
        "operators:edit",
        "/operators/{spare}/",
        "login 403 404 200 200",
        "login 403 404 302 302",
        name="Spore",
        reseller="{reseller}",
    ),
    Address(
        "operators:delete", "/operators/{spare}/delete/", "login 403 404 200 200", "login 403 404 302 302"
    ),
    *(
        address
        for table in ("operators", "clients", "accounts", "packages")
        for address in (
            Address(
                f"reference:{table}_import",
                f"/{table}/import/",
                "login 403 200 200 200",
                "login 403 422 422 422",
            ),
            Address(f"reference:{table}_export", f"/{table}/export/", SIGNED_IN, NO_POST),
        )
    ),
    Address("clients:list", "/clients/", SIGNED_IN, NO_POST),
    Address(
        "clients:new",
        "/clients/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Lily",
        reseller="{reseller}",
    ),
    Address("clients:detail", "/clients/{client}/", "login 200 404 200 200", NO_POST),
    Address(
        "clients:edit",
        "/clients/{client}/edit/",
        *ON_RECORD,
        name="Rosa",
        reseller="{reseller}",
    ),
    Address("clients:delete", "/clients/{spare_client}/delete/", *ON_RECORD),
    Address("clients:close", "/clients/{client}/close/", *ON_RECORD, step="apply"),
    Address("clients:reopen", "/clients/{client}/reopen/", NO_POST, "login 403 404 302 302"),
    Address("clients:account_new", "/clients/{client}/accounts/new/", *ON_RECORD, name="rose_2"),
    Address("clients:account_edit", "/clients/{client}/accounts/{account}/", *ON_RECORD, name="rosa_orig"),
    Address("clients:account_delete", "/clients/{client}/accounts/{spare_account}/delete/", *ON_RECORD),
    Address(
        "clients:give",
        "/clients/{client}/give/",
        *ON_RECORD,
        package="{package}",
        starts_at="2026-01-10T09:00",
    ),
    Address(
        "clients:package_choices", "/clients/{client}/choices/packages/", "login 403 404 200 200", NO_POST
    ),
    Address("packages:list", "/packages/", SIGNED_IN, NO_POST),
    Address(
        "packages:new",
        "/packages/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Gold",
        reseller="{reseller}",
        did_limit="9",
        allowed_classes="gold",
    ),
    Address("packages:detail", "/packages/{package}/", "login 200 404 200 200", NO_POST),
    Address(
        "packages:edit",
        "/packages/{package}/edit/",
        *ON_RECORD,
        name="Plain",
        reseller="{reseller}",
        did_limit="9",
        allowed_classes="gold",
    ),
    Address("packages:delete", "/packages/{spare_package}/delete/", *ON_RECORD),
    Address("packages:archive", "/packages/{package}/archive/", *ON_RECORD, step="apply"),
    Address("packages:restore", "/packages/{package}/restore/", NO_POST, "login 403 404 302 302"),
    Address("packages:choices", "/packages/choices/", SIGNED_IN, NO_POST),
    Address("reservations:list", "/reservations/", SIGNED_IN, NO_POST),
    Address("reservations:export", "/reservations/export/", SIGNED_IN, NO_POST),
    Address(
        "reservations:new",
        "/reservations/new/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
        whom="name",
        name="Orsini",
        purpose="Trial",
        ends="none",
    ),
    Address(
        "reservations:extend",
        "/reservations/{reservation}/extend/",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ends="1 month",
    ),
    Address("reservations:end", "/reservations/{reservation}/end/", *ON_RECORD),
    Address(
        "reservations:assign",
        "/reservations/{reservation}/assign/",
        "login 403 404 200 200",
        "login 403 404 302 302",
        step="apply",
        client="{client}",
        package="{client_package}",
        account="{account}",
    ),
    Address("client_packages:list", "/client-packages/", SIGNED_IN, NO_POST),
    Address("client_packages:activate", "/client-packages/{client_package}/activate/", *ON_RECORD),
    Address(
        "client_packages:deactivate",
        "/client-packages/{client_package}/deactivate/",
        *ON_RECORD,
        step="apply",
    ),
    Address(
        "client_packages:end",
        "/client-packages/{client_package}/end/",
        *ON_RECORD,
        ends_at="2099-01-10T09:00",
    ),
    # Only administrators without a reseller manage resellers.
    Address("resellers:list", "/resellers/", STAFF_ONLY, NO_POST),
    Address("resellers:new", "/resellers/new/", STAFF_ONLY, "login 403 403 403 302", name="Reseller 3"),
    Address(
        "resellers:edit", "/resellers/{reseller}/", STAFF_ONLY, "login 403 403 403 302", name="Reseller 9"
    ),
    Address("resellers:delete", "/resellers/{reseller_3}/delete/", STAFF_ONLY, "login 403 403 403 302"),
    Address("operators:choices", "/operators/choices/", SIGNED_IN, NO_POST),
    Address("operators:reseller_choices", "/operators/choices/resellers/", SIGNED_IN, NO_POST),
    Address("audit:list", "/audit/", SIGNED_IN, NO_POST),
    Address("audit:detail", "/audit/{change}/", "login 200 404 200 200", NO_POST),
    Address("audit:rows_csv", "/audit/{change}/rows.csv", "login 200 404 200 200", NO_POST),
    Address("audit:external_writes", "/audit/outside/", SIGNED_IN, NO_POST),
    Address(
        "audit:external_write_rows",
        "/audit/outside/operator/{microsecond}/",
        "login 200 404 200 200",
        NO_POST,
    ),
    Address("audit:people", "/audit/choices/people/", SIGNED_IN, NO_POST),
    Address("audit:undo", "/audit/{change}/undo/", *ON_RECORD, step="apply"),
    Address("jobs:list", "/jobs/", SIGNED_IN, NO_POST),
    Address("jobs:running", "/jobs/running/", SIGNED_IN, NO_POST),
    *(
        Address(f"jobs:{name}", f"/jobs/{{job}}/{path}", "login 404 404 200 200", NO_POST)
        for name, path in (("detail", ""), ("progress", "progress/"), ("state", "state/"))
    ),
    Address("jobs:file", "/jobs/{job}/file/", "login 404 404 404 404", NO_POST),  # this job has no file
    Address("jobs:cancel", "/jobs/{job}/cancel/", NO_POST, "login 404 404 302 302"),
    Address("jobs:retry", "/jobs/{job}/retry/", NO_POST, "login 404 404 302 302"),
    Address("overview:stock", "/overview/", SIGNED_IN, NO_POST),
    Address("overview:export", "/overview/export/", SIGNED_IN, NO_POST),
    Address("stock_levels:list", "/stock-levels/", SIGNED_IN, NO_POST),
    Address(
        "stock_levels:new",
        "/stock-levels/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        of="operator",
        operator="{operator}",
        minimum="9",
    ),
    Address("stock_levels:edit", "/stock-levels/{level}/", *ON_RECORD, minimum="9"),
    Address("stock_levels:delete", "/stock-levels/{level}/delete/", *ON_RECORD),
    # Rules are those of all resellers.
    Address("rules:list", "/rules/", SIGNED_IN, NO_POST),
    Address("rules:breaches", "/rules/breaches/", SIGNED_IN, NO_POST),
    Address(
        "rules:new",
        "/rules/new/",
        STAFF_ONLY,
        "login 403 403 403 302",
        prefix="44",
        days="90",
        source="the contract",
    ),
    Address(
        "rules:edit", "/rules/{rule}/", STAFF_ONLY, "login 403 403 403 302", days="90", source="the contract"
    ),
    Address("rules:accept", "/rules/{rule}/accept/", STAFF_ONLY, "login 403 403 403 302"),
    Address("rules:remove", "/rules/{rule}/remove/", STAFF_ONLY, "login 403 403 403 302"),
    Address(
        "rules:mark_new",
        "/rules/marks/new/",
        STAFF_ONLY,
        "login 403 403 403 302",
        mark_class="gold",
        kind="pattern",
        text="AAAA",
        name="Four alike",
        version="{mark_version}",
    ),
    Address(
        "rules:mark_edit",
        "/rules/marks/{mark_rule}/",
        STAFF_ONLY,
        "login 403 403 403 302",
        mark_class="gold",
        kind="pattern",
        text="AAAA",
        name="Four alike",
        version="{mark_version}",
    ),
    Address(
        "rules:mark_delete",
        "/rules/marks/{mark_rule}/delete/",
        STAFF_ONLY,
        "login 403 403 403 302",
        version="{mark_version}",
    ),
    Address(
        "rules:mark_move",
        "/rules/marks/{mark_rule}/move/",
        "login 405 405 405 405",
        "login 403 403 403 302",
        place="1",
        version="{mark_version}",
    ),
    Address(
        "rules:mark_words",
        "/rules/marks/words/",
        STAFF_ONLY,
        "login 403 403 403 302",
        words="TAXI",
        version="{mark_version}",
    ),
    Address("rules:mark_suggested", "/rules/marks/suggested/", STAFF_ONLY, "login 403 403 403 422"),
    Address("rules:mark_again", "/rules/marks/again/", NO_POST, "login 403 403 403 302"),
    # Notices are read by the person they were written for alone.
    Address("notices:list", "/notifications/", SIGNED_IN, NO_POST),
    Address("notices:read_all", "/notifications/read/", NO_POST, "login 302 302 302 302", until="0"),
    *(
        Address(f"notices:{name}", f"/notifications/{{notice}}/{name}/", NO_POST, "login 404 404 302 404")
        for name in ("open", "read")
    ),
    Address("notices:job_seen", "/notifications/jobs/{job}/seen/", NO_POST, "login 200 200 200 200"),
    Address("webhooks:list", "/webhooks/", "login 403 200 403 200", NO_POST),
    Address(
        "webhooks:new",
        "/webhooks/new/",
        "login 403 200 403 200",
        "login 403 200 403 200",  # with the secret, which is shown once
        url="https://other.example/hook",
        types="did.edited",
    ),
    Address("webhooks:detail", "/webhooks/{endpoint}/?delivery={delivery}", "login 403 404 403 200", NO_POST),
    Address(
        "webhooks:tries",
        "/webhooks/{endpoint}/deliveries/{delivery}/tries/",
        "login 403 404 403 200",
        NO_POST,
    ),
    Address(
        "webhooks:edit",
        "/webhooks/{endpoint}/edit/",
        *OF_WEBHOOK,
        url="https://rose.example/in",
        types="did.held",
    ),
    Address(
        "webhooks:rotate", "/webhooks/{endpoint}/rotate/", "login 403 404 403 200", "login 403 404 403 200"
    ),
    Address("webhooks:delete", "/webhooks/{endpoint}/delete/", *OF_WEBHOOK),
    Address(
        "webhooks:replay",
        "/webhooks/{endpoint}/replay/",
        "login 403 404 403 200",
        "login 403 404 403 302",
        since="2026-01-01T00:00",
        until="2199-01-01T00:00",
        only="all",
        step="apply",
    ),
    *(
        Address(f"webhooks:{name}", f"/webhooks/{{endpoint}}/{path}/", NO_POST, OF_WEBHOOK[1])
        for name, path in (
            ("pause", "pause"),
            ("resume", "resume"),
            ("test", "test"),
            ("replay_one", "deliveries/{delivery}/replay"),
        )
    ),
    # Only administrators without a reseller manage people, and only superusers change roles.
    Address("people:list", "/people/", STAFF_ONLY, NO_POST),
    Address(
        "people:new",
        "/people/new/",
        STAFF_ONLY,
        "login 403 403 403 302",
        username="nina",
        password1="battery-staple-7",
        password2="battery-staple-7",
    ),
    Address("people:edit", "/people/{person}/", STAFF_ONLY, "login 403 403 403 302", username="nora"),
    Address(
        "people:password",
        "/people/{person}/password/",
        STAFF_ONLY,
        "login 403 403 403 302",
        new_password1="battery-staple-7",
        new_password2="battery-staple-7",
    ),
    *(
        Address(f"people:{act}", f"/people/{{person}}/{act}/", STAFF_ONLY, "login 403 403 403 302")
        for act in ("deactivate", "activate", "delete")
    ),
    # People see their own tokens; administrators those of the people they manage.
    Address("tokens:list", "/tokens/", SIGNED_IN, NO_POST),
    Address(
        "tokens:new",
        "/tokens/new/",
        "login 403 200 200 200",
        "login 403 200 200 200",  # the answer has the secret, which no address may lead to
        name="portal",
        expires_at="365",
        scope_dids="read",
    ),
    Address("tokens:revoke", "/tokens/{token}/revoke/", "login 404 404 200 200", "login 404 404 302 302"),
    Address("roles:list", "/roles/", STAFF_ONLY, NO_POST),
    Address("roles:new", "/roles/new/", *[NOBODY] * 2, name="Seer"),
    Address("roles:edit", "/roles/{role}/", STAFF_ONLY, NOBODY, name="Seer"),
    Address("roles:delete", "/roles/{role}/delete/", *[NOBODY] * 2),
]


def url_names(resolver=None, namespace=""):
    """Return the names of all URLs; a URL without a name is listed by its pattern."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name or pattern.pattern}"
        else:
            yield from url_names(
                pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            )


def test_every_address_is_listed():
    """Those of the API have a list of their own, see tests/api/test_matrix.py."""
    ours = {name for name in url_names() if not name.startswith(("api:", "api_unknown"))}
    assert {address.name for address in ADDRESSES} == ours


@pytest.fixture(scope="module")
def world(module_db):
    return make_world()


@pytest.fixture(scope="module")
def owner(world):
    return member("Supervisor", username="owner", reseller=world.reseller)


@pytest.fixture(scope="module")
def ids(world, owner):
    return ids_of(world, owner)


def ids_of(world, owner):
    """Return the ids for the names in braces: records of Reseller 1, a role and a user without changes."""
    spare = Operator.objects.create(reseller=world.reseller, name="Spare Line")
    endpoint = endpoint_of(world.reseller, "https://rose.example/hook")
    DID.objects.create_numbers(["70001"], operator=world.operator, by=SYSTEM)
    kept = {"reseller": world.reseller, "client": world.client, "purpose": "Second site"}
    reservation = Reservation.draft(by=owner, **kept)
    DID.objects.filter(number="70001").reserve(reservation, by=owner)
    return {
        "reservation": reservation.pk,
        "endpoint": endpoint.pk,
        "delivery": endpoint.deliveries.get().pk,
        "number": world.did("256999").pk,
        "in_use": world.did("2567").pk,
        "client": world.client.pk,
        "account": world.account.pk,
        "client_package": world.client_package.pk,
        "operator": world.operator.pk,
        "spare": spare.pk,
        "reseller": world.reseller.pk,
        "reseller_3": Reseller.objects.create(name="Reseller 1b").pk,
        "spare_client": Client.objects.create(reseller=world.reseller, name="Spare Client").pk,
        "spare_account": Account.objects.create(client=world.client, name="spare_trunk").pk,
        "package": world.package.pk,
        "spare_package": Package.objects.create(reseller=world.reseller, name="Spare Pack", did_limit=1).pk,
        "import": imported(SEED, owner, operator=world.operator).job.pk,
        "job": job_of(owner, world).pk,
        "level": StockLevel.objects.create(reseller=world.reseller, prefix="2569", minimum=2).pk,
        "rule": suggested_rule().pk,
        "mark_rule": pattern_rule().pk,
        "mark_version": MarkState.current().version,
        "notice": Notice.objects.filter(user=owner).latest("pk").pk,
        "microsecond": ExternalWrite(history_of(spare).at, Operator, 1, []).microsecond,
        "change": DID.objects.filter(pk=world.did("256999").pk).edit(by=SYSTEM, notes="undone").change,
        "role": Group.objects.get(name="Viewer").pk,
        "view": SavedView.objects.create(
            owner=owner, reseller=world.reseller, name="Own", query="status=active"
        ).pk,
        "person": member("Clerk", username="someone").pk,
        "token": token_of(owner).pk,
    }


def endpoint_of(reseller, url):
    """Return an endpoint of a reseller, to which one event was not delivered yet."""
    endpoint = Endpoint.objects.create(url=url, types=["did.edited"], reseller=reseller)
    endpoint.secrets.create()
    data = {"numbers": [{"number": reseller.name}]}
    create_event("did.edited", reseller.pk, at=timezone.now(), about=reseller.name, data=data)
    return endpoint


def history_of(record):
    """Return the first history row of a record."""
    return TRACKED[type(record)].objects.filter(object_id=record.pk).earliest("history_id")


def job_of(owner, world):
    """Return a job that has created three numbers."""
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(owner, Numbers([("25699900", "25699902")]), operator=world.operator, **fields)
    call_command("worker", "--once")
    return job


SEED = "DID\n778899\nnonsense\n"

# Texts that must not appear in pages and messages for a stranger.
SECRETS = [
    "Reseller 1",
    "Rose Orig",
    "rose_orig",
    "Basic",
    "256999",
    "DID Operator<",
    "Spare Line",
    "Spare Client",
    "spare_trunk",
    "Spare Pack",
    "Second site",
    "70001",
]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.name)
def test_each_address_answers_each_user_with_the_listed_status(address, user, ids, request):
    browser = Browser() if user == "anonymous" else client_of(request.getfixturevalue(user))
    path = address.path.format(**ids)
    found = resolve(path.split("?")[0])
    assert found.view_name == address.name or found.route.endswith(address.name.partition(":")[2])
    sent = {name: value.format(**ids) for name, value in address.sent.items()}

    got, posted = browser.get(path), browser.post(path, sent)
    assert (status_of(got), status_of(posted)) == (address.get[user], address.post[user])
    if user == "stranger":
        body = b"".join([*got, *posted]).decode()
        assert [secret for secret in SECRETS if secret in body] == []


def status_of(answer):
    redirects_to_sign_in = answer.status_code == 302 and re.match(r"/login/\?next=", answer.url)
    return "login" if redirects_to_sign_in else str(answer.status_code)


# What the records are called whose ids are in addresses
NAMED = re.compile(
    r"2569|1 number|Rose Orig|rose_orig|Basic|Reseller 1|Own|Spare|spare_trunk|someone|Viewer"
    r"|rose\.example|billing|numbers\.csv|3 for DID Operator|hange \d|Operators written|\+41|Three alike"
)


def test_each_page_has_a_title_of_its_own_that_ends_with_its_section(ids, owner, administrator):
    of, outside = {}, set()
    for address in ADDRESSES:
        answers = [client_of(user).get(address.path.format(**ids)) for user in (administrator, owner)]
        page = next((answer for answer in answers if answer.status_code == 200), None)
        if page and (title := re.search(rb"<title>(.*?)</title>", b"".join(page))):
            of[address.name] = unescape(title[1].decode())
            where = section({"request": page.wsgi_request})
            end = [where, "DID Management"] if where else ["DID Management"]
            assert of[address.name].split(" · ")[-len(end) :] == end
            outside |= set() if where else {address.name.partition(":")[0]}
    assert outside == {"find", "staff"}
    nameless = [a.path for a in ADDRESSES if "{" in a.path and a.name in of and not NAMED.search(of[a.name])]
    assert nameless == []
    assert {title: n for title, n in Counter(of.values()).items() if n > 1} == {}
    assert of["audit:undo"] == f"Undo change {ids['change']} · Audit log · DID Management"
    assert of["people:edit"] == "Edit someone · People · DID Management"
    assert of["dids:import_result"] == "numbers.csv: result · Import DIDs · DIDs · DID Management"
    assert of["dids:list"] == "DIDs · DID Management"
    assert of["dids:detail"] == "256999 · DIDs · DID Management"
    assert of["clients:detail"] == "Rose Orig · Clients · DID Management"
    assert of["reference:packages_import"] == "Import packages · Packages · DID Management"


def test_the_title_of_a_list_names_its_filters_view_and_time(ids, owner):
    browser = client_of(owner)

    def title(path):
        page = browser.get(path.format(**ids)).content.decode()
        return unescape(re.search("<title>(.*?)</title>", page)[1]).removesuffix(" · DID Management")

    assert title("/dids/?status=hold") == "Hold · DIDs"
    assert title("/dids/?view={view}&status=active") == "Own, changed · DIDs"
    assert title("/dids/?as_of=2999-01-01T10:00") == "DIDs"
    assert title("/clients/?name=ros") == "ros · Clients"
    assert title("/clients/{client}/dids/?status=active") == "Active · DIDs of Rose Orig · Clients"
    assert title("/audit/who-had-it/?numbers=2567&at=2026-01-10T09:00").startswith("Who had 2567 on 10 Jan")
