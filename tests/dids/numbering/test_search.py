"""Parsing the number search box and lists of numbers to look up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dids.numbering.normalise import NumberError
from dids.numbering.ranges import Problem
from dids.numbering.search import Search, parse_list, parse_search

INSTEAD = "Enter the digits of the phone number instead."
IN_FULL = "Write a number as digits only, or a range with both ends in full."
SHORT = "it may be one number, 441632961280289, or the range 441632961280–441632961289"
ZERO = "the (0) may be part of the number, 4402079460001, or dialled only within the country, 442079460001"
DIGITS_ONLY = "Use digits; spaces, dots, dashes, brackets and slashes are ignored."


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("", None),
        (" \n", None),
        ("4420", Search("contains", "4420")),
        ("+44 (20) 79", Search("contains", "442079")),
        ("555-0100", Search("contains", "5550100")),
        ("4420*", Search("begins", "4420")),
        ("+44-20 *", Search("begins", "4420")),
        ("*4420", Search("ends", "4420")),
        ("*4420*", Search("contains", "4420")),
        ("=4420", Search("exact", "4420")),
        ('"44 20"', Search("exact", "4420")),
        ("111-222", Search("range", low="111", high="222")),
        ("111 – 222", Search("range", low="111", high="222")),
        ("+44 20 7946 0000 - +44 20 7946 0099", Search("range", low="442079460000", high="442079460099")),
        ("111,222 ; 111", Search("list", values=("111", "222"))),
        ("1-11\n2-22", Search("list", values=("111", "222"))),
        ("442079460000 442079460001", Search("list", values=("442079460000", "442079460001"))),
        ("20 79", Search("either", "2079", ("20", "79"))),
        ("20 20", Search("either", "2020", ("20",))),
        ("1234567890 1234567890", Search("either", "12345678901234567890", ("1234567890",))),
        ("1234567890 12345678901", Search("list", values=("1234567890", "12345678901"))),
        ("20 79, 81", Search("list", values=("20", "79", "81"))),
        ("(20) 79", Search("contains", "2079")),
        ("+44 +45", Search("list", values=("44", "45"))),
        ("44 +45", Search("list", values=("44", "45"))),
        ("=+44", Search("exact", "44")),
        ('="0044"', Search("exact", "0044")),
        ("'44'", Search("exact", "44")),
        ("“44”", Search("exact", "44")),
        ("* 44 *", Search("contains", "44")),
        ("** 44", Search("ends", "44")),
        ("- 111-222", Search("range", low="111", high="222")),
        ("111--222", Search("range", low="111", high="222")),
        ("111-111", Search("range", low="111", high="111")),
        ("1-2-3", Search("contains", "123")),
        ("1-2 - 3-4", Search("range", low="12", high="34")),
        ("1-2- 3-4", Search("range", low="12", high="34")),
        ("1-2 -3-4", Search("range", low="12", high="34")),
        ("111;\n,222 ,", Search("list", values=("111", "222"))),
        ("tel:+12025550100;ext=7", Search("contains", "12025550100")),
        ("0800-123456", Search("contains", "0800123456")),
        ("4420-7946*", Search("begins", "44207946")),
        ("4420-4422", Search("range", low="4420", high="4422")),
        ("2345-2445", Search("either", "23452445", tuple(map(str, range(2345, 2446))))),
        ("98765-43210", Search("contains", "9876543210")),
        ("212-555-01", Search("contains", "21255501")),
        (
            "441632961280-282",
            Search("either", "441632961280282", ("441632961280", "441632961281", "441632961282")),
        ),
        ("01632 960018/19", Search("either", "0163296001819", ("01632960018", "01632960019"))),
        ("4416329600[0-1]", Search("either", "441632960001", ("44163296000", "44163296001"))),
        ("2025551270 / 2025551271", Search("list", values=("2025551270", "2025551271"))),
        ("1234567/1234568", Search("either", "12345671234568", ("1234567", "1234568"))),
        (
            "4416329600-2, 77",
            Search("list", values=("4416329600", "4416329601", "4416329602", "44163296002", "77")),
        ),
    ],
)
def test_the_search_box_chooses_the_kind_of_search(text, search):
    assert parse_search(text) == search


@pytest.mark.parametrize(
    ("text", "match", "search"),
    [
        ("44-20", "begins", Search("begins", "4420")),
        ("44 20", "ends", Search("ends", "4420")),
        ("111-222", "exact", Search("exact", "111222")),
        ("2345-2445", "exact", Search("exact", "23452445")),
        ("2345-2445", "begins", Search("begins", "23452445")),
        ("111,222", "exact", Search("list", values=("111", "222"))),
        ("111 222", "exact", Search("list", values=("111", "222", "111222"))),
        ("4420*", "ends", Search("begins", "4420")),
        ("111-222", "contains", Search("range", low="111", high="222")),
        ("111-222", "ends", Search("ends", "111222")),
        ("111 222", "begins", Search("begins", "111222")),
        ("111,222", "contains", Search("list", values=("111", "222"))),
        ("20 79", "contains", Search("either", "2079", ("20", "79"))),
        ("1234567890 12345678901", "exact", Search("list", values=("1234567890", "12345678901"))),
        ("+44 20", "exact", Search("exact", "4420")),
        ("=44", "begins", Search("exact", "44")),
        ("441632961280-1", "exact", Search("list", values=("441632961280", "441632961281", "4416329612801"))),
    ],
)
def test_the_match_select_applies_to_plain_digits(text, match, search):
    assert parse_search(text, match) == search


@pytest.mark.parametrize(
    ("text", "match", "reason", "remedy"),
    [
        ("abc", "", "it is not a number", DIGITS_ONLY),
        ("2026-05-03", "", "it is a date or a time", INSTEAD),
        ("sip:100@pbx", "", "it is a sip: address", INSTEAD),
        ("+44 (0)20 7946 0001", "", ZERO, "Write only the digits of the number."),
        ("+44 (0)20 7946 0001", "begins", ZERO, "Write only the digits of the number."),
        ("=441632961280-289", "", SHORT, IN_FULL),
        ("441632961280-289*", "", SHORT, IN_FULL),
        ("441632961280-289", "ends", SHORT, IN_FULL),
        (
            "4416329600000-999999",
            "",
            "it may be the range 4416329600000–4416329999999",
            IN_FULL,
        ),
        (
            "43210-98765",
            "",
            "it may be one number, 4321098765, or the range 43210–98765",
            "Write 4321098765 for the number, or 43210 - 98765 for the range.",
        ),
        ("---", "", "it contains no digits", "Enter 1 to 15 digits."),
        ("*", "", "the number is empty", "Enter 1 to 15 digits."),
        ("=", "", "the number is empty", "Enter 1 to 15 digits."),
        ('"', "", '“"” is not a digit', DIGITS_ONLY),
        ('""', "", "the number is empty", "Enter 1 to 15 digits."),
        ('"44', "", '“"” is not a digit', DIGITS_ONLY),
        ('44"', "", '“"” is not a digit', DIGITS_ONLY),
        ("X44X", "", "“X” is not a digit", DIGITS_ONLY),
        ('="X44"', "", "“X” is not a digit", DIGITS_ONLY),
        ("X44*", "", "“X” is not a digit", DIGITS_ONLY),
        ("X44,45", "", "“X” is not a digit", DIGITS_ONLY),
        ("X1-2", "", "“X” is not a digit", DIGITS_ONLY),
        ("4*4", "", "there is a * in the middle", "Put it at the start, at the end, or at both."),
        ("4*4*", "", "there is a * in the middle", "Put it at the start, at the end, or at both."),
        ("222-111", "", "as a range it ends before it starts", "Write 111-222, or 222111 for the number."),
        ("111,x", "", "it is not a number", DIGITS_ONLY),
        ("111-222,333", "", "a list cannot contain a range", "Search for the range separately."),
        ("111-222 333", "", "a list cannot contain a range", "Search for the range separately."),
        (
            "1,2",
            "begins",
            "a list can only be searched for whole numbers",
            "Choose “contains” or “exact”.",
        ),
        ("1\n2", "ends", "a list can only be searched for whole numbers", "Choose “contains” or “exact”."),
        ("1" * 21, "", "it has 21 digits", "Enter at most 15."),
        ("1 x", "begins", "“x” is not a digit", DIGITS_ONLY),
        (
            ",".join(map(str, range(10_001))),
            "",
            "the list has 10,001 numbers",
            "Search for at most 10,000 at once.",
        ),
        (
            " ".join(map(str, range(10_001))),
            "",
            "the list has 10,001 numbers",
            "Search for at most 10,000 at once.",
        ),
    ],
)
def test_a_search_without_meaning_is_rejected(text, match, reason, remedy):
    with pytest.raises(NumberError) as refusal:
        parse_search(text, match)
    assert (refusal.value.reason, refusal.value.remedy) == (reason, remedy)


def test_an_unknown_match_is_rejected():
    with pytest.raises(ValueError) as refusal:
        parse_search("44", "sounds")
    assert str(refusal.value) == "There is no match “sounds”. Choose one of contains, begins, ends, exact."


def test_ten_thousand_numbers_can_be_pasted():
    pasted = [str(number) for number in range(10_000)]
    assert parse_search("\n".join(pasted)).values == tuple(pasted)


@given(
    st.text("0123456789 -+(),.;*=\"'\n/", max_size=30), st.sampled_from(["", "contains", "begins", "exact"])
)
def test_any_search_is_either_parsed_or_rejected(text, match):
    try:
        search = parse_search(text, match)
    except NumberError:
        return
    if search is not None:
        assert search.value or search.values or search.low <= search.high


# --- lists to look up ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("200, 100;100\n0300", ["200", "100", "0300"]),
        ("112-114, 111", ["112", "113", "114", "111"]),
        ("+44 (20) 7946-0000\n212-555-0100", ["442079460000", "2125550100"]),
        ('=300\n"400"\n0800-123456', ["300", "400", "0800123456"]),
        ("", []),
    ],
)
def test_a_list_keeps_its_order_and_drops_repetitions(text, numbers):
    found, read = parse_list(text, 10)
    assert (found, read.errors) == (numbers, [])


def test_an_unreadable_entry_of_a_list_names_its_line():
    _, read = parse_list("100\nx12\n020 7946 0000\n44*", 10)
    assert [problem.line for problem in read.errors] == [2, 3, 4]
    assert "it may be one number, 02079460000, or 3 entries" in read.errors[1].reason


def test_a_list_that_is_too_long_is_rejected_as_a_whole():
    for text in ("100-110", "100-105\n" * 300):
        found, read = parse_list(text, 10)
        assert found == []
        assert "numbers; at most 10 are allowed at once" in str(read.errors[0])


def test_a_list_may_be_as_long_as_its_limit():
    found, read = parse_list("100-109", 10)
    assert (len(found), read.errors) == (10, [])


def test_a_list_may_name_each_number_a_hundred_times():
    found, read = parse_list("100-109\n" * 100, 10)
    assert (len(found), read.count, read.repeated, read.errors) == (10, 10, 990, [])
    found, read = parse_list("100-109\n" * 100 + "100", 10)
    sentence = "These are 1,001 numbers; at most 10 are allowed at once. Split the list."
    assert (found, read.errors) == ([], [Problem(None, "", sentence)])


def test_a_list_to_look_up_refuses_what_has_two_readings_like_any_list():
    for entry in ("441632961280-289", "=441632961280-289"):
        found, read = parse_list(entry, 10)
        assert (found, read.errors) == ([], [Problem(1, entry, f"{SHORT}. {IN_FULL}")])


@pytest.mark.parametrize("entry", ["44*", "*44", "*44*", "20 79", "x", "4*4"])
def test_a_list_to_look_up_takes_whole_numbers_only(entry):
    found, read = parse_list(entry, 10)
    assert found == ([] if entry != "20 79" else ["20", "79"])
    assert len(read.errors) == (entry != "20 79")
