"""Parameters of the list of numbers: the numbers they find and the values they refuse."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from audit import SYSTEM
from clients.models import Account, Client, Reseller
from dids.lists import filters
from dids.lists.filters import DIDFilter
from dids.models import DID, Tag
from operators.models import Operator
from tests.carrier import numbers_in

pytestmark = pytest.mark.django_db

ALL = {
    "12568", "2568", "2567", "2563", "12567", "256999", "3333", "111", "112", "113", "114", "115", "116",
}  # fmt: skip


def make_filterset(query, user):
    return DIDFilter(QueryDict(query), DID.objects.visible_to(user), user=user)


@pytest.fixture
def found(world, viewer):
    """Return ``find(query, user=viewer)``, which returns the set of numbers found."""

    def find(query, user=viewer):
        filterset = make_filterset(query, user)
        assert filterset.is_valid(), filterset.errors
        numbers = set(filterset.qs.values_list("number", flat=True))
        assert filterset.total == len(numbers), "the total is not the number of rows"
        return numbers

    return find


@pytest.fixture
def refused(world, viewer):
    """Return ``find(query, user=viewer)``, which returns {parameter: errors}."""

    def find(query, user=viewer):
        filterset = make_filterset(query, user)
        assert not filterset.is_valid()
        return {name: [str(error) for error in errors] for name, errors in filterset.errors.items()}

    return find


# --- the number search -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("q=256", {"12567", "12568", "2563", "2567", "2568", "256999"}),
        ("q=256&match=contains", {"12567", "12568", "2563", "2567", "2568", "256999"}),
        ("q=256&match=begins", {"2563", "2567", "2568", "256999"}),
        ("q=11&match=begins", {"111", "112", "113", "114", "115", "116"}),
        ("q=9&match=begins", set()),
        ("q=67&match=ends", {"2567", "12567"}),
        ("q=2567&match=exact", {"2567"}),
        ("q=256&match=exact", set()),
        ("q=*67", {"2567", "12567"}),
        ("q=256*", {"2563", "2567", "2568", "256999"}),
        ("q==2567", {"2567"}),
        ("q=111-114", {"111", "112", "113", "114"}),
        ("q=2500-2567", {"2563", "2567"}),
        ("q=111,116%0A3333;4711", {"111", "116", "3333"}),
        ("q=111 116 3333", {"111", "116", "3333"}),
        ("q=25 67", {"2567", "12567"}),
        ("q=%2B25-67 &match=exact", {"2567"}),
        ("q=(25) 6.9/99", {"256999"}),
        ("q=", ALL),
        ("q= ", ALL),
        ("match=begins", ALL),
    ],
)
def test_the_search_box_finds_numbers(found, query, numbers):
    assert found(query.replace("+", "%2B").replace(" ", "+")) == numbers


def test_a_range_finds_only_numbers_of_its_length(found, world):
    DID.objects.create_numbers(["1111", "1125", "11"], operator=world.operator, by=SYSTEM)
    assert found("q=111-113") == {"111", "112", "113"}


def test_begins_finds_numbers_that_end_in_nines(found, world):
    DID.objects.create_numbers(["99", "990", "9999"], operator=world.operator, by=SYSTEM)
    assert found("q=99&match=begins") == {"99", "990", "9999"}


def test_digits_of_other_scripts_match_ascii_digits(found):
    assert found("q=٢٥٦٧&match=exact") == {"2567"}


@pytest.mark.parametrize("q", ["abc", "256a", "%00", "1" * 21, "222-111", "1*1"])
def test_an_invalid_search_is_an_error_that_names_it(refused, q):
    (error,) = refused(f"q={q}")["q"]
    assert q in error or q == "%00"


def test_a_list_can_only_be_searched_for_whole_numbers(refused):
    assert "list" in refused("q=111,112&match=begins")["q"][0]


# --- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=active", {"2567"}),
        ("status=hold", {"2563"}),
        ("status=active&status=blocked", {"2567", "2568"}),
        ("status=reserved", {"12568", "111", "112", "113", "114", "115", "116"}),
        ("status=", ALL),
        ("status=&status=archive", {"12567"}),
    ],
)
def test_status_finds_numbers(found, query, numbers):
    assert found(query) == numbers


@pytest.fixture
def overdue(world):
    """Let the hold of 2563 end without the worker having released the number."""
    DID.objects.filter(number="2563").update(hold_until=timezone.now() - timedelta(seconds=1))


def test_an_overdue_hold_is_found_by_its_status_after_hold(found, overdue):
    assert found("status=hold") == set()
    assert found("status=instock") == {"256999", "3333", "2563"}
    assert found("status=hold&status=instock") == {"256999", "3333", "2563"}
    assert found("status=active") == {"2567"}
    assert found("q=2563&status=instock") == {"2563"}


def test_an_overdue_hold_has_no_client(found, overdue, world):
    assert found(f"client={world.client.pk}") == {"2567", "2568"}
    assert found(f"client={world.client.pk}&status=hold") == set()


@pytest.mark.parametrize(
    "query", ["", "q=256", "q=25&match=begins", "reseller={reseller}", "client={client}"]
)
@pytest.mark.parametrize("late", [False, True])
def test_counters_equal_the_number_of_rows(world, viewer, query, late, request):
    if late:
        request.getfixturevalue("overdue")
    query = query.format(reseller=world.reseller.pk, client=world.client.pk)
    counters = make_filterset(query, viewer)
    assert counters.is_valid()
    for status, count in counters.by_status.items():
        assert count == make_filterset(f"{query}&status={status}", viewer).qs.count(), status
    assert sum(counters.by_status.values()) == counters.qs.count() > 0


def test_counters_show_the_matches_of_other_statuses(world, viewer):
    filterset = make_filterset("status=active", viewer)
    assert filterset.is_valid()
    assert (filterset.total, filterset.by_status["reserved"]) == (1, 7)


# --- operator, reseller, client, tag ----------------------------------------------------------------


def test_operators_find_their_numbers(found, world):
    assert found(f"operator={world.operator_2.pk}") == {"3333"}
    assert found(f"operator={world.operator.pk}") == ALL - {"3333"}
    assert found(f"operator={world.operator.pk}&operator={world.operator_2.pk}") == ALL
    assert found(f"operator={world.operator_2.pk}&status=active") == set()


def test_a_reseller_finds_the_numbers_of_its_operators(found, world):
    assert found(f"reseller={world.reseller_2.pk}") == {"3333"}
    assert found(f"reseller={world.reseller_2.pk}&operator={world.operator.pk}") == set()
    assert found(f"reseller={Reseller.objects.create(name='New').pk}") == set()


def test_a_client_finds_its_numbers(found, world):
    assert found(f"client={world.client.pk}") == {"2567", "2568", "2563"}
    assert found(f"client={world.client.pk}&status=hold") == {"2563"}
    other = Client.objects.create(reseller=world.reseller, name="Lily")
    Account.objects.create(client=other, name="lily")
    assert found(f"client={other.pk}") == set()
    assert found(f"client={other.pk}&client={world.client.pk}") == {"2567", "2568", "2563"}


def test_tags_find_numbers_with_any_of_them(found, world):
    DID.objects.filter(number__in=["111", "112"]).edit(by=SYSTEM, tags=["gold", "vip"])
    DID.objects.filter(number="3333").edit(by=SYSTEM, tags=["old, gold"])
    assert found("tag=gold") == {"111", "112", "3333"}
    assert found("tag=vip") == {"111", "112"}
    assert found("tag=vip&tag=old") == {"111", "112", "3333"}
    assert found("tag=gold&q=11&match=begins") == {"111", "112"}


@pytest.mark.parametrize("common", [0, 1_000], ids=["common", "rare"])
def test_a_client_and_tags_find_its_numbers_with_any_of_them(found, world, monkeypatch, common):
    monkeypatch.setattr(filters, "COMMON_TAG", common)
    DID.objects.filter(number__in=["111", "2567", "2563"]).edit(by=SYSTEM, tags=["gold", "vip"])
    DID.objects.filter(number="2568").edit(by=SYSTEM, tags=["old"])
    client = f"client={world.client.pk}"
    assert found(f"{client}&tag=gold") == {"2567", "2563"}
    assert found(f"{client}&tag=vip&tag=old") == {"2567", "2568", "2563"}
    assert found(f"{client}&tag=gold&status=hold") == {"2563"}
    Tag.objects.create(name="unused")
    assert found(f"{client}&tag=unused") == set()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("status=hodl", "There is no status “hodl”."),
        ("status=active&status=hodl", "There is no status “hodl”."),
        ("status=Active", "There is no status “Active”."),
        ("operator=999", "There is no operator “999”."),
        ("operator=x", "There is no operator “x”."),
        ("operator=99999999999999999999", "There is no operator “99999999999999999999”."),
        ("operator=%00", "There is no operator “ ”."),
        ("reseller=999", "There is no reseller “999”."),
        ("reseller=99999999999999999999", "There is no reseller “99999999999999999999”."),
        ("client=-1", "There is no client “-1”."),
        ("tag=nosuch", "There is no tag “nosuch”."),
        ("tag=a%00b", "There is no tag “a b”."),
        ("match=fuzzy", "There is no match type “fuzzy”."),
    ],
)
def test_an_unknown_value_is_an_error_that_names_it(refused, query, error):
    parameter = query.partition("=")[0]
    assert refused(query) == {parameter: [error]}


def test_records_of_another_reseller_are_unknown(refused, world, stranger):
    DID.objects.filter(number="111").edit(by=SYSTEM, tags=["theirs"])
    DID.objects.filter(number="3333").edit(by=SYSTEM, tags=["ours"])
    for parameter, value, noun in (
        ("operator", world.operator.pk, "operator"),
        ("reseller", world.reseller.pk, "reseller"),
        ("client", world.client.pk, "client"),
        ("tag", "theirs", "tag"),
    ):
        errors = refused(f"{parameter}={value}", stranger)
        assert errors == {parameter: [f"There is no {noun} “{value}”."]}


def test_a_user_of_a_reseller_finds_only_its_numbers(found, world, stranger):
    DID.objects.filter(number__in=["111", "3333"]).edit(by=SYSTEM, tags=["shared"])
    for query in ("", "status=instock", "q=3", "tag=shared", f"operator={world.operator_2.pk}"):
        assert found(query, stranger) == {"3333"}


def test_many_operators_cost_no_more_queries(world, viewer, django_assert_num_queries):
    more = [Operator.objects.create(reseller=world.reseller, name=f"Op {n}") for n in range(30)]
    world.operator = more[-1]
    numbers_in("instock", ["777"], world)
    query = "&".join(f"operator={operator.pk}" for operator in more)
    with django_assert_num_queries(6):
        filterset = make_filterset(f"{query}&status=instock", viewer)
        assert filterset.is_valid()
        assert list(filterset.qs.values_list("number", flat=True)) == ["777"]
        assert filterset.total == 1


def test_filters_of_several_people_share_nothing_that_depends_on_a_person(world, owner, viewer):
    """Fields are shared by all forms of a filter, but not their rows, nor what a filter adds to its own."""
    foreign = Operator.objects.exclude(reseller=owner.reseller).first()
    query = f"operator={foreign.pk}"
    for_owner, for_viewer, again = (make_filterset(query, user) for user in (owner, viewer, owner))
    assert [one.form.is_valid() for one in (again, for_viewer, for_owner)] == [False, True, False]
    fields = for_owner.form.fields, for_viewer.form.fields
    for_owner.form.fields["operator"].widget.load_from("/elsewhere/")
    for name in ("operator", "client", "tag", "reseller", "change"):
        one, other = (some[name] for some in fields)
        assert one is not other and one.widget is not other.widget
        assert "/elsewhere/" not in other.widget.attrs.values()
    assert fields[0]["q"] is fields[1]["q"]
    assert not for_viewer.form.cleaned_data["client"]
