"""Text that users enter: shortened for a sentence, parsed as a whole number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didmgmt.text import BIGGEST, enumerated, parse_whole, shorten, show_invisible


def test_short_text_is_unchanged():
    assert shorten("x" * 60) == "x" * 60


def test_long_text_is_cut_with_an_ellipsis():
    assert shorten("x" * 61) == "x" * 59 + "…"
    assert shorten("abcdef", 3) == "ab…"


def test_line_breaks_and_control_characters_become_spaces():
    assert shorten("a\r\nb\x00c") == "a  b c"


@given(st.text(), st.integers(1, 80))
def test_shortened_text_is_printable_and_never_too_long(text, length):
    shown = shorten(text, length)
    assert shown.isprintable()
    assert len(shown) == min(len(text), length)


@given(st.integers(0, BIGGEST), st.integers(0, 30))
def test_leading_zeros_do_not_change_a_whole_number(number, zeros):
    assert parse_whole("0" * zeros + str(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0000", 0),
        (str(BIGGEST), BIGGEST),
        ("0" * 5_000 + "7", 7),
        (str(BIGGEST + 1), None),
        ("9" * 5_000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_000", None),
        ("1.0", None),
        ("٣", None),
        ("²", None),
    ],
)
def test_a_whole_number_is_ascii_digits_that_the_databases_can_store(text, number):
    assert parse_whole(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("365", 365), ("00365", 365), ("366", None), ("0000000000001000000999", None)]
)
def test_leading_zeros_do_not_bypass_a_limit(text, number):
    assert parse_whole(text, most=365) == number


def test_invisible_signs_are_shown_as_code_points():
    assert show_invisible("a\u202eb\u200bc\x07") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩"


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab", "Žaliasis\u00a0kelias", "👩\u200d🔧", "می\u200cخواهم"]
)
def test_text_that_people_write_stays_as_it_is(text):
    assert show_invisible(text) == text


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        (["3 clients"], "3 clients"),
        (["3 clients", "1 package"], "3 clients and 1 package"),
        (["3 clients", "1 package", "2 operators"], "3 clients, 1 package and 2 operators"),
    ],
)
def test_phrases_are_enumerated(phrases, text):
    assert enumerated(phrases) == text
