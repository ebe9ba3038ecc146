"""Which numbers have pattern marks: known ones, and the notation against a reading of each tail."""

from contextlib import suppress
from itertools import pairwise, product

import pytest
from hypothesis import example as with_example
from hypothesis import given
from hypothesis import strategies as st

from dids.numbering import patterns
from dids.numbering.patterns import PatternError, Suggestion, tails

# Numbers and the rule of ``SUGGESTED`` that marks them, by position, with the length of the tail. By hand.
KNOWN = {
    # 1: four or more alike
    "33199000000": (1, 4),
    "33199007777": (1, 4),
    "442079461111": (1, 4),
    "442079999999": (1, 4),
    "12125559999": (1, 4),
    "4444": (1, 4),
    "390699995555": (1, 4),
    # 2: a ladder of four or more, up and down
    "442079460123": (2, 4),
    "442079464567": (2, 4),
    "442079466789": (2, 4),
    "442079469876": (2, 4),
    "442079463210": (2, 4),
    "442079465432": (2, 4),
    "12123456789": (2, 4),
    "2345": (2, 4),
    "49309876543": (2, 4),
    # 3: a word on the keypad
    "33199008294": (3, 4),  # TAXI
    "33199004663": (3, 4),  # HOME
    "33199005683": (3, 4),  # LOVE
    "33199074992": (3, 5),  # PIZZA
    "12125557467": (3, 4),  # SHOP
    "12125557253": (3, 4),  # SALE
    "18003569377": (3, 7),  # FLOWERS
    "18007877678": (3, 7),  # SUPPORT
    "44207946835": (3, 5),  # HOTEL
    "4357": (3, 4),  # HELP
    "442079462255": (3, 4),  # CALL, which is also two pairs: the first rule counts
    "1800263333": (1, 4),  # COFFEE ends in four alike
    # 4: three alike
    "442079460777": (4, 3),
    "442079461000": (4, 3),
    "12125550222": (4, 3),
    "333": (4, 3),
    "49301234999": (4, 3),
    # 5: two pairs
    "33199004455": (5, 4),
    "33199007744": (5, 4),
    "33199000011": (5, 4),
    "33199009900": (5, 4),
    "1122": (5, 4),
    # 6: a mirror of four
    "33199004774": (6, 4),
    "33199001001": (6, 4),
    "33199000990": (6, 4),
    "442079469119": (6, 4),
    "33199000770": (6, 4),
    # 7: a repeated pair
    "33199004747": (7, 4),
    "33199001212": (7, 4),
    "33199000909": (7, 4),
    "442079460101": (7, 4),
    # 8: a round hundred
    "33199004300": (8, 2),
    "12125550100": (8, 2),
    "00": (8, 2),
    "500": (8, 2),
    # none
    "442079460177": None,
    "442079460123456780": None,
    "33199008901": None,  # 8, 9, 0, 1 is no ladder
    "33199000987": None,
    "33199001098": None,
    "33199000912": None,
    "33199001357": None,
    "33199004744": None,
    "33199007742": None,
    "12125550199": None,
    "0": None,
    "7": None,
    "77": None,
    "123": None,
    "10": None,
}


def compiled():
    return [
        (position, tails(rule.kind, rule.text, patterns.SUGGESTED_WORDS))
        for position, rule in enumerate(patterns.SUGGESTED, start=1)
    ]


def test_known_numbers_have_the_marks_written_down_by_hand():
    rules = compiled()
    assert len(KNOWN) >= 60
    assert {number: patterns.match(number, rules) for number in KNOWN} == KNOWN


def test_the_first_rule_counts_and_its_longest_tail():
    rules = [("two", frozenset({"00"})), ("more", frozenset({"000", "0000"}))]
    assert patterns.match("5000", rules) == ("two", 2)
    assert patterns.match("5000", rules[1:]) == ("more", 3)
    assert patterns.match("0000", rules[1:]) == ("more", 4)


# --- the notation

PLACE = st.sampled_from("AABBCDEZ0017x")


def fits(tail, pattern):
    """Whether a tail is what the notation says, read place by place."""
    if len(tail) != len(pattern):
        return False
    digit_of = {}
    for digit, place in zip(tail, pattern, strict=True):
        if place.isdigit() and digit != place:
            return False
        if place.isupper() and digit_of.setdefault(place, digit) != digit:
            return False
    return len(set(digit_of.values())) == len(digit_of)


@given(st.text(PLACE, min_size=2, max_size=4))
@with_example("A0A0")
@with_example("AAxA")
def test_a_pattern_stands_for_the_tails_that_fit_it(pattern):
    every = ("".join(digits) for digits in product("0123456789", repeat=len(pattern)))
    if set(pattern) == {"x"}:
        with pytest.raises(PatternError, match="would mark every number"):
            tails("pattern", pattern)
    else:
        assert tails("pattern", pattern) == {tail for tail in every if fits(tail, pattern)}


@given(st.text(PLACE, min_size=2, max_size=8))
def test_a_pattern_has_a_limited_number_of_tails_or_is_refused(pattern):
    with suppress(PatternError):
        found = tails("pattern", pattern)
        assert 0 < len(found) <= patterns.TAILS_MOST
        assert all(fits(tail, pattern) for tail in found)
        assert "".join(patterns.example("pattern", pattern)).endswith(tuple(found))


def test_a_pattern_at_the_limit_is_taken_and_the_next_larger_one_is_not():
    assert len(tails("pattern", "xxxx0")) == 10_000
    with pytest.raises(PatternError, match="stands for 30,240 ends of numbers, and a rule may have 20,000"):
        tails("pattern", "ABCDE")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "“” is not a pattern. Use capital letters"),
        ("aabb", "“aabb” is not a pattern"),
        ("AA BB", "“AA BB” is not a pattern"),
        ("ÄÄ", "“ÄÄ” is not a pattern"),
        ("٣٣", "“٣٣” is not a pattern"),
        ("A", "“A” has 1 place. Write 2 to 8."),
        ("AAAAAAAAA", "“AAAAAAAAA” has 9 places. Write 2 to 8."),
        ("xxx", "“xxx” would mark every number. Write at least one letter or digit."),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_to_do(text, says):
    with pytest.raises(PatternError) as refused:
        tails("pattern", text)
    assert says in str(refused.value)


# --- ladders and words


@pytest.mark.parametrize("steps", [3, 4, 8])
def test_a_ladder_goes_up_or_down_by_one_and_never_past_nine(steps):
    every = ("".join(digits) for digits in product("0123456789", repeat=steps)) if steps < 5 else None
    found = tails("ladder", str(steps))
    assert len(found) == 2 * (10 - steps + 1)
    for tail in found:
        assert {int(b) - int(a) for a, b in pairwise(tail)} in ({1}, {-1})
    if every:
        assert found == {
            tail for tail in every if {int(b) - int(a) for a, b in pairwise(tail)} in ({1}, {-1})
        }


@pytest.mark.parametrize("text", ["", "2", "9", "10", "four", "-4", "٤", "4.0"])
def test_a_ladder_of_another_length_is_refused(text):
    with pytest.raises(PatternError, match="Enter a number from 3 to 8"):
        tails("ladder", text)


def test_words_are_read_on_the_keypad():
    assert tails("words", "", ["ADGJMPTW", "bfi", " covz "]) == {"23456789", "234", "2689"}
    assert tails("words", "", ["PQRS", "WXYZ"]) == {"7777", "9999"}
    assert tails("words", "") == frozenset()


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "“” has characters that are on no key"),
        ("CAFÉ", "“CAFÉ” has characters that are on no key. Use the letters A to Z alone."),
        ("TAXI1", "“TAXI1” has characters that are on no key"),
        ("AB", "“AB” has 2 letters. Write 3 to 8."),
        ("TELEPHONE", "“TELEPHONE” has 9 letters. Write 3 to 8."),
    ],
)
def test_what_is_no_word_is_refused_with_what_to_do(word, says):
    with pytest.raises(PatternError) as refused:
        patterns.read_word(word)
    assert says in str(refused.value)


# --- the numbers of wanted classes as bits

DIGITS_OF_TAILS = st.text("01", min_size=2, max_size=8)


@given(
    st.dictionaries(DIGITS_OF_TAILS, st.booleans(), max_size=20),
    st.booleans(),
    st.integers(1, 9).flatmap(lambda digits: st.text("01", min_size=digits, max_size=digits)),
)
def test_the_longest_tail_of_a_number_says_whether_its_bit_is_set(ends, others, number):
    bits = patterns.TailBits(ends.items(), others=others).of(len(number), number[:-4])
    longest = next((number[start:] for start in range(len(number)) if number[start:] in ends), None)
    assert bits >> int(number[-4:]) & 1 == (others if longest is None else ends[longest])


# --- the suggestions


def test_the_suggested_words_are_spelled_differently_on_the_keypad():
    words = patterns.SUGGESTED_WORDS
    assert len(words) == len({patterns.to_digits(word) for word in words}) == 48
    assert [patterns.read_word(word) for word in words] == sorted(words)


@pytest.mark.parametrize("rule", patterns.SUGGESTED, ids=lambda rule: rule.text or rule.kind)
def test_the_example_of_a_suggested_rule_has_its_mark(rule: Suggestion):
    head, tail = patterns.example(rule.kind, rule.text, ["LOVE"])
    found, length = patterns.match(head + tail, compiled())
    assert patterns.SUGGESTED[found - 1] == rule
    assert length == len(tail)
    assert (head + tail).startswith("33199") and len(head + tail) == 11


def test_a_rule_of_words_without_words_has_no_example():
    assert patterns.example("words", "") == ("", "")
