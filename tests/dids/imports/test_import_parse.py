"""Parsing the cells of a file into staged rows and groups."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dids.imports import parse
from dids.imports.cells import CellRules
from dids.models.staging import ImportGroup, ImportRow
from dids.numbering.normalise import MAX_DIGITS, NumberError
from sheets import Problem

TOO_LONG = Problem("long", "The row has too many cells.")


def parsed(columns, *rows, problem=None, **params):
    """Parse rows of cells (separated by "|") with these columns; return (rows, groups) as dicts."""
    rules = CellRules.of({"mapping": columns.split("|"), **params})
    parser = parse.RowParser(SimpleNamespace(first=1_000), rules)
    lines = [(line, text.split("|"), problem) for line, text in enumerate(rows, 2)]
    empty = dict.fromkeys(ImportRow.STAGED)
    staged = [empty | dict(zip(ImportRow.STAGED, row, strict=False)) for row in parser.parse(lines)]
    return staged, [dict(zip(ImportGroup.STAGED, group, strict=True)) for group in parser.new_groups]


def flaw(columns, row, **params):
    """Parse one row and return its flaw, or that of its group, as [column, value, sentence]."""
    (staged,), groups = parsed(columns, row, **params)
    column, value, what, *more = json.loads(staged["flaw"] or groups[0]["flaw"])
    return [column, value, f"{what} {more[1]}".strip() if more else what]


def test_rows_with_the_same_values_share_a_group():
    rows, groups = parsed("number|status|notes", "100|active|x", "101|active|y", "102|hold|x")

    assert [row["id"] for row in rows] == [1_001, 1_002, 1_003]
    assert [row["group_id"] for row in rows] == [1_001, 1_001, 1_002]
    assert [row["notes"] for row in rows] == ["x", "y", "x"]
    assert [row["line"] for row in rows] == [2, 3, 4]
    assert [(group["id"], group["status"]) for group in groups] == [(1_001, "active"), (1_002, "hold")]


def test_a_cell_is_kept_where_it_differs_from_the_number():
    rows, _ = parsed("number", "100", "+1001", "200-202")

    assert [row["cell"] for row in rows] == [None, "+1001", "200-202", "", ""]


def test_a_group_dropped_from_memory_is_staged_again(monkeypatch):
    monkeypatch.setattr(parse, "GROUPS_KEPT", 1)

    rows, groups = parsed("number|status", "100|active", "101|hold", "102|active")

    assert [row["group_id"] for row in rows] == [1_001, 1_002, 1_003]
    assert [group["status"] for group in groups] == ["active", "hold", "active"]


@pytest.mark.parametrize("columns", ["number|notes", "id|notes", "number|range_end"])
def test_blank_rows_are_skipped(columns):
    assert parsed(columns, "|", " |  ", "")[0] == []
    assert parsed(columns, " | ", problem=TOO_LONG)[0] == []


def test_a_row_that_the_sheet_refused_keeps_its_problem():
    ((row,), _) = parsed("number|notes", "100|x", problem=TOO_LONG)

    assert (row["verdict"], row["reason"], row["number"]) == ("!", "flaw", None)
    assert json.loads(row["flaw"])[:3] == [None, "", "The row has too many cells."]


def test_a_short_row_is_filled_with_blank_cells():
    ((row,), (group,)) = parsed("number|notes|client", "100")

    assert (row["number"], row["notes"], group["client_name"]) == ("100", "", None)


def test_cells_are_trimmed_and_unescaped():
    ((row,), (group,)) = parsed("number|notes|client|tags", "100|'=x|'=Bakery |vip; gold, vip")

    assert (row["notes"], group["client_name"], group["tags"]) == ("=x", "=Bakery", "gold, vip")
    assert parsed("number|notes", "100|  ")[0][0]["notes"] == ""


@pytest.mark.parametrize(
    ("columns", "row", "numbers"),
    [
        ("number", "١٠٠", ["100"]),
        ("number", "0099-0101", ["0099", "0100", "0101"]),
        ("number|range_end", "0099|0101", ["0099", "0100", "0101"]),
        ("number|range_end", "100|100", ["100"]),
        ("number|range_end", "100|", ["100"]),
        ("number|range_size", "0099|3", ["0099", "0100", "0101"]),
        ("number|range_size", "998|2", ["998", "999"]),
        ("number|range_end|range_size", "100|102|3", ["100", "101", "102"]),
        ("number|range_end", "100-102|102", ["100", "101", "102"]),
    ],
)
def test_a_range_is_staged_once_for_each_number(columns, row, numbers):
    rows, _ = parsed(columns, row)

    assert [row["number"] for row in rows] == numbers
    assert [row["id"] for row in rows] == list(range(1_001, 1_001 + len(numbers)))
    assert {row["line"] for row in rows} == {2}


@pytest.mark.parametrize("key", [0, 7, 10**17])
def test_an_id_is_staged_instead_of_a_number(key):
    ((row,), _) = parsed("id|notes", f" {key} |x")

    assert (row["ref"], row["number"], row["verdict"]) == (key, None, "+")


LONG = "x" * 101
STATUSES = "Reserved, In Stock, Active, Blocked, Hold, Archive"
END = "The end of a range has as many digits as 100 and is not below it. Write the number in full."


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ("id|notes", "7a|x", ["id", "7a", "An ID is a whole number. Correct it or remove the row."]),
        ("id|notes", "|x", ["id", "", "An ID is a whole number. Correct it or remove the row."]),
        ("number|range_end", "100|99", ["range_end", "99", END]),
        ("number|range_end", "100|1000", ["range_end", "1000", END]),
        ("number|range_end", "100|099", ["range_end", "099", END]),
        (
            "number|range_size", "998|3",
            ["range_size", "3", "There are fewer numbers than that from 998 on. Correct the size."],
        ),
        (
            "number|range_size", "998|0",
            ["range_size", "0", "A size is a whole number from 1 to 2,000,000. Correct the size."],
        ),
        (
            "number|range_end|range_size", "100|105|3",
            ["range_size", "3", "The row gives two different ends of its range. Remove one of them."],
        ),
        (
            "number|status", "100|zzz",
            ["status", "zzz", f"There is no status “zzz”. Use one of {STATUSES}."],
        ),
        (
            "number|after_hold", "100|active",
            ["after_hold", "active", "“active” can’t be After Hold. Use one of Reserved, In Stock, Archive."],
        ),
        (
            "number|after_hold", "100|zzz",
            ["after_hold", "zzz", "“zzz” can’t be After Hold. Use one of Reserved, In Stock, Archive."],
        ),
        (
            "number|hold_days", "100|366",
            ["hold_days", "366", "Hold days must be a whole number from 0 to 365. Correct the number."],
        ),
        (
            "number|client", f"100|{LONG}",
            ["client", f"{LONG[:59]}…", "The name has 101 characters; at most 100 are allowed. Shorten it."],
        ),
        (
            "number|notes", f"100|{LONG * 5}",
            ["notes", f"{LONG[:59]}…", "The note has 505 characters; at most 500 are allowed. Shorten it."],
        ),
    ],
)  # fmt: skip
def test_an_unreadable_cell_is_staged_with_its_column_value_and_sentence(columns, row, expected):
    assert flaw(columns, row) == expected


def test_a_number_with_too_many_digits_is_not_staged():
    assert flaw("number|notes", f"{'1' * 21}|x")[:2] == ["number", "1" * 21]
    assert parsed("number|notes", f"{'1' * 20}|x")[0][0]["number"] == "1" * 20


def test_zero_hold_days_differ_from_a_blank_cell():
    _, groups = parsed("number|hold_days", "100|0", "101|")

    assert [group["hold_days"] for group in groups] == [0, None]


def test_the_first_of_several_unreadable_cells_is_shown():
    assert flaw("number|status|hold_days", "100|zzz|zzz")[0] == "status"


def test_the_longest_texts_fit():
    ((row,), (group,)) = parsed("number|notes|client", f"100|{'n' * 500}|{'c' * 100}")

    assert (len(row["notes"]), len(group["client_name"]), group["flaw"]) == (500, 100, None)


TYPICAL = {"typical": [12, 12, 1_201]}
LOST = "It has 10 digits, while the other 1,201 numbers have 12, so digits may be missing in front."


def test_a_number_that_may_lack_digits_is_refused_kept_or_completed():
    def number(row, **answer):
        return parsed("number|notes", row, **TYPICAL, **answer)[0][0]["number"]

    assert flaw("number|notes", "1632960411|x", **TYPICAL)[2].startswith(LOST)
    assert number("1632960411|x", lost="keep") == "1632960411"
    assert number("1632960411|x", lost="put", front="44") == "441632960411"
    assert number("+1632960411|x") == "1632960411"
    assert number("441632960411|x", lost="put", front="44") == "441632960411"


def test_a_number_far_shorter_than_the_others_is_flagged_unless_ticked():
    (row, ticked), _ = parsed("number|notes", "1212|x", "1213|y", **TYPICAL, written=[3])

    assert (row["verdict"], row["number"], row["notes"]) == ("f", "1212", "x")
    assert json.loads(row["flaw"]) == [
        "number", "1212",
        "Read as 1212: 4 digits, the other numbers have 12.", "flagged", "Left out unless ticked.",
    ]  # fmt: skip
    assert (ticked["verdict"], ticked["number"], ticked["flaw"]) == ("+", "1213", None)
    known = parsed("number|notes", "1212|x", typical=[12, 12, 1_201, [4]])[0][0]
    assert (known["verdict"], known["number"]) == ("+", "1212")


@pytest.mark.parametrize(
    ("columns", "row", "answers", "numbers"),
    [
        ("part|part|number", "44|1632|960601", {}, ["441632960601"]),
        ("part|part|number", "+44|(1632)|9606 01", {}, ["441632960601"]),
        ("part|number", "|441632960601", {}, ["441632960601"]),
        ("part|number|range_end", "301|2110008|2110009", {}, ["3012110008", "3012110009"]),
        ("part|number|range_end", "900|0000001|0000002", {}, ["9000000001", "9000000002"]),
        ("part|number|range_size", "301|2110008|2", {}, ["3012110008", "3012110009"]),
        ("part|part|number", "44|01632|960601", {"readings": {"zero": "drop"}}, ["441632960601"]),
        ("part|part|number", "39|06|1234567", {}, ["39061234567"]),
        ("part|part|number", "0039|06|1234567", {}, ["0039061234567"]),
    ],
)
def test_digits_of_other_columns_stand_in_front_of_the_number(columns, row, answers, numbers):
    rows, _ = parsed(columns, row, **answers)

    assert [row["number"] for row in rows] == numbers


@pytest.mark.parametrize(
    ("columns", "row", "column", "reason"),
    [
        ("part|number", "UK|1632960601", "part", "It is not a number."),
        (
            "part|number",
            "44|+441632960601",
            "number",
            "It is complete with its +, and 44 would stand in front",
        ),
        ("part|number", "44|441632960601", "number", "It may be complete, 441632960601, or lack"),
        (
            "part|part|number",
            "44|01632|960601",
            "number",
            "The 0 after 44 may be part of the number, 440163",
        ),
        ("part|number", "44|01632960601", "number", "The 0 after 44 may be part of the number, 440163"),
    ],
)
def test_digits_in_front_that_are_doubtful_are_refused(columns, row, column, reason):
    found = flaw(columns, row)

    assert found[0] == column
    assert found[2].startswith(reason)


@pytest.mark.parametrize("mark", ["NULL", "null", "\\N", "(null)", "n/a", "N/A", "-", " - ", "—"])
def test_marks_of_an_empty_cell_are_no_values(mark):
    ((row,), (group,)) = parsed("number|notes|operator|tags", f"100|{mark}|{mark}|{mark}")

    assert (row["notes"], group["operator_name"], group["tags"]) == ("", None, None)
    assert parsed("number|range_end", f"100|{mark}")[0][0]["number"] == "100"
    assert parsed("number|notes", f"{mark}|{mark}")[0] == []


@pytest.mark.parametrize("cell", ["\u200b", " \ufeff\u00a0", "\u2800", "\u200b-\u200b"])
def test_a_cell_without_a_visible_character_is_empty(cell):
    columns = "operator|client|account|package|reseller|status|after_hold|hold_days|tags|notes|range_end"
    keys = columns.split("|")
    ((row,), (group,)) = parsed(f"number|{columns}", "|".join(["100", *[cell] * len(keys)]))

    assert (row["number"], row["notes"], row["verdict"], group["flaw"]) == ("100", "", "+", None)
    assert {
        group.get(key, group.get(f"{key}_name")) for key in keys if key not in ("notes", "range_end")
    } == {None}


def test_the_marks_of_an_empty_cell_can_be_chosen():
    ((row,), (group,)) = parsed("number|notes|operator", "100|none|n/a", empty=["none"])

    assert (row["notes"], group["operator_name"]) == ("", "n/a")


def test_values_that_are_no_status_are_read_as_chosen():
    values = {
        "status": {"in-use": "reserved", "parked": "leave", "gone": "refuse"},
        "after_hold": {"x": "active"},
    }
    _, groups = parsed("number|status", "1|in-use", "2|parked", "3|gone", "4|Archive", values=values)

    assert [group["status"] for group in groups] == ["reserved", None, None, "archive"]
    assert json.loads(groups[2]["flaw"])[:2] == ["status", "gone"]
    assert flaw("number|after_hold", "1|x", values=values)[2].startswith("“active” can’t be After Hold.")


def test_each_number_of_a_range_has_its_place_in_its_line():
    rows, _ = parsed("number|range_end", "100|102", "110|", "1x|", "120-121|")

    places = [(row["number"], row["nth"], row["named"]) for row in rows]
    assert places == [
        ("100", 1, 3), ("101", 2, 3), ("102", 3, 3), ("110", None, None), (None, None, None),
        ("120", 1, 2), ("121", 2, 2),
    ]  # fmt: skip


@given(st.text("0123456789", min_size=1, max_size=MAX_DIGITS + 2))
def test_digits_are_staged_as_the_rules_read_them(cell):
    ((row,), _) = parsed("number", cell)

    try:
        expected = CellRules.of({"mapping": ["number"]}).ranges(2, [cell])[0]
    except NumberError:
        expected = (None, None)
    assert (row["number"], row["number"]) == expected
