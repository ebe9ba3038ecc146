"""Normalising numbers from text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dids.numbering.normalise import FORMAT_AS_TEXT, LOST, NumberError, normalise

digits = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("442079460000", "442079460000"),
        ("0044", "0044"),
        ("0", "0"),
        ("+44 20 7946 0000", "442079460000"),
        (" + 44", "44"),
        ("(+44) 20-7946/0000", "442079460000"),
        ("[212] {555}.0100", "2125550100"),
        ("212–555—0100−1", "21255501001"),
        ("1\u20432\u02d73", "123"),
        ("1․2·3‧4⋅5。6．7｡8", "12345678"),
        ("1⁄2∕3／4", "1234"),
        ("\ufeff44\u00a020\u200b79\u202c", "442079"),
        ("44\u200e20\u2066\u00ad79\t46\n", "44207946"),
        ("\u280044\u2800", "44"),
        ("\n\r\v\f\x85\u2028\u202944\r\n", "44"),
        ("1\ufe0f2\x00", "12"),
        ("٠١٢٣٤", "01234"),
        ("۴۴２０９", "44209"),
        ("（０２０）７９４６", "0207946"),
        ("＋44", "44"),
        ("﹢44", "44"),
        ("12345678901234567890", "12345678901234567890"),
        ("+12345678901234567890", "12345678901234567890"),
    ],
)
def test_normalise_drops_punctuation_and_keeps_leading_zeros(written, number):
    assert normalise(written) == number


# The first and the last character of each block of invisible characters.
DIGITS_ONLY = "Use digits; spaces, dots, dashes, brackets and slashes are ignored."
INVISIBLE = [
    "\u00ad\u00ad", "\u034f\u034f", "\u061c\u061c", "\u115f\u1160", "\u17b4\u17b5", "\u180b\u180f",
    "\u200b\u200f", "\u202a\u202e", "\u2060\u206f", "\u3164\u3164", "\ufe00\ufe0f", "\ufeff\ufeff",
    "\uffa0\uffa0", "\ufff0\ufffb", "\U0001bca0\U0001bca3", "\U0001d173\U0001d17a", "\U000e0000\U000e0fff",
]  # fmt: skip


@pytest.mark.parametrize("block", INVISIBLE, ids=ascii)
def test_normalise_drops_invisible_characters(block):
    first, last = block
    assert normalise(f"1{first}2{last}3") == "123"


@pytest.mark.parametrize("block", INVISIBLE, ids=ascii)
def test_normalise_keeps_the_visible_neighbours_of_invisible_characters(block):
    first, last = block
    for neighbour in (chr(ord(first) - 1), chr(ord(last) + 1)):
        if unicodedata.category(neighbour) not in ("Zs", "Pd", "Zp", "Nd"):  # which normalise() understands
            with pytest.raises(NumberError, match="is not a digit"):
                normalise(f"1{neighbour}2")


@pytest.mark.parametrize(
    ("written", "reason", "remedy"),
    [
        ("", "the number is empty", "Enter 1 to 15 digits."),
        (" \t", "the number is empty", "Enter 1 to 15 digits."),
        ("+", "it contains no digits", "Enter 1 to 15 digits."),
        (" - ", "it contains no digits", "Enter 1 to 15 digits."),
        ("123456789012345678901", "it has 21 digits", "Enter at most 15."),
        ("Total", "it is not a number", DIGITS_ONLY),
        ("++44", "it contains a + after the start", "Enter one number; it may start with one +."),
        ("44+20", "it contains a + after the start", "Enter one number; it may start with one +."),
        ("12\n13", "it contains a line break", "Enter one number."),
        ("12\u202813", "it contains a line break", "Enter one number."),
        ("12\x0b+13", "it contains a line break", "Enter one number."),
        ("4.42E+18", LOST, FORMAT_AS_TEXT),
        ("4,42e18", LOST, FORMAT_AS_TEXT),
        (" -442e-18 ", LOST, FORMAT_AS_TEXT),
        ("+4e1", LOST, FORMAT_AS_TEXT),
    ],
)
def test_normalise_explains_why_text_is_not_a_number(written, reason, remedy):
    with pytest.raises(NumberError) as refusal:
        normalise(written)
    error = refusal.value
    assert (error.value, error.reason, error.remedy) == (written, reason, remedy)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("44x20", "“x”"),
        ("x44y", "“x”"),
        ("X44", "“X”"),
        ("0123456789x", "“x”"),
        ("44,20", "“,”"),
        ("44;20", "“;”"),
        ("44\\20", "“\\”"),
        ("44²", "“²”"),
        ("①", "“①”"),
        ("„44", "“„”"),
        ("44，20", "“,”"),
        ("44؛20", "“;”"),
        ("44\ud800", "U+D800"),
        ("44\U000f0000", "U+F0000"),
    ],
)
def test_normalise_names_the_first_character_that_is_not_a_digit(written, shown):
    with pytest.raises(NumberError) as refusal:
        normalise(written)
    assert refusal.value.reason == f"{shown} is not a digit"
    assert refusal.value.remedy == DIGITS_ONLY


def test_a_number_error_is_a_sentence_with_the_value_the_reason_and_the_remedy():
    assert (
        str(NumberError("44x", "“x” is not a digit", "Use digits."))
        == "“44x”: “x” is not a digit. Use digits."
    )


def test_a_number_error_shortens_a_long_value():
    with pytest.raises(NumberError) as refusal:
        normalise("x" * 10_000)
    assert str(refusal.value).startswith(f"“{'x' * 59}…”: ")
    assert refusal.value.value == "x" * 10_000


@given(st.text())
def test_normalise_is_idempotent(text):
    try:
        number = normalise(text)
    except NumberError:
        return
    assert normalise(number) == number
    assert number.isascii()
    assert number.isdigit()
    assert 1 <= len(number) <= 20


@given(digits, st.lists(st.sampled_from(" .-()/\u200b\u00a0\t[]–"), max_size=25), st.booleans())
def test_normalise_ignores_punctuation_between_any_digits(number, marks, plus):
    spread = "".join(mark + digit for mark, digit in zip(marks + [""] * 20, number, strict=False))
    assert normalise(("+" if plus else "") + spread) == number
