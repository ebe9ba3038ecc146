"""Filter by mark: the numbers whose mark a plain reading finds, on every page in every order."""

import random

import pytest
from django.http import QueryDict

from didmgmt import clock
from dids import marks
from dids.lists import filters, keyset
from dids.lists import listing as lists
from dids.lists.columns import rows_with_columns
from dids.lists.keyset import FilteredScans
from dids.models import DID, Mark, MarkState, PatternRule
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.dids.lists.test_keyset import SORTS, check_pages, page_at
from tests.dids.models.test_marks import marks as marks_stored
from tests.dids.models.test_marks import set_rules, suggested
from tests.world import member

pytestmark = pytest.mark.django_db
HEADS = "4420791 4420792 4420793 4420794 331990 331991 1212 1213".split()
FILTERS = [
    "mark=any",
    "mark=gold",
    "mark=silver&mark=bronze",
    "mark=none",
    "mark=gold&mark=none",
    "mark=any&mark=none",
    "mark_rule=AAA",
    "mark_rule=00&mark=bronze",
]
FURTHER = [
    "",
    "&status=instock",
    "&tag=gold",
    "&status=hold&status=active",
    "&q=4*",
    "&country=GB",
    "&q=00",
    "&q=331990000000-331990009999",
]


@pytest.fixture(scope="module")
def inventory(module_db):
    dice, houses = random.Random(5), [carrier(did_limit=1_000), carrier("South", did_limit=1_000)]
    suggested()
    for house in houses:
        for status in ("instock", "reserved", "active", "hold"):
            tails = [
                *("".join(dice.choices("0017", k=4)) for _ in range(30)),
                *(f"{dice.randrange(10_000):04}" for _ in range(30)),
            ]
            numbers = {dice.choice(HEADS) + tail for tail in tails} | {
                str(dice.randrange(10, 1_000)) for _ in range(3)
            }
            taken = set(DID.objects.values_list("number", flat=True))
            numbers_in(status, sorted(numbers - taken), house, tags=dice.choice([[], ["gold"]]))


def numbers_of(query):
    """Return the numbers (texts) that a filter by mark means; ``mark_rule`` is the text of a rule."""
    query = QueryDict(query)
    wanted, text = query.getlist("mark") or ["any"], query.get("mark_rule")
    return sorted(
        number
        for number, mark in marks_stored().items()
        if (mark and ("any" in wanted or mark[0] in wanted) and text in (None, mark[1]))
        or (not mark and "none" in wanted and text is None)
    )


def address(query):
    """Return the address of the list with ``query``, of which a rule’s text becomes its id."""
    query = QueryDict(query, mutable=True)
    if text := query.get("mark_rule"):
        query["mark_rule"] = str(PatternRule.objects.get(text=text, position__isnull=False).pk)
    return f"/dids/?{query.urlencode()}"


def row_of(number):
    (row,) = rows_with_columns(
        [DID.objects.get(number=number).pk], ["mark"], member("Clerk", username="reader"), clock.now()
    )
    return row


@pytest.mark.parametrize("query", FILTERS)
def test_a_mark_has_the_numbers_of_its_rules(inventory, query):
    listing = page_at(member("Viewer"), address(query))
    expected = numbers_of(query)
    assert list(listing.matches.values_list("number", flat=True).order_by("number")) == expected
    assert listing.total == len(expected) > 10


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("counted", [False, True])
def test_pages_of_a_mark_are_the_sorted_list(inventory, administrator, sort, counted, monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)
    monkeypatch.setattr(keyset, "SKIP_MAX", 0)
    if counted:  # so that a filter with fewer numbers leads
        marks.count_marks(clock.now())
    dice = random.Random(sort)
    for query in FILTERS:
        _, _, parameters = address(f"{query}{dice.choice(FURTHER)}&per_page=20").partition("?")
        check_pages(administrator, parameters, sort)
    monkeypatch.setattr(filters, "COUNTED_TO", 5)
    assert page_at(administrator, f"/dids/?mark=any&sort={sort}").total == len(numbers_of("mark=any"))


def test_a_rule_of_another_class_has_no_numbers(inventory):
    for query in ("mark_rule=AAAA&mark=bronze", "mark_rule=AAAA&mark=none"):
        listing = page_at(member("Viewer", username=query), address(query))
        assert (listing.total, listing.keys, listing.errors) == (0, [], [])


def test_people_of_a_reseller_find_the_numbers_of_a_rule_in_their_branch(inventory):
    theirs = Operator.objects.get(name="South Telecom")
    person = member("Viewer", reseller=theirs.reseller)
    marks.count_marks(clock.now())
    listing = page_at(person, address("mark_rule=00"))
    mine = Mark.objects.filter(rule__text="00", did__operator=theirs)
    assert set(listing.matches.values_list("number", flat=True)) == {mark.number for mark in mine}
    counts = {rule.text: rule.numbers for rule in marks.pattern_rules(person).rules}
    assert listing.total == counts["00"] > 0


@pytest.mark.parametrize("value", ["0", "-1", "x", "9" * 30, "AAAA"])
def test_an_unknown_rule_is_refused(inventory, value):
    listing = page_at(member("Viewer"), f"/dids/?mark_rule={value}")
    assert listing.errors == [f"Pattern rule: There is no pattern rule “{value}”."]
    assert not listing.valid and listing.keys == []


def test_a_page_of_a_mark_reads_the_index_of_marks_unless_other_numbers_are_fewer(inventory):
    def scans(query):
        listing = page_at(member("Viewer", username=query), f"/dids/?{query}")
        return FilteredScans(listing.filterset, overdue=False).scans(10)

    assert {one.model for one in scans("mark=any&status=instock")} == {Mark}
    marks.count_marks(clock.now())
    assert {one.model for one in scans("mark=gold&status=instock")} == {Mark}
    assert [one.model for one in scans(address("mark_rule=AAA").partition("?")[2])] == [Mark]
    assert {one.model for one in scans("mark=none")} == {DID}
    assert {one.model for one in scans("mark=any&status=blocked")} == {DID}


def test_a_deleted_rule_marks_nothing_although_no_job_has_run(inventory, db):
    before, of_rule = set(numbers_of("mark=gold")), address("mark_rule=AAAA")
    gold = PatternRule.objects.get(text="AAAA")
    marks.delete_rule(gold.pk, by=member("Administrator"), version=MarkState.current().version)
    listing = page_at(member("Viewer"), "/dids/?mark=gold")
    assert set(listing.matches.values_list("number", flat=True)) < before
    refused = page_at(member("Viewer", username="late"), of_rule)
    assert refused.errors == [f"Pattern rule: There is no pattern rule “{gold.pk}”."]
    unmarked = page_at(member("Clerk"), "/dids/?mark=none").matches
    number = Mark.objects.filter(rule=gold).first().number
    assert unmarked.filter(number=number).exists()
    assert row_of(number).mark_class is None


def test_a_row_has_the_class_and_the_name_of_the_rule(inventory):
    number = Mark.objects.filter(rule__text="AAAA").first().number
    row = row_of(number)
    assert (row.mark_class, row.mark_name) == ("gold", "AAAA")


def test_without_rules_nothing_has_a_mark(inventory, db):
    set_rules([])
    viewer = member("Viewer")
    assert page_at(viewer, "/dids/?mark=gold").total == 0
    assert page_at(viewer, "/dids/?mark=any").keys == []
    assert page_at(viewer, "/dids/?mark=none").total == DID.objects.count()


def test_a_past_inventory_is_not_filtered_by_mark(db):
    viewer = member("Viewer")
    for query, noun in (("mark=gold", "the mark"), ("mark_rule=1", "a pattern rule")):
        listing = page_at(viewer, f"/dids/?as_of=2026-01-01T00:00&{query}")
        assert not listing.valid and f"can’t be filtered by {noun}" in " ".join(listing.errors)
