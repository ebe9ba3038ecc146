"""Guessing the columns of a file from its header and its content."""

import pytest

from dids.imports.mapping import find_header, guess


@pytest.mark.parametrize("header", ["DID", "did", "Phone-Number", "phone_number", " MSISDN ", "E.164"])
def test_headers_are_compared_without_case_punctuation_and_blanks(header):
    found = guess([[header, "Notes"], ["x", "y"]], 2)
    assert (found.keys, found.header) == (["number", "notes"], 0)


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["DID"], ["100"]], 0),  # the only cell
        ([["DID", ""], ["100", ""]], 0),
        ([["DID", "x"], ["100", "y"]], None),  # one known header of two
        ([["DID", "Notes", "x"], ["100", "y", "z"]], 0),
        ([["Report of May"], [""], ["DID", "Notes"], ["100", "y"]], 2),
        ([["DID", "Notes"], ["DID", "Tag"]], 0),  # the first of equals
        ([["DID", "Notes"], ["DID", "Notes", "Tag"]], 1),
        ([["DID", "Refused because"], ["100", "No."]], 0),
        ([["100", "y"]], None),
    ],
)
def test_the_header_is_the_row_with_most_known_names(rows, header):
    assert find_header(rows) == header


def test_the_first_of_two_columns_with_the_same_meaning_is_used():
    assert guess([["Notes", "Number", "DID"], ["x", "100", "200"]], 3).keys == ["notes", "number", ""]


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        ([["1001", "a"], ["1002", "b"]], ["number", ""]),
        ([["a", "1001"], ["b", "1002"]], ["", "number"]),
        ([["1001", "2001"], ["1002", "2002"]], ["number", ""]),
        ([["1001"], ["7"]], ["number"]),
        ([["100"], ["7"]], ["number"]),
        ([["10"], ["7"]], [""]),  # more likely a count than a number
        ([["1001"], ["x"]], [""]),
        ([["1001"], []], [""]),
        ([["Tag", "Notes", "Foo"], ["vip", "x", "1001"]], ["tags", "notes", "number"]),
        ([["Hold days", "Notes", "Foo"], ["365", "x", "1001"]], ["hold_days", "notes", "number"]),
    ],
)
def test_without_a_header_the_number_is_found_by_content(rows, keys):
    assert guess(rows, len(rows[0])).keys == keys
