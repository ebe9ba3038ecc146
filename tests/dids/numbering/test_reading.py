"""Reading a cell as one number, a range or several, and refusing what can be read in two ways."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dids.numbering.normalise import E164_DIGITS, FORMAT_AS_TEXT, NumberError
from dids.numbering.ranges import parse_ranges
from dids.numbering.reading import _ORDINARY, Choices, read_cell, read_entry
from dids.numbering.search import parse_list, parse_search
from tests.examples import scaled

SETTLED = Choices(short_ranges="expand", several="split", zero="drop")


def refusal(cell, choices=None):
    with pytest.raises(NumberError) as refused:
        read_cell(cell, choices or Choices())
    return refused.value


def listed(ranges):
    return [str(n).zfill(len(low)) for low, high in ranges for n in range(int(low), int(high) + 1)]


# --- one number -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0800-123456", "0800123456"),
        ("0800 123 456", "0800123456"),
        ("0800 456-123", "0800456123"),
        ("0800-123-456", "0800123456"),
        ("212-555-0100", "2125550100"),
        ("(212) 555-0100", "2125550100"),
        ("1 (212) 555-0100", "12125550100"),
        ("+1 212 555 0100", "12125550100"),
        ("1.212.555.0100", "12125550100"),
        ("020/7946001", "0207946001"),
        ("040/123456", "040123456"),
        ("030 / 123456", "030123456"),
        ("0475/12.34.56", "0475123456"),
        ("+49 211/12345", "4921112345"),
        ("020 7946 0001", "02079460001"),
        ("01632 960001", "01632960001"),
        ("01632-960001", "01632960001"),
        ("0044 20 7946 0001", "00442079460001"),
        ("+44 (20) 7946 0001", "442079460001"),
        ("(0)20 7946 0001", "02079460001"),
        ("+7 495 123-45-67", "74951234567"),
        ("8 (800) 555-35-35", "88005553535"),
        ("+380 44 123-45-67", "380441234567"),
        ("+7 (3812) 12-34-56", "73812123456"),
        ("+33 1 23 45 67 89", "33123456789"),
        ("01 23 45 67 89", "0123456789"),
        ("12 34 56 78", "12345678"),
        ("1234 5678", "12345678"),
        ("123 456 789", "123456789"),
        ("98765 43210", "9876543210"),
        ("+55 11 91234-5678", "5511912345678"),
        ("(11) 91234-5678", "11912345678"),
        ("03/54839-7390826", "03548397390826"),
        ("02079-46 000", "0207946000"),
        ("03-1234-5678", "0312345678"),
        ("08-123 456 78", "0812345678"),
        ("0701-23 45 67", "0701234567"),
        ("+39 06 1234 5678", "390612345678"),
        ("+1 10 001 000", "110001000"),
        ("+49 12345 67890", "491234567890"),
        ("20.26.05.03.11", "2026050311"),
        ("2026.05.031", "202605031"),
        ("tel:+12025550100", "12025550100"),
        ("TEL:+1-202-555-0100", "12025550100"),
        ("tel:%2B12025550100", "12025550100"),
        ("tel:+12025550100;ext=12", "12025550100"),
        ("callto:+12025550100", "12025550100"),
        ("Tel: 020 7946 0001", "02079460001"),
        ("442079460001,", "442079460001"),
        ("'0044", "0044"),
        ('="0044"', "0044"),
        ("0711.123456", "0711123456"),
        ("0711.123", "0711123"),
        ("44.", "44"),
        ("\n442079460001\n", "442079460001"),
    ],
)
@pytest.mark.parametrize("choices", [Choices(), SETTLED])
def test_ordinary_punctuation_stays_a_number(cell, number, choices):
    assert read_cell(cell, choices) == [(number, number)]


@pytest.mark.parametrize(
    ("cell", "number", "low", "high"),
    [
        ("43210-98765", "4321098765", "43210", "98765"),
        ("2345–8765", "23458765", "2345", "8765"),
        ("+4420-7946", "44207946", "4420", "7946"),
        ("200000-879541", "200000879541", "200000", "879541"),
    ],
)
def test_a_dash_between_equal_groups_is_read_as_chosen(cell, number, low, high):
    error = refusal(cell)

    assert (error.kind, error.readings) == ("dash", (number, f"{low}–{high}"))
    assert read_cell(cell, Choices(dash="number")) == [(number, number)]
    assert read_cell(cell, Choices(dash="range")) == [(low, high)]


def test_a_descending_pair_is_one_number_or_refused():
    number = "9876543210"

    assert refusal("98765-43210").readings == (number,)
    assert refusal("98765-43210", Choices(dash="range")).kind == "dash"
    assert read_cell("98765-43210", Choices(dash="number")) == [(number, number)]


@pytest.mark.parametrize(
    "cell", ["111-222", "5000-5099", "1000-1999", "1000-2000", "442079460000-442079460099"]
)
def test_clear_ends_are_a_range_without_a_choice(cell):
    assert read_cell(cell) == [tuple(cell.split("-"))]


def test_one_number_means_groups_that_look_like_ends_as_well():
    choices = Choices(dash="number")

    assert read_cell("98765-98799", choices) == [("9876598799", "9876598799")]
    assert read_cell("111-222", choices) == [("111", "222")]


# --- short ranges and patterns --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "number", "low", "high"),
    [
        ("441632961280-289", "441632961280289", "441632961280", "441632961289"),
        ("441632961280-9", "4416329612809", "441632961280", "441632961289"),
        ("441632961300–309", "441632961300309", "441632961300", "441632961309"),
        ("441632961280 - 289", "441632961280289", "441632961280", "441632961289"),
        ("441632961280 to 289", "441632961280289", "441632961280", "441632961289"),
        ("441632961280 bis 89", "44163296128089", "441632961280", "441632961289"),
        ("441632961280..289", "441632961280289", "441632961280", "441632961289"),
        ("441632961280…289", "441632961280289", "441632961280", "441632961289"),
        ("441632961340/9", "4416329613409", "441632961340", "441632961349"),
        ("441632960000-99", "44163296000099", "441632960000", "441632960099"),
        ("01632 961290-99", "0163296129099", "01632961290", "01632961299"),
        ("01632 960018/19", "0163296001819", "01632960018", "01632960019"),
        ("01632 960018 / 19", "0163296001819", "01632960018", "01632960019"),
        ("+44 1632 960000-99", "44163296000099", "441632960000", "441632960099"),
        ("1/00000-10000/9", "100000100009", "10000010000", "10000010009"),
        ("212-555-0100-99", "212555010099", "2125550100", "2125550199"),
        ("5550100-0199", "55501000199", "5550100", "5550199"),
        ("44163296000[0-9]", "4416329600009", "441632960000", "441632960009"),
        ("44163296000{0..9}", "4416329600009", "441632960000", "441632960009"),
        ("44163296000(0-9)", "4416329600009", "441632960000", "441632960009"),
        ("4416329600[0-9][0-9]", "44163296000909", "441632960000", "441632960099"),
        ("4416329600[20-39]", "44163296002039", "441632960020", "441632960039"),
    ],
)
def test_a_short_range_is_refused_with_both_readings_or_expanded(cell, number, low, high):
    error = refusal(cell)

    assert error.kind == "short range"
    assert error.readings == (number, f"{low}–{high}")
    assert error.reason == f"it may be one number, {number}, or the range {low}–{high}"
    assert read_cell(cell, SETTLED) == [(low, high)]


@pytest.mark.parametrize(
    ("cell", "reading", "ranges"),
    [
        ("44163296000x", "441632960000–441632960009", [("441632960000", "441632960009")]),
        ("4416329600XX", "441632960000–441632960099", [("441632960000", "441632960099")]),
        ("+44 1632 9600??", "441632960000–441632960099", [("441632960000", "441632960099")]),
        ("441632961280-2895", "441632961280–441632962895", [("441632961280", "441632962895")]),
        (
            "441632961340/41/43",
            "441632961340, 441632961341, 441632961343",
            [("441632961340",) * 2, ("441632961341",) * 2, ("441632961343",) * 2],
        ),
    ],
)
def test_a_pattern_that_is_no_number_is_refused_with_its_reading_or_expanded(cell, reading, ranges):
    error = refusal(cell)

    assert (error.kind, error.readings) == ("short range", (reading,))
    assert read_cell(cell, SETTLED) == ranges


@pytest.mark.parametrize(
    "cell",
    [
        "(212) 555-0100-0199",  # perhaps one number
        "555-0100-0199",
        "0800 123-456",
        "10000-000-999",
        "55 11 90000-9999",
        "0711/685-0",  # ends before it starts
        "441632961280-089",
        "06221-540",  # perhaps an area code in front
        "01632 960018/125",  # a range, or two numbers
        "441632961280/289",
        "020/7946/0001",
        "01000000 / 0/10 00001",
        "44163296[1-2][1-2]",  # no range
        "44163296000[01]",
        "202555010[0,1,2]",
        "202555010(0",
        "020) 7946 0001",
        "02079460000 (12)",
        "12345/46/47",
        "2125550100-2125550199-",
        "4416329-61280289",
        "1-100",
        "555-0100",
        "111..222",
    ],
)
@pytest.mark.parametrize("choices", [Choices(), SETTLED])
def test_what_stays_doubtful_is_refused_whatever_was_chosen(cell, choices):
    assert refusal(cell, choices)


# --- several numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("2025551270 / 2025551271", "2025551270 2025551271"),
        ("2025551270/2025551271", "2025551270 2025551271"),
        ("0800123456 0800123457", "0800123456 0800123457"),
        ("2025551270;2025551271", "2025551270 2025551271"),
        ("2025551270, 2025551271,2025551272", "2025551270 2025551271 2025551272"),
        ("2025551270 or 2025551271", "2025551270 2025551271"),
        ("2025551270 und 2025551271", "2025551270 2025551271"),
        ("2025551270 & 2025551271", "2025551270 2025551271"),
        ("2025551270\n2025551271", "2025551270 2025551271"),
        ("2025551270 | 2025551271", "2025551270 2025551271"),
        ("+1 202 555 0100 +1 202 555 0101", "12025550100 12025550101"),
        ("+12025550100/+12025550101", "12025550100 12025550101"),
        ("(212) 555-0100 (212) 555-0101", "2125550100 2125550101"),
        ("212-555-0100 212-555-0101", "2125550100 2125550101"),
        ("020 7946 0001 020 7946 0002", "02079460001 02079460002"),
        ("01632 960018 / 01632 960025", "01632960018 01632960025"),
        ("1234567 1234568", "1234567 1234568"),
        ("555123 555124", "555123 555124"),
        ("12567 12568", "12567 12568"),
        ("111 112", "111 112"),
    ],
)
def test_two_numbers_in_a_cell_are_refused_or_split(cell, numbers):
    error = refusal(cell)

    assert error.kind == "several"
    assert error.readings[-1] == ", ".join(numbers.split())
    assert error.reason.endswith(f"numbers, {', '.join(numbers.split())}")
    assert listed(read_cell(cell, SETTLED)) == numbers.split()


def test_two_numbers_that_may_be_one_are_refused_with_both_readings():
    error = refusal("1234567 1234568")

    assert error.readings == ("12345671234568", "1234567, 1234568")
    assert error.reason == "it may be one number, 12345671234568, or 2 numbers, 1234567, 1234568"


@pytest.mark.parametrize(
    "cell",
    [
        "441632961280, 81",  # shortened, or two numbers
        "442,071,000,101",  # thousands
        "441632960000 99",
        "123456 12",
        "442079460001, Main office",
        "+4420794 60001234 5",
    ],
)
@pytest.mark.parametrize("choices", [Choices(), SETTLED])
def test_parts_that_are_no_numbers_are_never_split(cell, choices):
    assert refusal(cell, choices)


# --- a zero after the country code ----------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "+44 (0)20 7946 0001",
        "+44(0)2079460001",
        "+44 (0) 20 7946 0001",
        "+44 [0] 20 7946 0001",
        "+44 (020) 7946 0001",
    ],
)
def test_a_zero_after_the_country_code_is_refused_with_both_readings_or_dropped(cell):
    error = refusal(cell)

    assert (error.kind, error.readings) == ("zero", ("4402079460001", "442079460001"))
    assert read_cell(cell, SETTLED) == [("442079460001", "442079460001")]


@pytest.mark.parametrize(
    "cell", ["+44(0)1632960116-119", "+44 (0)1632 960116 - 119", "+44 (0)1632 960116/119"]
)
def test_a_zero_in_a_range_is_refused_without_readings_of_one_number(cell):
    error = refusal(cell)

    assert (error.kind, error.readings) == ("zero", ())
    assert refusal(cell, Choices(zero="drop")).kind == "short range"


@pytest.mark.parametrize("cell", ["+44 020 7946 0001", "(+44) 020 7946 0001", "+44-020-7946-0001"])
def test_a_zero_without_brackets_is_always_refused(cell):
    for choices in (Choices(), SETTLED):
        error = refusal(cell, choices)
        assert (error.kind, error.readings) == ("zero", ("4402079460001", "442079460001"))


# --- what is no number ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason", "cells"),
    [
        (
            "date",
            "it is a date or a time",
            "2026-05-03|2026/5/3|2026.05.03|1/5/2026|12/31/2026|17/08/2033|17.08.2033|17. 8. 2033|1/5/26",
        ),
        (
            "date",
            "it is a date or a time",
            "5-Jan|Jan-26|05-Jan-2026|5 January 2026|January 5, 2026|5. Mai 2026|1er mars 2026|5 мая 2026",
        ),
        (
            "date",
            "it is a date or a time",
            "17.08.26|2026-05-03 10:00|2026-05-03T10:00:00Z|1/5/2026 3:30 PM|12:30|12:30:00|٢٠٢٦-٠٥-٠٣",
        ),
        ("negative", "it is a negative number", "-5|-.55|-442079460001|−442079460001|-1.5"),
        (
            "decimal",
            "it is a decimal number",
            "1.5|123.55|442079460001.0| +123.5 |1,20|442.079.460,00|1,234.50|+.5",
        ),
        (
            "exponent",
            "the spreadsheet wrote it with an exponent, and its last digits are lost",
            "4.42E+11|4,42e11|-4e1|'4.42E+18|+4e1",
        ),
        ("uri", "it is a sip: address", "sip:+12025550100@example.com|SIP:100@pbx"),
        ("uri", "it is a sips: address", "sips:+12025550100@example.com"),
        ("uri", "it is an address with @", "12025550100@example.com"),
    ],
)
def test_what_is_no_number_is_refused_with_what_it_is(kind, reason, cells):
    for cell in cells.split("|"):
        for choices in (Choices(), SETTLED):
            error = refusal(cell, choices)
            assert (error.kind, error.reason, error.value) == (kind, reason, cell)


@pytest.mark.parametrize(
    "cell", ["44.20.79", "2026-13-45", "99.99.2026", "1800-05-031", "11-22-33", "12-3-4"]
)
def test_a_number_that_only_resembles_a_date_is_read(cell):
    number = "".join(filter(str.isdigit, cell))
    assert read_cell(cell) == [(number, number)]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "the number is empty"),
        ("'", "the number is empty"),
        ('=""', "the number is empty"),
        ('="44', "“=” is not a digit"),
        ('44"', '“"” is not a digit'),
        ("Total", "it is not a number"),
        ("Total 12", "it is not a number"),
        ("07700900123 x12", "“x” is not a digit"),
    ],
)
def test_other_text_is_refused(cell, reason):
    assert refusal(cell).reason == reason


def test_a_decimal_is_told_to_be_formatted_as_text():
    assert refusal("442079460001.0").remedy == FORMAT_AS_TEXT


# --- any notation ---------------------------------------------------------------------------------

numbers = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from("0123456789"),
    st.text("0123456789", min_size=6, max_size=13),
).map(lambda number: "1" + number if number.startswith("00") else number)


@st.composite
def grouped(draw, number):
    """Write a number in groups, with one kind of punctuation, perhaps with brackets and a plus."""
    groups, rest = [], number
    while len(rest) > 5:
        size = draw(st.integers(2 if groups else 1, 5))
        groups.append(rest[:size])
        rest = rest[size:]
    groups.append(rest)
    if len(groups) > 1 and len(groups[-1]) < len(groups[-2]):  # that is how a range is shortened
        groups[-2:] = ["".join(groups[-2:])]
    sign = draw(st.sampled_from([" ", "-", ".", "\u00a0", "–"]))
    after_area = draw(st.sampled_from([sign, " ", "/", " / ", "-"]))
    text = sign.join(groups[1:])
    if draw(st.booleans()):
        text = f"({groups[0]}) {text}"
    elif text:
        text = f"{groups[0]}{after_area}{text}"
    else:
        text = groups[0]
    equal_halves = len(groups) == 2 and len(groups[0]) == len(groups[1])
    if equal_halves and ("-" in text or "–" in text):  # that is how a range is written
        text = number
    plus = number[0] != "0" and draw(st.booleans())
    return draw(st.sampled_from(["", "", "tel:"])) + ("+" if plus else "") + text


@st.composite
def written(draw):
    """Return (the numbers that are meant, a human notation of them)."""
    number = draw(numbers)
    text = draw(st.one_of(st.just(number), grouped(number)))
    form = draw(st.sampled_from(["one", "one", "full", "short", "pattern", "two", "zero"]))
    size = draw(st.integers(1, 3))
    low, high = number[:-size] + "0" * size, number[:-size] + "9" * size
    if form == "full":
        dash = draw(st.sampled_from(["-", "–", " - ", " to ", " – "]))
        return {(low, high)}, low + dash + high
    if form == "short":
        start = draw(st.one_of(st.just(low), grouped(low)))
        return {(low, high)}, start + draw(st.sampled_from(["-", "–", "/", " - ", "..", " to "])) + "9" * size
    if form == "pattern":
        return {(low, high)}, number[:-size] + draw(st.sampled_from(["x", "[0-9]", "{0..9}"])) * size
    if form == "two":
        other = str(int("1" + number) + draw(st.integers(1, 30)))[-len(number) :]
        between = draw(st.sampled_from([" / ", "/", ", ", ";", " or ", " ", "\n", " & "]))
        return {(number, number), (other, other)}, text + between + draw(
            st.one_of(st.just(other), grouped(other))
        )
    if form == "zero" and not number.startswith("0"):
        meant = "44" + number[:11]
        return {(meant, meant)}, f"+44 (0){number[:11]}"
    return {(number, number)}, text


CHOICES = st.builds(
    Choices,
    short_ranges=st.sampled_from(["refuse", "expand"]),
    several=st.sampled_from(["refuse", "split"]),
    dash=st.sampled_from(["refuse", "number"]),
    zero=st.sampled_from(["refuse", "drop"]),
)


@settings(max_examples=scaled(1_000))
@given(written(), CHOICES)
def test_what_is_read_is_what_was_meant_or_it_is_refused(case, choices):
    meant, text = case
    try:
        ranges = read_cell(text, choices)
    except NumberError:
        return
    assert sorted(listed(ranges)) == sorted(set(listed(meant)))


@settings(max_examples=scaled(250))
@given(st.lists(written().filter(lambda case: len(case[1].split()) == 1), min_size=1, max_size=5))
def test_a_list_of_notations_is_what_was_meant_or_it_is_refused(cases):
    named = set().union(*(listed(meant) for meant, _ in cases))
    read = parse_ranges("\n".join(text for _, text in cases), 10**6)

    assert set(read) <= named
    assert read.errors or set(read) == named


@settings(max_examples=scaled(500))
@given(st.from_regex(_ORDINARY, fullmatch=True))
def test_a_frequent_notation_is_read_by_the_same_rules(text):
    assert read_cell(text) == read_entry(text)
    assert len(read_cell(text)[0][0]) <= E164_DIGITS


# --- time -----------------------------------------------------------------------------------------

LENGTH = 200_000
READERS = {
    "cell": read_cell,
    "list": lambda text: parse_ranges(text, LENGTH),
    "search": parse_search,
    "list to look up": lambda text: parse_list(text, LENGTH),
}
REPEATED = (
    "-|–| -|- | |\u00a0|1|1-|1/|1.|..|…|(0)|1(0)|(1)|[0-9]|x|1x|+1|(1|tel:|1e|1:|@|' |*|1 |+1 | to |1 to "
    "| or |1 or |1;ext="
)


@pytest.mark.parametrize("reader", READERS)
def test_any_text_is_read_in_linear_time(reader):
    """200,000 characters; in quadratic time each text would take minutes."""
    for piece in REPEATED.split("|"):
        repeated = piece * (LENGTH // len(piece))
        for text in (repeated, f"+44{repeated}z"):
            with suppress(NumberError):
                READERS[reader](text)
