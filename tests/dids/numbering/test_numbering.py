"""Numbers as text: the normaliser, lists with ranges, and what the search box means."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dids.numbering.normalise import NumberError, normalise, normalise_cell
from dids.numbering.ranges import Numbers, parse_ranges
from dids.numbering.search import Search, parse_list, parse_search

LIMIT = 1_000_000
digits = st.text("0123456789", min_size=1, max_size=20)


# --- normalise ------------------------------------------------------------------------------------


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
        ("\ufeff44\u00a020\u200b79\u202c", "442079"),
        ("44\u200e20\u2066\u00ad79\t46\n", "44207946"),
        ("1\ufe0f2\x00", "12"),
        ("٠١٢٣٤", "01234"),
        ("۴۴２０९", "44209"),
        ("（０２０）７９４６", "0207946"),
        ("＋44", "44"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_punctuation_is_dropped_and_leading_zeros_are_kept(written, number):
    assert normalise(written) == number


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "no digit"),
        ("+", "no digit"),
        (" - ", "no digit"),
        ("++44", "+ inside"),
        ("44+20", "+ inside"),
        ("44x20", "“x” is not a digit"),
        ("44,20", "“,” is not a digit"),
        ("44\\20", "is not a digit"),
        ("44²", "“²” is not a digit"),
        ("①", "“①” is not a digit"),
        ("12\n13", "line break"),
        ("123456789012345678901", "21 digits"),
        ("4.42E+18", "digits lost in the spreadsheet"),
        ("4,42e18", "digits lost in the spreadsheet"),
    ],
)
def test_what_is_no_number_is_refused_with_the_value_and_the_reason(written, reason):
    with pytest.raises(NumberError, match=".") as refusal:
        normalise(written)
    assert reason in str(refusal.value)
    assert refusal.value.value == written
    assert refusal.value.remedy


def test_a_long_value_is_cut_short_in_the_message():
    with pytest.raises(NumberError) as refusal:
        normalise("x" * 10_000)
    assert len(str(refusal.value)) < 300


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    try:
        number = normalise(text)
    except NumberError:
        return
    assert normalise(number) == number
    assert number.isascii()
    assert number.isdigit()
    assert 1 <= len(number) <= 20


@given(digits, st.lists(st.sampled_from(" .-()/\u200b\u00a0\t[]–"), max_size=25), st.booleans())
def test_a_number_is_found_under_any_punctuation(number, marks, plus):
    spread = "".join(mark + digit for mark, digit in zip(marks + [""] * 20, number, strict=False))
    assert normalise(("+" if plus else "") + spread) == number


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0044", "0044"),
        ("'0044", "0044"),
        ('="0044"', "0044"),
        ("212.555.0100", "2125550100"),
        ("0711.123456", "0711123456"),
        (442079460000, "442079460000"),
        (442079460000.0, "442079460000"),
        (999_999_999_999_999, "999999999999999"),
        (0, "0"),
    ],
)
def test_a_cell_is_read_as_text_or_as_an_exact_integer(cell, number):
    assert normalise_cell(cell) == number


@pytest.mark.parametrize(
    "cell",
    [10**15, 1e15, 4.42e18, 123.5, "123.5", "442079460000.0", ".5", "4.42E+18", float("nan"), float("inf")],
)
def test_a_cell_whose_digits_a_spreadsheet_lost_is_refused(cell):
    with pytest.raises(NumberError, match="digits lost in the spreadsheet"):
        normalise_cell(cell)


@pytest.mark.parametrize("cell", [None, "", True, -5, "abc"])
def test_a_cell_without_a_number_is_refused(cell):
    with pytest.raises(NumberError):
        normalise_cell(cell)


# --- expand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("111-222", [("111", "222")]),
        ("111–222", [("111", "222")]),
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
    ],
)
def test_a_text_area_is_read_as_numbers_and_ranges(text, ranges):
    numbers = parse_ranges(text, LIMIT)
    assert not numbers.errors
    assert numbers.ranges == ranges


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("44 20 7946 0000", ["442079460000", "44, 20, 7946, 0000"]),
        ("020 7946 0000", ["02079460000", "020, 7946, 0000"]),
        ("01 23 45 67 89", ["0123456789", "01, 23, 45, 67, 89"]),
        ("07700 900123", ["07700900123", "07700, 900123"]),
        ("+1234567 1234568", ["12345671234568", "1234567, 1234568"]),
        ("555-0100", ["5550100", "range"]),
        ("1-100", ["1100", "range"]),
        ("222-111", ["222111", "111-222"]),
        ("12-34-56-78", ["12345678", "1234-5678"]),
        ("111..222", ["111222", "111-222"]),
        ("+442079460000-99", ["44207946000099", "range"]),
        ("+44 (0)20 7946 0000", ["4402079460000", "442079460000"]),
    ],
)
def test_an_entry_with_two_readings_is_refused_with_both(text, readings):
    numbers = parse_ranges(text, LIMIT)
    assert numbers.count == 0
    [problem] = numbers.errors
    assert all(reading in problem.reason for reading in readings), problem.reason


@pytest.mark.parametrize(
    "text",
    [
        "111-",
        "-222",
        "111 - 222 - 333",
        "111-22x",
        "1" * 21,
        "abc",
        "+44 20-+44 21",
        "+44 20 7946 0099 - +44 20 7946 0000",
        "+44 20 7946 0000 - +44 20 7946",
    ],
)
def test_an_entry_that_is_no_number_is_refused(text):
    numbers = parse_ranges(text, LIMIT)
    assert numbers.count == 0
    assert numbers.refused == 1


def test_a_refusal_names_its_line_and_the_rest_is_taken():
    numbers = parse_ranges("111\r\n112, x\r\n113-115", LIMIT)
    assert [(problem.line, problem.text) for problem in numbers.errors] == [(2, "x")]
    assert list(numbers) == ["111", "112", "113", "114", "115"]


def test_the_first_thousand_refusals_are_kept_and_all_are_counted():
    numbers = parse_ranges("x\n" * 5_000, LIMIT)
    assert len(numbers.errors) == 1_000
    assert numbers.refused == 5_000


def test_more_numbers_than_the_limit_are_refused_with_both_counts():
    assert not parse_ranges("1000-1999", 1_000).errors
    [problem] = parse_ranges("1000-1999, 3000", 1_000).errors
    assert "1,001" in str(problem)
    assert "1,000" in str(problem)


def test_the_largest_range_costs_nothing():
    started = time.perf_counter()
    numbers = parse_ranges("00000000000000000000-99999999999999999999", LIMIT)
    assert time.perf_counter() - started < 1
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
def test_writing_goes_on_after_the_last_number_done(listed, last):
    numbers = parse_ranges(",".join(text for _, text in listed), 10**6)
    assert list(numbers.after(last)) == [number for number in numbers if number > last]


def test_chunks_are_ascending_and_never_longer_than_asked():
    numbers = parse_ranges("8-9, 10-14", LIMIT)
    assert list(numbers.chunks(3)) == [["10", "11", "12"], ["13", "14", "8"], ["9"]]
    assert list(numbers.chunks(3, after="13")) == [["14", "8", "9"]]


@given(st.text("0123456789 -+(),.;\n/–", max_size=40))
def test_any_text_is_either_read_or_refused(text):
    numbers = parse_ranges(text, LIMIT)
    assert (numbers.count > 0) or numbers.errors or not any(char.isdigit() for char in text)
    assert all(problem.reason for problem in numbers.errors)


# --- the search box -------------------------------------------------------------------------------


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
    ],
)
def test_the_box_tells_how_to_search(text, search):
    assert parse_search(text) == search


@pytest.mark.parametrize(
    ("text", "match", "search"),
    [
        ("44-20", "begins", Search("begins", "4420")),
        ("44 20", "ends", Search("ends", "4420")),
        ("111-222", "exact", Search("exact", "111222")),
        ("111,222", "exact", Search("list", values=("111", "222"))),
        ("111 222", "exact", Search("list", values=("111", "222", "111222"))),
        ("4420*", "ends", Search("begins", "4420")),
        ("111-222", "contains", Search("range", low="111", high="222")),
    ],
)
def test_the_select_beside_the_box_says_what_plain_digits_mean(text, match, search):
    assert parse_search(text, match) == search


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("abc", ""),
        ("---", ""),
        ("*", ""),
        ("4*4", ""),
        ("222-111", ""),
        ("111,x", ""),
        ("111-222,333", ""),
        ("1,2", "begins"),
        ("1" * 21, ""),
        (",".join(map(str, range(10_001))), ""),
    ],
)
def test_a_search_that_means_nothing_is_refused(text, match):
    with pytest.raises(NumberError):
        parse_search(text, match)


def test_an_unknown_way_to_match_is_refused():
    with pytest.raises(ValueError, match="contains, begins, ends, exact"):
        parse_search("44", "sounds")


def test_ten_thousand_numbers_may_be_pasted():
    pasted = [str(number) for number in range(10_000)]
    assert parse_search("\n".join(pasted)).values == tuple(pasted)


@given(
    st.text("0123456789 -+(),.;*=\"'\n/", max_size=30), st.sampled_from(["", "contains", "begins", "exact"])
)
def test_any_search_is_either_understood_or_refused(text, match):
    try:
        search = parse_search(text, match)
    except NumberError:
        return
    if search is not None:
        assert search.value or search.values or search.low <= search.high


# --- a list in its order ----------------------------------------------------------------------------


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
def test_a_list_keeps_its_order_and_names_each_number_once(text, numbers):
    found, read = parse_list(text, 10)
    assert (found, read.errors) == (numbers, [])


def test_what_a_list_can_not_read_is_told_by_its_line():
    _, read = parse_list("100\nx12\n020 7946 0000\n44*", 10)
    assert [problem.line for problem in read.errors] == [2, 3, 4]
    assert "it may be one number, 02079460000, or 3 entries" in read.errors[1].reason


def test_a_list_that_is_too_long_is_empty_and_says_so():
    for text in ("100-110", "100-105\n" * 300):
        found, read = parse_list(text, 10)
        assert found == []
        assert "more than the 10 that can be asked about at once" in str(read.errors[0])
