"""Programs find numbers in a row as the screen does."""

from html import unescape

import pytest

from audit import SYSTEM
from dids.forms import free_runs
from dids.models import DID
from tests.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def numbers(world):
    runs = [*range(6000, 6009), *range(6010, 6013), *range(6020, 6026)]
    for operator, numbers in ((world.operator, runs), (world.operator_2, range(6050, 6090))):
        DID.objects.create_numbers([*map(str, numbers)], operator=operator, by=SYSTEM, tags=["gold"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"count": "3", "tag": "gold"},
        {"count": "3", "order": "first", "multiple": "10", "begins": "+60"},
        {"count": "12", "begins": "60", "gaps": "1"},
        {"count": "30", "begins": "60"},
        {"count": "3", "begins": "999"},
    ],
)
def test_it_finds_what_the_screen_of_its_owner_shows(numbers, owner, api, parameters):
    page = client_of(owner).get("/free-runs/", parameters).context
    found = api(owner).get("/free-runs", **parameters).json
    assert found["items"] == [row["run"]._asdict() for row in page["rows"]]
    assert (found["runs"], found["places"]) == (page["found"].runs, page["found"].places)
    less = page["less"] and {name: page["less"][name] for name in ("first", "last", "count")}
    assert found["longest"] == less


def test_no_more_are_listed_than_on_the_screen(numbers, owner, api, monkeypatch):
    monkeypatch.setattr(free_runs, "SHOWN", 2)
    found = api(owner).get("/free-runs", count="1").json
    assert (len(found["items"]), found["runs"]) == (2, 4)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"count": "10001"},
        {"count": "3", "gaps": "6"},
        {"count": "3", "multiple": "7"},
        {"count": "3", "begins": "44x"},
        {"count": "3", "tag": "golf"},
        {"count": "3", "operator": "999"},
        {"count": "3", "statuss": "x"},
    ],
)
def test_what_the_screen_refuses_is_refused_alike(numbers, owner, api, parameters):
    page = client_of(owner).get("/free-runs/", parameters or {"count": ""})
    refused = api(owner).get("/free-runs", **parameters)
    assert (page.status_code, refused.status) == (422, 422)
    shown = unescape(page.content.decode())
    assert refused.errors and all(sentence in shown for sentence in refused.errors.values())


def test_a_package_is_a_parameter_for_who_sees_packages(numbers, world, owner, api):
    sent = {"count": "3", "package": str(world.package.pk)}
    assert api(owner, "dids:read packages:read").get("/free-runs", **sent).status == 200
    assert "?package" in api(owner, "dids:read").get("/free-runs", **sent).errors
