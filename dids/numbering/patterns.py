"""Pattern marks: which ends of numbers are special, such as repeats, ladders, mirrors and keypad words.

A rule looks at nothing but the end of a number, so it comes down to a finite set of *tails*: the number has
the mark if it ends in one of them. The database compares tails and never reads a pattern. Three kinds:

``pattern``  one place for each character: a capital letter is one digit, the same one wherever the letter
             stands, and different letters are different digits; a digit is itself, and a letter may be that
             digit, too; ``x`` is any digit. ``AABB`` is 7744 and not 7777, ``A0A0`` is 7070 and also 0000.
``ladder``   steps of one, up or down, of so many digits; it doesn’t go on from 9 to 0. A longer ladder ends
             in one of them as well.
``words``    words in the letters of a telephone keypad (ITU-T E.161): TAXI is 8294.
"""

import re
from collections.abc import Iterable
from math import perm
from typing import NamedTuple, TypeVar

from clients.classes import BRONZE, GOLD, SILVER
from didmgmt.text import count_noun, shorten
from dids.numbering.free_runs import BLOCK, TAIL

PATTERN, LADDER, WORDS = "pattern", "ladder", "words"
CLASSES = (GOLD, SILVER, BRONZE)

PLACES = range(2, 9)  # of a pattern
STEPS = range(3, 9)  # of a ladder
LETTERS = range(3, 9)  # of a word
TAILS_MOST = 20_000  # of one rule
WORDS_MOST = 500

DIGITS = "0123456789"
ANY = "x"
_KEYS = {"2": "ABC", "3": "DEF", "4": "GHI", "5": "JKL", "6": "MNO", "7": "PQRS", "8": "TUV", "9": "WXYZ"}
_KEYPAD = str.maketrans({letter: digit for digit, letters in _KEYS.items() for letter in letters})
_PATTERN = re.compile(r"[A-Z0-9x]+")
_WORD = re.compile(r"[A-Z]+")
# France keeps the numbers that begin so for works of fiction.
_EXAMPLE = "33199004316"
_EXAMPLE_DIGITS = "7428350196"  # for the letters of a pattern in their order


Rule = TypeVar("Rule")


class PatternError(ValueError):
    """A rule that can't be read; ``str()`` is a sentence for users that says what to do."""


class Suggestion(NamedTuple):
    """A rule: ``text`` is its pattern, or the digits of its ladder, or "" for the list of words."""

    mark_class: str
    kind: str
    text: str
    name: str


SUGGESTED = (
    Suggestion(GOLD, PATTERN, "AAAA", "Four or more alike at the end"),
    Suggestion(GOLD, LADDER, "4", "Ladder of four or more at the end"),
    Suggestion(GOLD, WORDS, "", "Keypad word of your list"),
    Suggestion(SILVER, PATTERN, "AAA", "Three alike at the end"),
    Suggestion(SILVER, PATTERN, "AABB", "Two pairs at the end"),
    Suggestion(SILVER, PATTERN, "ABBA", "Mirror of four"),
    Suggestion(BRONZE, PATTERN, "ABAB", "Repeated pair"),
    Suggestion(BRONZE, PATTERN, "00", "Round hundred"),
)
# Four letters and more: a word of three is found in one number of a thousand by chance.
SUGGESTED_WORDS = tuple(
    "AUTO BANK BEST BIKE BOOK BUYNOW CALL CARE CARGO CASH CLEAN COFFEE DENTAL DOCTOR EASY FAST FLOWERS FOOD"
    " FRESH HEALTH HELP HOME HOTEL HOUSE INFO LAWYER LEARN LOAN LOVE MOVE MUSIC NEWS PARK PHONE PIZZA POWER"
    " REPAIR SAFE SALE SHOP SPORT STAR SUPPORT TAXI TICKET TRAVEL WATER WORK".split()
)


def to_digits(word: str) -> str:
    """Return the digits that spell ``word``, capital letters, on a keypad."""
    return word.translate(_KEYPAD)


def read_pattern(text: str) -> str:
    """Return a pattern without blanks around it; raises PatternError for what is none."""
    pattern = text.strip()
    shown = f"“{shorten(pattern)}”"
    if not _PATTERN.fullmatch(pattern):
        raise PatternError(
            f"{shown} is not a pattern. Use capital letters for digits that repeat, digits for themselves and"
            " x for any digit, such as AABB."
        )
    if len(pattern) not in PLACES:
        raise PatternError(
            f"{shown} has {count_noun(len(pattern), 'place')}. Write {PLACES[0]} to {PLACES[-1]}."
        )
    if set(pattern) == {ANY}:
        raise PatternError(f"{shown} would mark every number. Write at least one letter or digit.")
    letters = set(pattern) - set(DIGITS) - {ANY}
    if len(letters) > len(DIGITS):
        raise PatternError(
            f"{shown} has {len(letters)} different letters, and there are only ten digits. Use fewer letters."
        )
    count = perm(len(DIGITS), len(letters)) * len(DIGITS) ** pattern.count(ANY)
    if count > TAILS_MOST:
        raise PatternError(
            f"{shown} stands for {count:,} ends of numbers, and a rule may have {TAILS_MOST:,}. Write a"
            " shorter pattern, or digits in place of some letters or x."
        )
    return pattern


def read_steps(text: str) -> int:
    """Return how many digits a ladder has; raises PatternError."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) == 1 and int(digits) in STEPS):
        raise PatternError(
            f"“{shorten(digits)}” is not a length of a ladder. Enter a number from {STEPS[0]} to {STEPS[-1]}."
        )
    return int(digits)


def read_word(text: str) -> str:
    """Return a word in capital letters; raises PatternError."""
    word = text.strip().upper()
    if not _WORD.fullmatch(word):
        raise PatternError(
            f"“{shorten(text.strip())}” has characters that are on no key. Use the letters A to Z alone."
        )
    if len(word) not in LETTERS:
        raise PatternError(
            f"“{shorten(word)}” has {count_noun(len(word), 'letter')}. Write {LETTERS[0]} to {LETTERS[-1]}."
        )
    return word


def tails(kind: str, text: str, words: Iterable[str] = ()) -> frozenset[str]:
    """Return the ends of the numbers that a rule marks, at most ``TAILS_MOST`` of them; raises PatternError.

    ``text``: the pattern or the digits of the ladder. ``words``: those of a rule of the kind ``WORDS``.
    """
    if kind == PATTERN:
        return frozenset(_tails_of_pattern(read_pattern(text)))
    if kind == LADDER:
        steps = read_steps(text)
        up = [DIGITS[first : first + steps] for first in range(len(DIGITS) - steps + 1)]
        return frozenset([*up, *(ladder[::-1] for ladder in up)])
    return frozenset(to_digits(read_word(word)) for word in words)


def _tails_of_pattern(pattern: str) -> Iterable[str]:
    """Yield the tails place by place: a letter that was met is its digit, a new one any digit left."""
    found: list[tuple[str, dict[str, str]]] = [("", {})]
    for place in pattern:
        longer = []
        for tail, known in found:
            if place in DIGITS:
                longer.append((tail + place, known))
            elif place == ANY:
                longer += [(tail + digit, known) for digit in DIGITS]
            elif place in known:
                longer.append((tail + known[place], known))
            else:
                left = [digit for digit in DIGITS if digit not in known.values()]
                longer += [(tail + digit, {**known, place: digit}) for digit in left]
        found = longer
    return (tail for tail, _ in found)


def ends_of(number: str) -> list[str]:
    """Return the ends of ``number`` that can be tails, the longest first."""
    return [number[-length:] for length in reversed(PLACES) if length <= len(number)]


def match(number: str, rules: Iterable[tuple[Rule, frozenset[str] | set[str]]]) -> tuple[Rule, int] | None:
    """Return the first of ``rules``, pairs (rule, tails), that marks ``number``, and the length of the tail.

    None if there is none; the longest of its tails counts.
    """
    for rule, ends in rules:
        for end in ends_of(number):
            if end in ends:
                return rule, len(end)
    return None


class TailBits:
    """Which numbers have a class that is ``wanted``, a bit for each of the last digits as in ``free_runs``.

    ``tails``: pairs (tail, whether its class is wanted), of which the longest that a number ends in counts;
    ``others``: whether numbers without a tail are wanted.
    """

    def __init__(self, tails: Iterable[tuple[str, bool]], *, others: bool):
        short: list[list[tuple[str, bool]]] = [[] for _ in range(TAIL + 1)]
        self._longer: dict[str, tuple[int, int]] = {}  # {digits before the last ones: (bits on, bits off)}
        for tail, wanted in tails:
            if len(tail) <= TAIL:
                short[len(tail)].append((tail, wanted))
                continue
            on, off = self._longer.get(tail[:-TAIL], (0, 0))
            bit = 1 << int(tail[-TAIL:])
            self._longer[tail[:-TAIL]] = (on | bit, off) if wanted else (on, off | bit)
        bits = (1 << BLOCK) - 1 if others else 0
        self._short = []  # by the length of the longest tails that count
        for length, some in enumerate(short):
            step = 10**length
            every = sum(1 << first for first in range(0, BLOCK, step)) if some else 0
            for tail, wanted in some:
                bits = bits | every << int(tail) if wanted else bits & ~(every << int(tail))
            self._short.append(bits)

    def of(self, digits: int, head: str) -> int:
        """Return the bits of the numbers of ``digits`` digits that begin with ``head``."""
        bits = self._short[min(digits, TAIL)]
        for length in range(1, min(len(head), PLACES[-1] - TAIL) + 1):
            on, off = self._longer.get(head[-length:], (0, 0))
            bits = bits & ~off | on
        return bits


def example(kind: str, text: str, words: Iterable[str] = ()) -> tuple[str, str]:
    """Return the beginning and the tail of a number with the mark; ("", "") without a word."""
    if kind == PATTERN:
        tail = _example_of_pattern(text)
    elif kind == LADDER:
        tail = DIGITS[: read_steps(text)]
    else:
        tail = next((to_digits(word) for word in words), "")
    return (_EXAMPLE[: -len(tail)], tail) if tail else ("", "")


def _example_of_pattern(pattern: str) -> str:
    letters = list(dict.fromkeys(place for place in pattern if place not in DIGITS and place != ANY))
    digits = {**dict(zip(letters, _EXAMPLE_DIGITS, strict=False)), ANY: "1"}
    return "".join(digits.get(place, place) for place in pattern)
