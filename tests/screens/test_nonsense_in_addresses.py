"""Invalid numbers, ids and dates in addresses never cause a server error."""

from urllib.parse import quote

import pytest
from django.conf import settings

from dids.models import DIDHistory, Tag
from jobs.models import Job
from tests.world import client_of

pytestmark = pytest.mark.django_db

DIGITS = ["9" * 5_000, "0" * 5_000 + "1", str(2**63)]
NONSENSE = [*DIGITS, "-1", "²", "\0"]
CURSORS = [f"{'9' * 5_000}~1", f"1~{'9' * 5_000}", f"1~{10**19}"]
DATES = ["9999-99-99", "0001-01-01", "9999-12-31T23:59:59Z", "0001-01-01T00:00", "9" * 5_000 + "-01-01"]
VALUES = {"after": CURSORS, "before": CURSORS, "as_of": DATES, "since": DATES, "until": DATES, "at": DATES}

SORTS = ("number", "id", "status", "operator", "tag", "notes", "client", "reseller")
PARAMETERS = [
    *((f"/dids/?sort={sort}&page=2", ("after", "before")) for sort in SORTS),
    (
        "/dids/?",
        (
            "page",
            "per_page",
            "count",
            "operator",
            "reseller",
            "client",
            "tag",
            "status",
            "q",
            "match",
            "change",
        ),
    ),
    ("/dids/?", ("as_of",)),
    ("/dids/?as_of=2026-01-01T00:00&page=2", ("after", "before", "operator", "client", "reseller")),
    ("/dids/export/?", ("page", "operator", "format", "as_of")),
    ("/dids/mass-edit/?", ("ids",)),
    ("/dids/assign/?", ("ids",)),
    ("/dids/choices/tags/?", ("q",)),
    ("/dids/{number}/history/?", ("before",)),
    ("/operators/?", ("page", "per_page", "reseller", "sort")),
    ("/resellers/?", ("page", "name")),
    ("/clients/?", ("page", "per_page", "reseller", "closed", "name")),
    ("/clients/{client}/?", ("page",)),
    ("/clients/{client}/dids/?", ("page", "account", "package", "status")),
    ("/clients/{client}/dids/add/?", ("package", "account", "way", "operator", "tag")),
    ("/clients/{client}/dids/choices/packages/?", ("q", "running")),
    ("/packages/?", ("page", "reseller", "archived")),
    ("/packages/{package}/?", ("page", "client", "state")),
    ("/client-packages/?", ("page", "client", "package", "reseller", "state")),
    ("/jobs/?", ("page", "state", "kind")),
    ("/audit/?", ("page", "since", "until", "person", "type", "object", "action", "by")),
    ("/audit/?page=2", ("after", "before")),
    ("/audit/outside/?", ("before",)),
    ("/audit/who-had-it/?numbers=1", ("at",)),
    ("/calendar/?", ("from", "kind", "reseller")),
    ("/blocks/?", ("country", "prefix", "digits")),
    ("/blocks/?prefix=25&digits=6", ("block", "select", "from", "to")),
    ("/free-runs/?count=3", ("multiple", "begins", "operator", "tag", "package", "gaps", "order")),
    ("/free-runs/?", ("count",)),
    ("/overview/?", ("as_of", "forecast", "group", "reseller", "subjects")),
    ("/audit/who-had-it/?", ("numbers",)),
]
PATHS = ["/dids/{}/", "/dids/{}/history/", "/clients/{}/", "/clients/{}/dids/", "/packages/{}/"]
PATHS += ["/operators/{}/", "/resellers/{}/", "/jobs/{}/"]
PATHS += ["/audit/{}/", "/audit/{}/rows.csv", "/audit/outside/did/{}/"]


@pytest.mark.parametrize(("address", "names"), PARAMETERS, ids=lambda value: value if "/" in value else "")
def test_an_invalid_parameter_is_refused_or_ignored(world, owner, address, names, monkeypatch):
    browser = client_of(owner)
    Tag.objects.create(name="Gold")
    number = world.did("2567").pk
    address = address.format(number=number, client=world.client.pk, package=world.package.pk)
    address += "" if address.endswith("?") else "&"
    monkeypatch.setattr("dids.lists.listing.SORTED_MAX", 0)  # always page by key
    for name in names:
        for value in NONSENSE + VALUES.get(name, []):
            response = browser.get(f"{address}{name}={quote(value)}")
            assert response.status_code < 500, (name, value[:40])


UNKNOWN = [*dict.fromkeys(address for address, _ in PARAMETERS if address != "/clients/{client}/dids/add/?")]
UNKNOWN += [
    "/dids/export/?format=xlsx",
    "/dids/export/?scope=page",
    "/dids/delete/?ids={number}",
    "/audit/{change}/?",
]
UNKNOWN += ["/audit/{change}/rows.csv?", "/operators/export/?", "/clients/export/?", "/packages/export/?"]
UNKNOWN += ["/accounts/export/?", "/dids/choices/clients/?", "/operators/choices/?", "/packages/choices/?"]
UNKNOWN += ["/audit/choices/people/?", "/clients/{client}/dids/add/?package={given}&account={account}"]


@pytest.mark.parametrize("address", UNKNOWN)
def test_an_unknown_parameter_is_refused_by_its_name(world, administrator, address):
    number = world.did("2567")
    change = DIDHistory.objects.filter(object_id=number.pk, change__isnull=False).first().change_id
    address = address.format(
        number=number.pk,
        client=world.client.pk,
        package=world.package.pk,
        given=world.client_package.pk,
        account=world.account.pk,
        change=change,
    )
    address += "stauts=reserved" if address.endswith("?") else "&stauts=reserved"
    response = client_of(administrator).get(address, follow=True)
    page = response.text
    is_page = response.headers["Content-Type"].startswith("text/html")
    assert "“stauts”" in (page if is_page else " ".join(response.json()["errors"])), address
    assert "256999" not in page, address
    for action in ("/dids/mass-edit/", "data-selection-form"):
        assert f'formaction="{action}' not in page, address


@pytest.mark.parametrize("path", PATHS)
def test_a_path_with_an_impossible_id_is_not_found(world, administrator, path):
    browser = client_of(administrator)
    for value in DIGITS:
        assert browser.get(path.format(value)).status_code == 404, value[:40]


@pytest.mark.parametrize("name", ["after", "before"])
def test_the_list_by_client_ignores_a_cursor_of_thousands_of_digits(world, owner, name, monkeypatch):
    monkeypatch.setattr("dids.lists.listing.SORTED_MAX", 0)  # always page by key
    monkeypatch.setattr(settings, "PAGE_SIZES", [5])
    browser = client_of(owner)
    second = browser.get("/dids/?sort=client&page=2").context["listing"]
    assert len(second.keys) == 5
    for cursor in ("9" * 5_000, f"{'9' * 5_000}~1"):
        page = browser.get(f"/dids/?sort=client&page=2&{name}={cursor}").context["listing"]
        assert page.keys == second.keys


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/dids/{number}/history/?", "before"),
        ("/audit/outside/?", "before"),
        ("/clients/{client}/dids/add/?package={given}&account={account}&", "way"),
    ],
)
def test_an_invalid_value_is_refused_with_its_parameter(world, owner, address, name):
    browser, number = client_of(owner), world.did("2567")
    given, account = world.client_package.pk, world.account.pk
    address = address.format(number=number.pk, client=world.client.pk, given=given, account=account)
    for value in ("x", "9" * 5_000):
        response = browser.get(f"{address}{name}={value}")
        assert response.status_code == 400
        assert f"is not a valid value of “{name}”." in response.text
    assert browser.get(f"{address}{name}=").status_code == 200


def test_ids_with_leading_zeros_name_the_same_numbers_in_a_job(world, owner, monkeypatch):
    monkeypatch.setattr("screens.numbers.mass_edit.SMALL", 0)
    pk = world.did("2567").pk
    posted = {
        "scope": "ids",
        "ids": f"{'0' * 5_000}{pk}",
        "step": "apply",
        "change_notes": "on",
        "notes": "x",
    }
    assert client_of(owner).post("/dids/mass-edit/", posted).status_code == 302
    assert Job.objects.get().params["ids"] == [pk]
