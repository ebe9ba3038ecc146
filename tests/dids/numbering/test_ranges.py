"""Parsing lists of numbers and ranges, and keeping them as a set."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dids.numbering.normalise import FORMAT_AS_TEXT, NumberError
from dids.numbering.ranges import Numbers, Problem, parse_ranges
from dids.numbering.reading import Choices, read_cell

LIMIT = 1_000_000
digits = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("111-222", [("111", "222")]),
        ("111–222", [("111", "222")]),
        ("111\u2010222", [("111", "222")]),
        ("111\u202f333", [("111", "111"), ("333", "333")]),
        ("111 - 222", [("111", "222")]),
        ("111 -222", [("111", "222")]),
        ("0998-1002", [("0998", "1002")]),
        ("5-5", [("5", "5")]),
        ("111\n113\r\n115\r117", [("111", "111"), ("113", "113"), ("115", "115"), ("117", "117")]),
        ("111, 113;115，117", [("111", "111"), ("113", "113"), ("115", "115"), ("117", "117")]),
        ("111 222  333\t444", [("111", "111"), ("222", "222"), ("333", "333"), ("444", "444")]),
        ("111-115 200", [("111", "115"), ("200", "200")]),
        ("12567 12568 2563", [("2563", "2563"), ("12567", "12568")]),
        ("1 2 4 5 6 7 8 9 10 11", [("1", "2"), ("4", "9"), ("10", "11")]),
        ("212-555-0100", [("2125550100", "2125550100")]),
        ("+1-212-555-0100", [("12125550100", "12125550100")]),
        ("+44 20 7946 0000", [("442079460000", "442079460000")]),
        ("+1 212 555-0100 +1 212 555-0102", [("12125550100", "12125550100"), ("12125550102", "12125550102")]),
        ("(212) 555-0100 (212) 555-0101", [("2125550100", "2125550101")]),
        ("+7 495 123-45-67", [("74951234567", "74951234567")]),
        ("+442079460000 442079460002", [("442079460000", "442079460000"), ("442079460002", "442079460002")]),
        ("442079460000 +442079460002", [("442079460000", "442079460000"), ("442079460002", "442079460002")]),
        ("+442079460000-+442079460099", [("442079460000", "442079460099")]),
        ("+44 20 7946 0000 - +44 20 7946 0099", [("442079460000", "442079460099")]),
        ("212-555-0100 - 212-555-0199", [("2125550100", "2125550199")]),
        ("44-2079-460000-44-2079-460099", [("442079460000", "442079460099")]),
        ("113-115, 111-112", [("111", "115")]),
        ("(212)-555", [("212555", "212555")]),
        ("- 111\n- 112", [("111", "112")]),
        ("٢٢٢", [("222", "222")]),
        (" \n,;\n", []),
        ("43210 - 98765", [("43210", "98765")]),
        ("5000-5044", [("5000", "5044")]),
        ("1000-1999", [("1000", "1999")]),
        ("10000-20000", [("10000", "20000")]),
        ("(1)20-7946", [("1207946", "1207946")]),
        ("(111)-(222)", [("111", "222")]),
        ("(0)20 7946 0000", [("02079460000", "02079460000")]),
        ("(+44) 20 7946 0000 +44 20 7946 0001", [("442079460000", "442079460001")]),
        ("+44 (20) 7946 0000", [("442079460000", "442079460000")]),
        ("020 (7946) 0000", [("02079460000", "02079460000")]),
        ("12-34-56-78-90-12-12-34-56-78-90-13", [("123456789012", "123456789013")]),
        ("1234-5678901-1234-5678901", [("12345678901", "12345678901")]),
        ("34-12-12-34", [("34121234", "34121234")]),
        ("11-2-2-23", [("112223", "112223")]),
        ("1--3", [("1", "3")]),
        ("1--2--3", [("123", "123")]),
        ("212.555.0100", [("2125550100", "2125550100")]),
        ("0800-123456", [("0800123456", "0800123456")]),
        ("020/7946001", [("0207946001", "0207946001")]),
        ("030 / 123456", [("030123456", "030123456")]),
        ("+44 20 7946-0000", [("442079460000", "442079460000")]),
        ("+44 20-+44 21", [("4420", "4421")]),
        ("111 to 222", [("111", "222")]),
        ("tel:+1-202-555-0100;ext=7;tel:+12025550101", [("12025550100", "12025550101")]),
    ],
)
def test_a_text_area_holds_numbers_and_ranges(text, ranges):
    numbers = parse_ranges(text, LIMIT)
    assert not numbers.errors
    assert numbers.ranges == ranges


NO_SPACES = "Write one number as digits only, or each number on a line of its own."
IN_FULL = "Write a number as digits only, or a range with both ends in full."
TOO_MANY_DIGITS = (
    "it has {} digits, too many for one number, and its parts are too short for several."
    " Put commas between numbers, and write both ends of a range in full."
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "44 20 7946 0000",
            f"it may be one number, 442079460000, or 4 entries, 44, 20, 7946, 0000. {NO_SPACES}",
        ),
        ("020 7946 0000", f"it may be one number, 02079460000, or 3 entries, 020, 7946, 0000. {NO_SPACES}"),
        (
            "01 23 45 67 89",
            f"it may be one number, 0123456789, or 5 entries, 01, 23, 45, 67, 89. {NO_SPACES}",
        ),
        ("07700 900123", f"it may be one number, 07700900123, or 2 entries, 07700, 900123. {NO_SPACES}"),
        ("07700 900-123", f"it may be one number, 07700900123, or 2 entries, 07700, 900-123. {NO_SPACES}"),
        ("07700 90 - 123", f"it may be one number, 0770090123, or 2 entries, 07700, 90-123. {NO_SPACES}"),
        (
            "+1234567 1234568",
            f"it may be one number, 12345671234568, or 2 numbers, 1234567, 1234568. {NO_SPACES}",
        ),
        (
            "+1234567 12345678",
            f"it may be one number, 123456712345678, or 2 numbers, 1234567, 12345678. {NO_SPACES}",
        ),
        ("+123456 78901 2345678", TOO_MANY_DIGITS.format(18)),
        ("+1234567890 12345 6", TOO_MANY_DIGITS.format(16)),
        ("+1234567890 1234567 6", TOO_MANY_DIGITS.format(18)),
        (
            "555-0100",
            f"it may be one number, 5550100, or a range whose ends have different lengths. {IN_FULL}",
        ),
        ("1-100", f"it may be one number, 1100, or a range whose ends have different lengths. {IN_FULL}"),
        (
            "222-111",
            (
                "as a range it ends before it starts; as one number it is 222111."
                " Write 111-222, or the number without the dash."
            ),
        ),
        (
            "12-34-56-78",
            "it may be one number, 12345678, or a range, 1234-5678. Write it in one of these two ways.",
        ),
        (
            "12-34-12-34",
            "it may be one number, 12341234, or a range, 1234-1234. Write it in one of these two ways.",
        ),
        (
            "12345-67890-12345-67891",
            (
                "it may be one number, 12345678901234567891, or a range, 1234567890-1234567891."
                " Write it in one of these two ways."
            ),
        ),
        (
            "111..222",
            (
                "it may be one number, 111222, or a range, 111-222."
                " Write a number without dots, or a range with a dash."
            ),
        ),
        (
            "+442079460000-99",
            f"it may be one number, 44207946000099, or the range 442079460000–442079460099. {IN_FULL}",
        ),
        (
            "43210-98765",
            (
                "it may be one number, 4321098765, or the range 43210–98765."
                " Write 4321098765 for the number, or 43210 - 98765 for the range."
            ),
        ),
        (
            "98765-43210",
            (
                "it may be one number, 9876543210, or a range that ends before it starts."
                " Write 9876543210 or 43210 - 98765."
            ),
        ),
        (
            "+4420-7946",
            (
                "it may be one number, 44207946, or the range 4420–7946."
                " Write 44207946 for the number, or 4420 - 7946 for the range."
            ),
        ),
        (
            "+44207-9460",
            f"it may be one number, 442079460, or the range 44207–49460. {IN_FULL}",
        ),
        (
            "+44 (0)20 7946 0000",
            (
                "the (0) may be part of the number, 4402079460000, or dialled only within the country,"
                " 442079460000. Write only the digits of the number."
            ),
        ),
    ],
)
def test_an_ambiguous_entry_is_rejected_with_both_readings(text, reason):
    numbers = parse_ranges(text, LIMIT)
    assert numbers.count == 0
    assert numbers.errors == [Problem(1, text, reason)]


ONE_DASH = "a range needs one dash with a number on each side. Write it as 111-222."
DIGITS_ONLY = "Use digits; spaces, dots, dashes, brackets and slashes are ignored."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("111-", ONE_DASH),
        ("-222", "it is a negative number. Enter the digits of the phone number instead."),
        ("111 -", ONE_DASH),
        ("111 - 222 - 333", ONE_DASH),
        ("111 - 222-333 - 444", ONE_DASH),
        ("111-22x", f"“x” is not a digit. {DIGITS_ONLY}"),
        ("111(2", f"it has a bracket without its pair. {IN_FULL}"),
        ("ab-cd-ef-gh", f"it is not a number. {DIGITS_ONLY}"),
        ("1" * 21, "it has 21 digits. Enter at most 15."),
        ("abc", f"it is not a number. {DIGITS_ONLY}"),
        ("44²", f"“²” is not a digit. {DIGITS_ONLY}"),
        (
            "+44 20 7946 0099 - +44 20 7946 0000",
            "the range ends before it starts. Write 442079460000-442079460099.",
        ),
        (
            "+44 20 7946 0000 - +44 20 7946",
            "the ends of the range, 442079460000 and 44207946, have different lengths. Write both in full.",
        ),
    ],
)
def test_an_entry_that_is_not_a_number_is_rejected(text, reason):
    numbers = parse_ranges(text, LIMIT)
    assert numbers.count == 0
    assert numbers.refused == 1
    assert numbers.errors == [Problem(1, text, reason)]


@pytest.mark.parametrize(
    "groups",
    [
        "123 4567",
        "1234567 12",
        "123456789012 345",
        "1 23 4567",
        "12345 67 89",
        "12345 6789 01",
        "012 345 678",
        "0123456 789",
    ],
)
def test_groups_of_unequal_length_may_be_one_number(groups):
    [problem] = parse_ranges(groups, LIMIT).errors
    assert "it may be one number" in problem.reason


@pytest.mark.parametrize(
    "groups",
    [
        "12 345 6",  # a group of one digit
        "123 456",  # fewer than 7 digits
        "1234567890123 456",  # more than 15 digits
        "12345678 1234567",  # two groups of 7 digits or more
        "12345 67890 12",  # two of three groups with 5 digits or more
        "12345 67890",  # equal lengths
        "123 456 789",
        "012 045 078",  # all with a leading zero
        "123 045 678",  # the first without one
    ],
)
def test_groups_that_cannot_be_one_number_are_several(groups):
    numbers = parse_ranges(groups, LIMIT)
    assert numbers.errors == []
    assert set(numbers) == set(groups.split())


@pytest.mark.parametrize("size", [6, 7])
def test_parts_of_seven_digits_are_complete_numbers(size):
    text = "+1234567890 " + "12345678"[:size]
    numbers = parse_ranges(text, LIMIT)
    assert numbers.count == (2 if size == 7 else 0)


def test_a_rejected_entry_names_its_line_and_the_rest_is_kept():
    numbers = parse_ranges("111\r\n112, x\r\n113-115", LIMIT)
    assert [(problem.line, problem.text) for problem in numbers.errors] == [(2, "x")]
    assert list(numbers) == ["111", "112", "113", "114", "115"]


def test_a_problem_is_a_sentence_with_its_line_and_text():
    assert str(Problem(2, "x", "“x” is not a digit.")) == "Line 2, “x”: “x” is not a digit."
    assert str(Problem(None, "", "These are too many.")) == "These are too many."


def test_a_problem_shortens_its_text():
    [problem] = parse_ranges("x" * 100, LIMIT).errors
    assert problem.text == "x" * 59 + "…"


def test_the_first_thousand_problems_are_kept_and_all_are_counted():
    numbers = parse_ranges("x\n" * 5_000, LIMIT)
    assert len(numbers.errors) == 1_000
    assert numbers.refused == 5_000


def test_more_numbers_than_the_limit_are_rejected_with_both_counts():
    assert not parse_ranges("1000-1999", 1_000).errors
    numbers = parse_ranges("1000-1999, 3000", 1_000)
    sentence = "These are 1,001 numbers; at most 1,000 are allowed at once. Split the list."
    assert numbers.errors == [Problem(None, "", sentence)]
    assert numbers.refused == 1


def test_repetitions_do_not_count_towards_the_limit():
    assert not parse_ranges("1-5, 1-5", 5).errors


def test_the_largest_range_is_parsed_at_once():
    numbers = parse_ranges("00000000000000000000-99999999999999999999", LIMIT)
    assert numbers.count == 10**20
    assert next(iter(numbers)) == "0" * 20


entries = st.one_of(
    digits.map(lambda number: ({number}, number)),
    st.integers(1, 4).flatmap(
        lambda length: st.tuples(st.integers(0, 10**length - 1), st.integers(0, 30)).map(
            lambda low_size: _range_of(length, *low_size)
        )
    ),
)


def _range_of(length, low, size):
    high = min(low + size, 10**length - 1)
    named = {str(number).zfill(length) for number in range(low, high + 1)}
    return named, f"{str(low).zfill(length)}-{str(high).zfill(length)}"


@given(st.lists(entries), st.sampled_from(["\n", ",", "; ", "\r\n"]))
def test_overlapping_ranges_and_repetitions_count_once(listed, separator):
    numbers = parse_ranges(separator.join(text for _, text in listed), 10**6)
    named = set().union(*(named for named, _ in listed))
    assert list(numbers) == sorted(named)
    assert numbers.count == len(named)
    assert numbers.repeated == sum(len(named) for named, _ in listed) - len(named)
    assert list(Numbers(numbers.ranges)) == list(numbers)


@given(st.lists(entries), digits)
def test_iteration_resumes_after_any_number(listed, last):
    numbers = parse_ranges(",".join(text for _, text in listed), 10**6)
    assert list(numbers.after(last)) == [number for number in numbers if number > last]


def test_chunks_are_ascending_and_not_longer_than_their_size():
    numbers = parse_ranges("8-9, 10-14", LIMIT)
    assert list(numbers.chunks(3)) == [["10", "11", "12"], ["13", "14", "8"], ["9"]]
    assert list(numbers.chunks(3, after="13")) == [["14", "8", "9"]]


@given(st.text("0123456789 -+(),.;\n/–", max_size=40))
def test_any_text_is_either_parsed_or_rejected(text):
    numbers = parse_ranges(text, LIMIT)
    assert (numbers.count > 0) or numbers.errors or not any(char.isdigit() for char in text)
    assert all(problem.reason for problem in numbers.errors)


# --- the set --------------------------------------------------------------------------------------


def test_the_set_is_empty_at_first():
    numbers = Numbers()
    assert (numbers.count, numbers.repeated, numbers.refused) == (0, 0, 0)
    assert (numbers.errors, numbers.ranges, list(numbers), list(numbers.chunks(5))) == ([], [], [], [])


def test_adding_twice_counts_repetitions_of_both():
    numbers = Numbers([("1", "3"), ("2", "2")])
    numbers.add([("3", "4"), ("01", "02")])
    assert (numbers.count, numbers.repeated) == (6, 2)
    assert numbers.ranges == [("1", "4"), ("01", "02")]


def test_a_range_inside_another_one_is_merged():
    assert Numbers([("10", "19"), ("12", "13"), ("21", "22")]).ranges == [("10", "19"), ("21", "22")]


def test_a_sorted_list_stays_one_range_while_it_is_read():
    numbers = Numbers((str(number), str(number)) for number in range(1_000, 2_000))
    assert numbers.ranges == [("1000", "1999")]
    assert numbers.count == 1_000


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 999), st.integers(0, 20)), max_size=8),
    st.text("0123456789", max_size=4),
    st.integers(1, 7),
)
def test_the_set_equals_a_set_of_all_its_numbers(spans, last, size):
    ranges = [
        (str(low).zfill(length), str(min(low + more, 10**length - 1)).zfill(length))
        for length, low, more in spans
        if low < 10**length
    ]
    named = [str(n).zfill(len(low)) for low, high in ranges for n in range(int(low), int(high) + 1)]
    numbers = Numbers(ranges)
    assert list(numbers) == sorted(set(named))
    assert (numbers.count, numbers.repeated) == (len(set(named)), len(named) - len(set(named)))
    assert list(numbers.after(last)) == sorted(number for number in set(named) if number > last)
    chunks = list(numbers.chunks(size, after=last))
    assert [number for chunk in chunks for number in chunk] == list(numbers.after(last))
    assert all(len(chunk) == size for chunk in chunks[:-1])
    for (_, high), (low, _) in pairwise(numbers.ranges):
        assert len(high) < len(low) or int(high) + 1 < int(low)


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "low", "high"),
    [
        ("0044", "0044", "0044"),
        ('="0044"', "0044", "0044"),
        ("111-222", "111", "222"),
        ("'111-222", "111", "222"),
        (" 111–222 ", "111", "222"),
        ("111 - 222", "111", "222"),
        ("111 -222", "111", "222"),
        ("111- 222", "111", "222"),
        ("44 2079 460000 - 44 2079 460099", "442079460000", "442079460099"),
        ("+442079460000-+442079460099", "442079460000", "442079460099"),
        ("(111)-(222)", "111", "222"),
        ("0800-123456", "0800123456", "0800123456"),
        ("212-555-0100", "2125550100", "2125550100"),
        ("11-22-33", "112233", "112233"),
        ("12-3-4", "1234", "1234"),
    ],
)
def test_a_cell_holds_a_number_or_a_range(cell, low, high):
    assert read_cell(cell) == [(low, high)]


@pytest.mark.parametrize(
    ("cell", "reason", "remedy"),
    [
        ("", "the number is empty", "Enter 1 to 15 digits."),
        ("1.5", "it is a decimal number", FORMAT_AS_TEXT),
        ("111-", "a range needs one dash with a number on each side", "Write it as 111-222."),
        ("12-3", "it may be one number, 123, or the range 12–13", IN_FULL),
        ("111-22x", "“x” is not a digit", DIGITS_ONLY),
        (
            "222-111",
            "as a range it ends before it starts; as one number it is 222111",
            "Write 111-222, or the number without the dash.",
        ),
        (" 222 - 111 ", "the range ends before it starts", "Write 111-222."),
        ("111 - 22", "it may be one number, 11122, or the range 111–122", IN_FULL),
        ("111 - 2222", "the ends of the range, 111 and 2222, have different lengths", "Write both in full."),
        ("1 - 2 - 3", "a range needs one dash with a number on each side", "Write it as 111-222."),
    ],
)
def test_a_cell_without_a_number_or_range_is_rejected(cell, reason, remedy):
    with pytest.raises(NumberError) as refusal:
        read_cell(cell)
    error = refusal.value
    assert (error.value, error.reason, error.remedy) == (cell, reason, remedy)


def test_a_zero_in_brackets_after_the_country_code_is_refused_or_dropped():
    written = "+44 (0)20 7946 0001"

    with pytest.raises(NumberError) as refusal:
        read_cell(written)

    assert (refusal.value.kind, refusal.value.readings) == ("zero", ("4402079460001", "442079460001"))
    assert read_cell(written, Choices(zero="drop")) == [("442079460001", "442079460001")]
    assert read_cell("(0)20 7946 0001") == [("02079460001", "02079460001")]
