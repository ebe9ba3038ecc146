"""Lists and single records of everything but numbers by the API."""

import pytest

from clients.models import Account, Client, Package
from dids.models import DID
from staff.tokens import user_of
from tests.api.conftest import Program, token_of
from tests.screens.test_access import job_of
from tests.world import client_of

pytestmark = pytest.mark.django_db
PATHS = ["operators", "resellers", "clients", "accounts", "packages", "client-packages", "tags", "changes"]
SCREENS = {
    "operators": ["name", "-name", "id", "dids", "reseller"],
    "clients": ["name", "-name", "accounts", "-packages", "dids", "state", "reseller"],
    "packages": ["name", "limit", "tags", "classes", "days", "-clients", "dids", "state"],
    "client-packages": ["client", "package", "reseller", "starts", "-ends", "state", "dids"],
}


@pytest.fixture
def more(world, owner):
    """Create further records of Reseller 1 and a number with a tag."""
    for n in range(3):
        client = Client.objects.create(reseller=world.reseller, name=f"Client {n}")
        Account.objects.create(client=client, name=f"account {n}")
        Package.objects.create(
            reseller=world.reseller, name=f"Pack {n}", did_limit=n + 1, hold_days=n or None
        )
    DID.objects.filter(number="111").edit(by=owner, tags=["Gold", "silver"])


@pytest.mark.parametrize("path", SCREENS)
def test_a_list_has_the_rows_of_the_screen_in_each_order(api, owner, administrator, more, path):
    for user in (owner, administrator):
        program, browser = api(user), client_of(user)
        for sort in SCREENS[path]:
            shown = [row.pk for row in browser.get(f"/{path}/?sort={sort}").context["listing"].rows]
            found, answer = [], program.get(f"/{path}", sort=sort, limit=2)
            found += [item["id"] for item in answer.items]
            while answer.json["next"]:
                answer = program.get(answer.json["next"])
                found += [item["id"] for item in answer.items]
            assert found == shown, sort


@pytest.mark.parametrize("path", PATHS)
def test_a_record_says_the_same_as_its_list(api, owner, more, path):
    program = api(owner)
    answer = program.get(f"/{path}", count="true")
    assert answer.json["count"] == len(answer.items) > 0
    for item in answer.items:
        record = program.get(f"/{path}/{item['id']}")
        assert item.items() <= record.json.items()
        again = program.get(f"/{path}/{item['id']}", headers={"If-None-Match": record.headers["ETag"]})
        assert again.status == 304
    counted = program.get(f"/{path}", fields=",".join(record.json))
    assert counted.items[-1] == record.json


@pytest.mark.parametrize("path", PATHS)
def test_a_record_that_is_not_there_is_not_found(api, owner, path):
    for pk in ("0", "-1", "999999", "9" * 30):
        answer = api(owner).get(f"/{path}/{pk}")
        assert (answer.status, answer.json["code"]) == (404, "not_found"), pk
    assert api(owner).get(f"/{path}/x").status == 422


def test_filters_are_those_of_the_screens(api, owner, more, world):
    program = api(owner)

    def names(path, **parameters):
        return [item["name"] for item in program.get(path, **parameters).items]

    assert names("/clients", name="rose") == ["Rose Orig"]
    assert names("/accounts", client=world.client.pk) == ["rose_orig"]
    assert names("/packages", archived="yes") == []
    Package.objects.exclude(name="Pack 2").update(allowed_classes="gold")
    assert names("/packages", allowed_class="gold", name="a") == ["Basic", "Pack 0", "Pack 1", "Pack 2"]
    assert names("/packages", allowed_class="silver") == ["Pack 2"]
    assert names("/tags", name="gol") == ["Gold"]
    assert len(program.get("/client-packages", state="running").items) == 1
    answer = program.get("/client-packages", state="gone", client="0")
    assert answer.errors["?state"].startswith("There is no client package state “gone”.")
    assert answer.errors["?client"] == "There is no client “0”."


def test_counts_are_told_only_when_they_are_asked_for(api, owner, more, world):
    assert "dids" not in api(owner).get("/clients").items[0]
    counted = api(owner).get("/clients", fields="name,dids,accounts", name="rose").items
    assert counted == [{"name": "Rose Orig", "dids": 2, "accounts": 1}]


def test_a_change_names_what_it_wrote_as_far_as_the_branch_may_know(api, owner, stranger, world):
    change = DID.objects.filter(number__in=["111", "112"]).edit(by=owner, notes="x").change
    told = api(owner).get(f"/changes/{change}").json
    assert told["rows"] == {"did": 2} and told["kind"] == "edit"
    assert told["actor"] == {"kind": "person", "name": "owner"}
    assert api(stranger).get(f"/changes/{change}").status == 404
    assert change in [item["id"] for item in api(owner).get("/changes", action="edit").items]


def test_a_change_by_a_job_of_the_token_names_the_job(api, owner, world):
    text = token_of(owner)
    job = job_of(user_of(f"Bearer {text}", ""), world)
    job.refresh_from_db()
    assert Program(text).get(f"/changes/{job.change_id}").json["job"] == str(job.pk)
    assert api(owner).get(f"/changes/{job.change_id}").json["job"] is None


def test_reading_tags_alone_shows_no_numbers(api, owner, more):
    program = api(owner, "tags:read")
    assert [item["name"] for item in program.get("/tags").items] == ["Gold", "silver"]
    assert program.get("/dids").status == 403
    refused = api(owner, "dids:read").get("/tags")
    assert (refused.status, refused.json["scope"]) == (403, "tags:read")


@pytest.mark.parametrize("path", PATHS)
def test_queries_do_not_grow_with_the_page(api, owner, more, path, django_assert_max_num_queries):
    program = api(owner)
    with django_assert_max_num_queries(16):
        program.get(f"/{path}")
