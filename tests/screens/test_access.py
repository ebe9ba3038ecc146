"""Who gets what at every address: one row for each, and an address without a row fails.

People, in the order of the columns: nobody signed in; a viewer; a stranger, who has every right but
in another reseller; the owner, a supervisor of the reseller whose things are asked for; an
administrator, who is bound to no reseller and comes into the staff admin.
"""

import re

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import URLPattern, get_resolver, resolve

from audit import SYSTEM
from audit.history import TRACKED
from clients.models import Account, Client, Package, Reseller
from dids.history import external_writes as outside
from dids.job_kinds import submit_create
from dids.models import DID
from dids.numbering.ranges import Numbers
from operators.models import Operator
from tests.imports import imported
from tests.world import PASSWORD, client_of, make_world, member

pytestmark = pytest.mark.django_db
PEOPLE = ["anonymous", "viewer", "stranger", "owner", "administrator"]


class Door:
    """An address and what GET and POST answer to each of PEOPLE; "login": led to the sign-in page.

    ``{number}`` and the like, in the address and in the body that the POST sends, are ids of
    Reseller 1's things.
    """

    def __init__(self, name, path, get, post, /, **sent):
        self.name, self.path, self.sent = name, path, sent
        self.get, self.post = (dict(zip(PEOPLE, answers.split(), strict=True)) for answers in (get, post))


STAFF_ONLY = "login 403 403 403 200"
SIGNED_IN = "login 200 200 200 200"
NO_POST = "login 405 405 405 405"
ASKED = ("login 403 404 200 200", "login 403 404 302 302")  # a dialog over something of Reseller 1

DOORS = [
    # name, address                              anonymous viewer stranger owner administrator: GET, POST
    Door("home", "/", "login 302 302 302 302", "login 302 302 302 302"),
    Door("healthz", "/healthz", "200 200 200 200 200", "405 405 405 405 405"),
    Door("readyz", "/readyz", "200 200 200 200 200", "405 405 405 405 405"),
    Door("staff:login", "/login/", "200 302 302 302 302", "200 302 302 302 302"),
    Door("staff:logout", "/logout/", "login 405 405 405 405", "login 302 302 302 302"),
    Door(
        "staff:password_change",
        "/password/",
        SIGNED_IN,
        "login 302 302 302 302",
        old_password=PASSWORD,
        new_password1="battery-staple-7",
        new_password2="battery-staple-7",
    ),
    Door("staff:password_change_done", "/password/done/", SIGNED_IN, NO_POST),
    Door("staff:me", "/me/", SIGNED_IN, "login 302 302 302 302", time_zone="UTC"),
    Door("dids:list", "/dids/", SIGNED_IN, NO_POST),
    Door("dids:detail", "/dids/{number}/", "login 200 404 200 200", "login 403 404 302 302", notes="seen"),
    Door("dids:history", "/dids/{number}/history/", "login 200 404 200 200", NO_POST),
    Door(
        "dids:new",
        "/dids/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        numbers="4000",
        operator="{operator}",
        status="instock",
        after_hold="instock",
    ),
    Door(
        "dids:mass_edit",
        "/dids/mass-edit/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
        change_notes="on",
        notes="seen",
    ),
    Door(
        "dids:delete",
        "/dids/delete/?ids={number}",
        "login 403 404 200 200",
        "login 403 404 302 302",
        ids="{number}",
        step="apply",
    ),
    Door(
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
    Door("clients:dids", "/clients/{client}/dids/", "login 200 404 200 200", NO_POST),
    Door(
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
        Door(f"clients:dids_{what}", f"/clients/{{client}}/dids/choices/{what}/", *answers)
        for what in ("accounts", "packages")
        for answers in [("login 200 404 200 200", NO_POST)]
    ),
    *(
        Door(
            f"clients:{move}_dids",
            f"/clients/{{client}}/dids/{move}/",
            NO_POST,
            "login 403 404 302 302",
            ids="{held}",
        )
        for move in ("activate", "block", "hold", "release")
    ),
    Door("dids:export", "/dids/export/", SIGNED_IN, "login 200 302 200 200", ids="{number}"),
    Door("dids:import", "/dids/import/", "login 403 200 200 200", "login 403 422 422 422"),
    *(
        # An import is its owner's alone, whatever rights others have.
        Door(f"dids:import_{step}", f"/dids/import/{{import}}/{path}", *answers)
        for step, path, answers in (
            ("columns", "columns/", ("login 403 404 302 404", "login 403 404 302 404")),
            ("reading", "reading/", ("login 405 405 405 405", "login 403 404 302 404")),
            ("check", "check/", ("login 403 404 302 404", "login 403 404 302 404")),
            ("result", "result/", ("login 403 404 200 404", "login 405 405 405 405")),
            ("refused", "refused.csv", ("login 403 404 200 404", "login 405 405 405 405")),
        )
    ),
    Door("dids:client_choices", "/dids/choices/clients/", SIGNED_IN, NO_POST),
    Door("dids:tag_choices", "/dids/choices/tags/", SIGNED_IN, NO_POST),
    Door("audit:who_had_it", "/audit/who-had-it/", SIGNED_IN, "login 302 302 302 302", numbers="2567,2563"),
    Door(
        "audit:who_had_it_statement",
        "/audit/who-had-it/statement/?numbers=2567,2563",
        SIGNED_IN,
        SIGNED_IN,
        numbers="2567",
    ),
    Door(
        "audit:who_had_it_csv",
        "/audit/who-had-it/csv/?numbers=2567",
        SIGNED_IN,
        SIGNED_IN,
        numbers="2567",
    ),
    Door("operators:list", "/operators/", SIGNED_IN, NO_POST),
    Door(
        "operators:new",
        "/operators/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Oliver",
        reseller="{reseller}",
    ),
    Door(
        "operators:edit",
        "/operators/{spare}/",
        "login 403 404 200 200",
        "login 403 404 302 302",
        name="Spore",
        reseller="{reseller}",
    ),
    Door("operators:delete", "/operators/{spare}/delete/", "login 403 404 200 200", "login 403 404 302 302"),
    *(
        door
        for table in ("operators", "clients", "accounts", "packages")
        for door in (
            Door(
                f"reference:{table}_import",
                f"/{table}/import/",
                "login 403 200 200 200",
                "login 403 422 422 422",
            ),
            Door(f"reference:{table}_export", f"/{table}/export/", SIGNED_IN, NO_POST),
        )
    ),
    Door("clients:list", "/clients/", SIGNED_IN, NO_POST),
    Door(
        "clients:new",
        "/clients/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Lily",
        reseller="{reseller}",
    ),
    Door("clients:detail", "/clients/{client}/", "login 200 404 200 200", NO_POST),
    Door(
        "clients:edit",
        "/clients/{client}/edit/",
        *ASKED,
        name="Rosa",
        reseller="{reseller}",
    ),
    Door("clients:delete", "/clients/{spare_client}/delete/", *ASKED),
    Door("clients:close", "/clients/{client}/close/", *ASKED, step="apply"),
    Door("clients:reopen", "/clients/{client}/reopen/", NO_POST, "login 403 404 302 302"),
    Door("clients:account_new", "/clients/{client}/accounts/new/", *ASKED, name="rose_2"),
    Door("clients:account_edit", "/clients/{client}/accounts/{account}/", *ASKED, name="rosa_orig"),
    Door("clients:account_delete", "/clients/{client}/accounts/{spare_account}/delete/", *ASKED),
    Door(
        "clients:give",
        "/clients/{client}/give/",
        *ASKED,
        package="{package}",
        starts_at="2026-01-10T09:00",
    ),
    Door("clients:package_choices", "/clients/{client}/choices/packages/", "login 403 404 200 200", NO_POST),
    Door("packages:list", "/packages/", SIGNED_IN, NO_POST),
    Door(
        "packages:new",
        "/packages/new/",
        "login 403 200 200 200",
        "login 403 422 302 302",
        name="Gold",
        reseller="{reseller}",
        did_limit="9",
    ),
    Door("packages:detail", "/packages/{package}/", "login 200 404 200 200", NO_POST),
    Door(
        "packages:edit",
        "/packages/{package}/edit/",
        *ASKED,
        name="Plain",
        reseller="{reseller}",
        did_limit="9",
    ),
    Door("packages:delete", "/packages/{spare_package}/delete/", *ASKED),
    Door("packages:archive", "/packages/{package}/archive/", *ASKED, step="apply"),
    Door("packages:restore", "/packages/{package}/restore/", NO_POST, "login 403 404 302 302"),
    Door("packages:choices", "/packages/choices/", SIGNED_IN, NO_POST),
    Door("client_packages:list", "/client-packages/", SIGNED_IN, NO_POST),
    Door("client_packages:activate", "/client-packages/{given}/activate/", *ASKED),
    Door("client_packages:deactivate", "/client-packages/{given}/deactivate/", *ASKED, step="apply"),
    Door("client_packages:end", "/client-packages/{given}/end/", *ASKED, ends_at="2099-01-10T09:00"),
    # Resellers are for administrators who are bound to none.
    Door("resellers:list", "/resellers/", STAFF_ONLY, NO_POST),
    Door("resellers:new", "/resellers/new/", STAFF_ONLY, "login 403 403 403 302", name="Reseller 3"),
    Door("resellers:edit", "/resellers/{reseller}/", STAFF_ONLY, "login 403 403 403 302", name="Reseller 9"),
    Door("resellers:delete", "/resellers/{reseller_3}/delete/", STAFF_ONLY, "login 403 403 403 302"),
    Door("operators:choices", "/operators/choices/", SIGNED_IN, NO_POST),
    Door("operators:reseller_choices", "/operators/choices/resellers/", SIGNED_IN, NO_POST),
    Door("audit:list", "/audit/", SIGNED_IN, NO_POST),
    Door("audit:detail", "/audit/{change}/", "login 200 404 200 200", NO_POST),
    Door("audit:rows_csv", "/audit/{change}/rows.csv", "login 200 404 200 200", NO_POST),
    Door("audit:external_writes", "/audit/outside/", SIGNED_IN, NO_POST),
    Door("audit:external_write_rows", "/audit/outside/operator/{moment}/", "login 200 404 200 200", NO_POST),
    Door("audit:people", "/audit/choices/people/", SIGNED_IN, NO_POST),
    Door("audit:undo", "/audit/{change}/undo/", *ASKED, step="apply"),
    Door("jobs:list", "/jobs/", SIGNED_IN, NO_POST),
    Door("jobs:running", "/jobs/running/", SIGNED_IN, NO_POST),
    *(
        Door(f"jobs:{name}", f"/jobs/{{job}}/{path}", "login 404 404 200 200", NO_POST)
        for name, path in (("detail", ""), ("progress", "progress/"), ("state", "state/"))
    ),
    Door("jobs:file", "/jobs/{job}/file/", "login 404 404 404 404", NO_POST),  # this one has made no file
    Door("jobs:cancel", "/jobs/{job}/cancel/", NO_POST, "login 404 404 302 302"),
    Door("jobs:retry", "/jobs/{job}/retry/", NO_POST, "login 404 404 302 302"),
    # Django's own pages for staff: they are entered by unbound staff alone.
    Door("admin:index", "/admin/", STAFF_ONLY, STAFF_ONLY),
    Door("admin:login", "/admin/login/", "login login login login login", "login login login login login"),
    Door("admin:logout", "/admin/logout/", "login 403 403 403 405", "login 403 403 403 302"),
    Door(
        "admin:password_change", "/admin/password_change/", "login 403 403 403 302", "login 403 403 403 302"
    ),
    Door("admin:password_change_done", "/admin/password_change/done/", STAFF_ONLY, "login 403 403 403 405"),
    Door("admin:autocomplete", "/admin/autocomplete/", "login 403 403 403 403", "login 403 403 403 405"),
    Door("admin:jsi18n", "/admin/jsi18n/", STAFF_ONLY, "login 403 403 403 405"),
    Door("admin:view_on_site", "/admin/r/1/1/", "login 403 403 403 404", "login 403 403 403 404"),
    Door("admin:app_list", "/admin/staff/", STAFF_ONLY, STAFF_ONLY),
    Door("admin:auth_group_changelist", "/admin/auth/group/", STAFF_ONLY, STAFF_ONLY),
    Door("admin:auth_group_add", "/admin/auth/group/add/", "login 403 403 403 403", "login 403 403 403 403"),
    Door("admin:auth_group_change", "/admin/auth/group/{role}/change/", STAFF_ONLY, "login 403 403 403 403"),
    Door(
        "admin:auth_group_delete",
        "/admin/auth/group/{role}/delete/",
        "login 403 403 403 403",
        "login 403 403 403 403",
        post="yes",
    ),
    Door("admin:auth_group_history", "/admin/auth/group/{role}/history/", STAFF_ONLY, STAFF_ONLY),
    Door("admin:staff_user_changelist", "/admin/staff/user/", STAFF_ONLY, STAFF_ONLY),
    Door(
        "admin:staff_user_add",
        "/admin/staff/user/add/",
        STAFF_ONLY,
        "login 403 403 403 302",
        username="nina",
        usable_password="false",
    ),
    Door(
        "admin:staff_user_change",
        "/admin/staff/user/{person}/change/",
        STAFF_ONLY,
        "login 403 403 403 302",
        username="nina",
        time_zone="UTC",
    ),
    Door(
        "admin:auth_user_password_change",
        "/admin/staff/user/{person}/password/",
        STAFF_ONLY,
        "login 403 403 403 302",
        password1="battery-staple-7",
        password2="battery-staple-7",
        usable_password="true",
    ),
    Door(
        "admin:staff_user_delete",
        "/admin/staff/user/{person}/delete/",
        STAFF_ONLY,
        "login 403 403 403 302",
        post="yes",
    ),
    Door("admin:staff_user_history", "/admin/staff/user/{person}/history/", STAFF_ONLY, STAFF_ONLY),
    Door(
        "admin:<path:object_id>/",
        "/admin/staff/user/{person}/",
        "login 403 403 403 302",
        "login 403 403 403 302",
    ),
    Door("admin:(?P<url>.*)$", "/admin/nothing/", "login 403 403 403 404", "login 403 403 403 404"),
]


def addresses(resolver=None, namespace=""):
    """Return the names of all URLs; a URL without a name is listed by its pattern."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name or pattern.pattern}"
        else:
            yield from addresses(
                pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            )


def test_every_address_has_its_row_and_every_row_its_address():
    assert {door.name for door in DOORS} == set(addresses())


@pytest.fixture(scope="module")
def world(module_db):
    return make_world()


@pytest.fixture(scope="module")
def owner(world):
    return member("Supervisor", username="owner", reseller=world.reseller)


@pytest.fixture(scope="module")
def ids(world, owner):
    """Return what replaces the names in braces: records of Reseller 1, a role and a user without changes."""
    spare = Operator.objects.create(reseller=world.reseller, name="Spare Line")
    return {
        "number": world.did("256999").pk,
        "held": world.did("2567").pk,
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
        "given": world.client_package.pk,
        "import": imported(SEED, owner, operator=world.operator).job.pk,
        "job": job_of(owner, world).pk,
        "moment": outside.Group(history_of(spare).at, Operator, 1, []).moment,
        "change": DID.objects.filter(pk=world.did("256999").pk).edit(by=SYSTEM, notes="undone").change,
        "role": Group.objects.get(name="Viewer").pk,
        "person": member("Clerk", username="someone").pk,
    }


def history_of(thing):
    """Return the first history row."""
    return TRACKED[type(thing)].objects.filter(object_id=thing.pk).earliest("history_id")


def job_of(owner, world):
    """Return a job that has created three numbers."""
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(owner, Numbers([("25699900", "25699902")]), operator=world.operator, **fields)
    call_command("worker", "--once")
    return job


SEED = "DID\n778899\nnonsense\n"

# What a stranger's pages and messages must not hold.
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
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_each_address_answers_each_person_as_the_table_says(door, who, ids, request):
    browser = Browser() if who == "anonymous" else client_of(request.getfixturevalue(who))
    path = door.path.format(**ids)
    found = resolve(path.split("?")[0])
    assert found.view_name == door.name or found.route.endswith(door.name.partition(":")[2])
    sent = {name: value.format(**ids) for name, value in door.sent.items()}

    shown, done = browser.get(path), browser.post(path, sent)
    assert (outcome(shown), outcome(done)) == (door.get[who], door.post[who])
    if who == "stranger":
        body = b"".join([*shown, *done]).decode()
        assert [secret for secret in SECRETS if secret in body] == []


def outcome(answer):
    led_to_sign_in = answer.status_code == 302 and re.match(r"(/admin)?/login/\?next=", answer.url)
    return "login" if led_to_sign_in else str(answer.status_code)
