"""The list of numbers and one number by the API."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import SYSTEM
from dids.models import DID
from tests.examples import scaled
from tests.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(api, owner):
    return api(owner)


def numbers(answer):
    return [item["number"] for item in answer.items]


def test_a_number_is_told_with_the_names_and_ids_of_what_it_belongs_to(program, world):
    answer = program.get("/dids/2567")
    assert answer.status == 200
    known = answer.json
    assert known["number"] == "2567" and known["id"] == world.did("2567").pk
    assert known["status"] == "active"
    assert known["operator"] == {"id": world.operator.pk, "name": "DID Operator"}
    assert known["reseller"] == {"id": world.reseller.pk, "name": "Reseller 1"}
    assert known["client"] == {"id": world.client.pk, "name": "Rose Orig"}
    assert known["account"] == {"id": world.account.pk, "name": "rose_orig"}
    assert known["client_package"] == {"id": world.client_package.pk, "name": "Basic"}
    assert known["created_at"].endswith("Z") and known["changed_at"] >= known["created_at"]


@pytest.mark.parametrize("notation", ["442079460000", "+44 20 7946 0000", "44-20-79460000", "id:{}"])
def test_a_number_is_addressed_by_digits_in_any_notation_or_by_its_id(program, world, owner, notation):
    DID.objects.create_numbers(["442079460000"], operator=world.operator, by=owner, status="instock")
    address = quote(notation.format(world.did("442079460000").pk), safe=":")
    assert program.get(f"/dids/{address}").json["number"] == "442079460000"


@pytest.mark.parametrize(
    ("address", "status"), [("abc", 422), ("111-222", 422), ("id:x", 422), ("998", 404), ("id:999999", 404)]
)
def test_a_wrong_address_is_refused_with_a_sentence(program, address, status):
    answer = program.get(f"/dids/{address}")
    assert answer.status == answer.json["status"] == status
    assert answer.json["detail"].endswith(".")


def test_a_number_of_another_reseller_is_not_found(program):
    assert program.get("/dids/3333").status == 404


def test_pages_follow_one_another_without_gaps(program, owner):
    everything = numbers(program.get("/dids"))
    for sort in ("number", "-number", "status", "-client", "notes", "id", "tag", "operator", "reseller"):
        at_once = numbers(program.get("/dids", sort=sort))
        assert sorted(at_once) == sorted(everything)
        found, answer = [], program.get("/dids", sort=sort, limit=5)
        found += numbers(answer)
        while following := answer.json["next"]:
            answer = program.get(following)
            found += numbers(answer)
        assert found == at_once, sort


def test_the_next_page_goes_on_although_its_cursor_is_deleted(program, owner):
    first = program.get("/dids", status="reserved", limit=2)
    assert numbers(first) == ["111", "112"]
    DID.objects.filter(number="112").delete_unused(by=owner)
    assert numbers(program.get(first.json["next"])) == ["113", "114"]
    searched = program.get("/dids", q="111,113,114,115", limit=2)
    DID.objects.filter(number="113").delete_unused(by=owner)
    assert numbers(program.get(searched.json["next"])) == ["114", "115"]


@pytest.mark.parametrize(
    "query", ["", "status=reserved&status=hold", "q=25", "q=11*", "client_name=rose", "q=111,112,2567"]
)
def test_a_list_has_the_rows_of_the_screen(program, owner, query):
    shown = client_of(owner).get(f"/dids/?{query}").context["listing"]
    answer = program.get(f"/dids?{query}&count=true")
    assert numbers(answer) == [row.number for row in shown.rows]
    assert answer.json["count"] == shown.total


@pytest.mark.parametrize("query", ["", "&sort=status", "&sort=-number", "&q=11*"])
def test_a_status_that_is_named_twice_finds_each_number_once(program, owner, query):
    once = program.get(f"/dids?status=reserved&count=true{query}")
    twice = program.get(f"/dids?status=reserved&status=reserved&count=true{query}")
    assert numbers(twice) == numbers(once) != []
    assert twice.json["count"] == once.json["count"]
    shown = client_of(owner).get(f"/dids/?status=reserved&status=reserved{query}").context["listing"]
    assert [row.number for row in shown.rows] == numbers(once)
    assert shown.total == once.json["count"]


FILTERS = {
    "status": ["active", "hold", "blocked", "instock", "reserved", "archive"],
    "q": ["25", "=2567", "11*", "*8", "111-114", "111,113,2567", "998", "256 999"],
    "match": ["begins", "ends", "exact"],
    "operator": ["operator", "operator_2"],
    "reseller": ["reseller", "reseller_2"],
    "client": ["client"],
    "tag": ["Gold", "silver"],
    "client_name": ["rose"],
    "operator_name": ["did"],
    "sort": ["number", "-number", "id", "status", "-operator", "tag", "-notes", "client", "reseller"],
}


@st.composite
def queries(draw, world):
    pairs = []
    for name in draw(st.lists(st.sampled_from([*FILTERS]), max_size=4, unique=True)):
        value = draw(st.sampled_from(FILTERS[name]))
        record = getattr(world, value, None) if name in ("operator", "reseller", "client") else None
        pairs.append((name, record.pk if record else value))
    return urlencode(pairs)


def test_a_list_has_the_rows_of_the_screen_for_any_filter_and_user(
    api, world, owner, stranger, viewer, administrator
):
    DID.objects.filter(number__in=["111", "2567"]).edit(by=administrator, tags=["Gold"], notes="first")
    DID.objects.filter(number__in=["112", "3333"]).edit(by=administrator, tags=["Gold", "silver"])
    people = [(client_of(user), api(user)) for user in (owner, stranger, viewer, administrator)]

    @settings(max_examples=scaled(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(query=queries(world), person=st.sampled_from(people), limit=st.integers(1, 20))
    def check(query, person, limit):
        browser, program = person
        listing = browser.get(f"/dids/?{query}&per_page=100").context["listing"]
        answer = program.get(f"/dids?{query}&limit={limit}&count=true")
        if not listing.valid:
            assert answer.status == 422
            return
        found = numbers(answer)
        assert answer.json["count"] == listing.total
        while answer.json["next"]:
            answer = program.get(answer.json["next"])
            found += numbers(answer)
        assert found == [row.number for row in listing.rows]

    check()


def test_only_the_named_fields_are_told(program):
    answer = program.get("/dids", fields="number,country,changed_at", limit=1)
    assert list(answer.items[0]) == ["number", "country", "changed_at"]


def test_numbers_are_found_by_country_type_and_area(program, world):
    new = ["442079460001", "447400123456", "14165550100"]
    DID.objects.create_numbers(new, operator=world.operator, by=SYSTEM)
    found = program.get("/dids", country="GB", area="london", fields="number,country_code,country,area,type")
    assert found.items == [
        {
            "number": "442079460001",
            "country_code": "GB",
            "country": "United Kingdom",
            "area": "London",
            "type": "geographic",
        }
    ]
    assert numbers(program.get("/dids", country="GB")) == new[:2]
    assert numbers(program.get("/dids?type=mobile&type=tollfree")) == [new[1]]
    short = program.get("/dids", country="unknown", fields="country,country_code,area,type", limit=1)
    assert short.items == [dict.fromkeys(("country", "country_code", "area", "type"))]


@pytest.mark.parametrize(
    ("query", "pointer", "sentence"),
    [
        ("stauts=hold", "?stauts", "There is no parameter “stauts”; did you mean “status”?"),
        ("page=2", "?page", "There is no parameter “page”"),
        ("status=gone", "?status", "There is no status “gone”."),
        ("limit=0", "?limit", "Enter a whole number from 1 to 1,000."),
        ("limit=1001", "?limit", "Enter a whole number from 1 to 1,000."),
        ("fields=number,colour", "?fields", "There is no field “colour”. Use some of id, number"),
        ("sort=colour", "?sort", "Sort: there is no column “colour”."),
        ("after=x", "?after", "This is not a cursor of this list."),
        ("q=2567&after=x", "?after", "This is not a cursor of this list."),
        ("count=many", "?count", "“many” is neither true nor false."),
        ("operator=1&limit=1&limit=2", "?limit", "The parameter “limit” takes one value"),
    ],
)
def test_an_invalid_parameter_is_refused_with_its_name(program, query, pointer, sentence):
    answer = program.get(f"/dids?{query}")
    assert (answer.status, answer.json["code"]) == (422, "invalid")
    assert answer.errors[pointer].startswith(sentence)


def test_a_number_is_not_sent_again_to_a_client_that_has_it(program, world, owner):
    first = program.get("/dids/2567")
    tag = first.headers["ETag"]
    again = program.get("/dids/2567", headers={"If-None-Match": tag})
    assert (again.status, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert program.get("/dids/2567", headers={"If-None-Match": f"W/{tag}"}).status == 304
    world.operator.name = "Renamed"
    world.operator.record(by=owner, fields=["name"])
    renamed = program.get("/dids/2567", headers={"If-None-Match": tag})
    assert (renamed.status, renamed.json["operator"]["name"]) == (200, "Renamed")
    assert renamed.headers["ETag"].partition("-")[0] == tag.partition("-")[0]  # the number is as it was
    DID.objects.filter(number="2567").edit(by=owner, notes="new")
    edited = program.get("/dids/2567", headers={"If-None-Match": renamed.headers["ETag"]})
    assert (edited.status, edited.json["notes"]) == (200, "new")


def test_queries_do_not_grow_with_the_page(program, django_assert_max_num_queries):
    program.get("/dids", limit=10)
    with django_assert_max_num_queries(9):
        program.get("/dids", limit=10)
    with django_assert_max_num_queries(7):
        program.get("/dids/2567")
