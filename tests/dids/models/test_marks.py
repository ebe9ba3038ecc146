"""Which numbers have a mark: the table that triggers and the job keep, compared with plain Python."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from audit import SYSTEM
from audit.models import Change
from dids.history.undo.undo import Undo
from dids.models import DID, Mark, PatternRule, PatternTail
from dids.models.marks import compiled, mark_again, rules_in_force, tail_length, write_tails
from dids.numbering.patterns import SUGGESTED, SUGGESTED_WORDS, match, tails
from tests.carrier import carrier, numbers_in
from tests.dids.models.test_counters import execute
from tests.examples import scaled

pytestmark = pytest.mark.django_db

# {number: the class and text of the suggested rule that marks it}; None for no mark
KNOWN = {
    "33199000000": ("gold", "AAAA"),
    "331990077777": ("gold", "AAAA"),
    "442079460123": ("gold", "4"),
    "442079469876": ("gold", "4"),
    "33199005683": ("gold", ""),  # LOVE
    "442079460777": ("silver", "AAA"),
    "33199004455": ("silver", "AABB"),
    "33199004774": ("silver", "ABBA"),
    "33199004747": ("bronze", "ABAB"),
    "33199004300": ("bronze", "00"),
    "33199001100": ("silver", "AABB"),  # and a round hundred
    "33199008294": ("gold", ""),  # TAXI
    "33199007777": ("gold", "AAAA"),  # and three alike
    "00": ("bronze", "00"),
    "000": ("silver", "AAA"),
    "0000": ("gold", "AAAA"),
    "442079460177": None,
    "33199004316": None,
    "7": None,
    "77": None,
}


def set_rules(rules, words=()):
    """Put (class, kind, text) into force in this order and mark all numbers."""
    PatternRule.objects.update(position=None)
    made = [
        PatternRule.objects.create(position=n, mark_class=one, kind=kind, text=text, name=text or kind)
        for n, (one, kind, text) in enumerate(rules)
    ]
    write_tails(compiled(made, words))
    mark_all()
    return made


def mark_all(at_once=7):
    after = 0
    while after is not None:
        with transaction.atomic():
            after, _ = mark_again(after, at_once)


def marks():
    """Return {number: (class, text) of its mark} as stored, None without one."""
    stored = {
        number: (one, text)
        for number, one, text in Mark.objects.values_list("number", "rule__mark_class", "rule__text")
    }
    return {
        number: stored.pop(number, None) for number in DID.objects.values_list("number", flat=True)
    } | stored


def plain(words=()):
    """Return the same by reading each number in Python."""
    rules = [(rule, tails(rule.kind, rule.text, words)) for rule in rules_in_force()]
    found = {number: match(number, rules) for number in DID.objects.values_list("number", flat=True)}
    return {number: one and (one[0].mark_class, one[0].text) for number, one in found.items()}


def suggested():
    return set_rules([(one.mark_class, one.kind, one.text) for one in SUGGESTED], SUGGESTED_WORDS)


def test_new_numbers_have_the_mark_of_the_first_rule():
    suggested()
    numbers_in("instock", sorted(KNOWN), carrier())
    assert marks() == KNOWN


def test_numbers_there_are_get_their_marks_when_the_rules_change():
    numbers_in("instock", sorted(KNOWN), carrier())
    assert not Mark.objects.exists()
    suggested()
    assert marks() == KNOWN
    set_rules([("bronze", "pattern", "77")])
    assert {number for number, one in marks().items() if one} == {
        "331990077777",
        "442079460777",
        "33199007777",
        "442079460177",
        "77",
    }
    set_rules([])
    assert not Mark.objects.exists()


def test_a_number_with_other_digits_or_none_has_another_mark_or_none():
    suggested()
    numbers_in("instock", ["33199000000", "33199004316", "33199004747"], carrier())
    execute("UPDATE dids_did SET number = '33199004317' WHERE number = '33199000000'")
    execute("UPDATE dids_did SET number = '33199001111' WHERE number = '33199004316'")
    DID.objects.filter(number="33199004747").delete_unused(by=SYSTEM)
    assert marks() == {"33199004317": None, "33199001111": ("gold", "AAAA")}


def test_a_deletion_that_is_undone_brings_the_mark_back():
    suggested()
    world = carrier()
    numbers_in("instock", ["33199000000"], world)
    DID.objects.all().delete_unused(by=SYSTEM)
    assert not Mark.objects.exists()

    Undo(Change.objects.latest("pk"), by=SYSTEM).run()
    assert marks() == {"33199000000": ("gold", "AAAA")}


def test_the_digits_of_a_mark_are_those_of_the_longest_tail():
    gold, *_ = suggested()
    assert tail_length("33199007777", gold.pk) == 4
    assert tail_length("33199004316", gold.pk) == 0


def test_tails_that_an_earlier_rule_decides_are_left_out():
    set_rules([("gold", "pattern", "00"), ("silver", "pattern", "AAAA"), ("bronze", "pattern", "x0")])
    stored = set(PatternTail.objects.filter(length__gt=0).values_list("tail", flat=True))
    assert "0000" not in stored
    assert {"00", "10", "1111"} <= stored


patterns = (
    some.lists(some.sampled_from("AABBC0017x"), min_size=2, max_size=5)
    .map("".join)
    .filter(lambda text: set(text) != {"x"})
)
rules = some.lists(
    some.tuples(
        some.sampled_from(["gold", "silver", "bronze"]),
        some.one_of(
            some.tuples(some.just("pattern"), patterns),
            some.tuples(some.just("ladder"), some.sampled_from("345")),
            some.tuples(some.just("words"), some.just("")),
        ),
    ).map(lambda one: (one[0], *one[1])),
    max_size=5,
)
words = some.lists(some.text("ABCDEF", min_size=3, max_size=4), max_size=3, unique=True)
digits = some.text("0017", min_size=1, max_size=7)


class RollBackError(Exception):
    """Undo the writes of one example."""


@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=rules,
    second=rules,
    words=words,
    before=some.sets(digits, min_size=1, max_size=20),
    after=some.sets(digits, max_size=12),
    renamed=some.text("0123", min_size=1, max_size=6),
)
def test_whatever_is_written_marks_are_what_a_plain_reading_finds(
    db, first, second, words, before, after, renamed
):
    try:
        with transaction.atomic():
            new = {"operator": carrier().operator, "by": SYSTEM}
            set_rules(first, words)
            DID.objects.create_numbers(sorted(before), **new)
            assert marks() == plain(words)
            set_rules(second, words)
            assert marks() == plain(words)
            DID.objects.create_numbers(sorted(after | before), **new)
            DID.objects.filter(number__in=sorted(before)[::3]).delete_unused(by=SYSTEM)
            if not DID.objects.filter(number=renamed).exists() and (one := DID.objects.first()):
                execute(f"UPDATE dids_did SET number = '{renamed}' WHERE id = {one.pk}")
            assert marks() == plain(words)
            raise RollBackError
    except RollBackError:
        pass
