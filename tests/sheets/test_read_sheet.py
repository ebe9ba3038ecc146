"""The command that prints the rows that the import reads from files."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from tests.sheets.test_sheets import EXPECTED, SAMPLES


@pytest.fixture
def read_sheet(settings):
    def run(*names, given=b"", **environment):
        command = [sys.executable, "manage.py", "read_sheet", *names]
        done = subprocess.run(
            command, cwd=settings.BASE_DIR, input=given, env=os.environ | environment, capture_output=True
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_each_file_is_printed_as_a_line_of_json(read_sheet):
    names = ["comma.csv", "number_cells.xlsx", "password.ods", "wide_row.xlsx"]
    text, workbook, refused, flagged = read_sheet(*(str(SAMPLES / name) for name in names))
    assert text == {
        "file": str(SAMPLES / "comma.csv"),
        "format": "text",
        "encoding": "utf-8",
        "delimiter": ",",
        "rows": EXPECTED["comma.csv"]["rows"],
        "sheet": "",
        "notes": [],
        "damage": [],
        "problems": [],
    }
    assert (workbook["format"], workbook["sheet"]) == ("xlsx", "Numbers")
    assert workbook["rows"] == EXPECTED["number_cells.xlsx"]["rows"]
    assert [(one["column"], one["code"], one["lines"]) for one in workbook["damage"]] == [
        (1, "number", [2, 3])
    ]
    assert refused == {"file": str(SAMPLES / "password.ods"), "error": EXPECTED["password.ods"]["error"]}
    assert [(one["line"], one["code"]) for one in flagged["problems"]] == [(3, "columns")]


def test_names_are_read_from_standard_input_and_a_missing_file_is_reported(read_sheet, tmp_path):
    (tmp_path / "ž b.csv").write_text("4420,ž\n", encoding="utf-8")
    given = f"{tmp_path}/missing.csv\n{tmp_path}\n\n{tmp_path}/ž b.csv\r\n".encode()
    missing, folder, found = read_sheet("-", given=given, LC_ALL="C")
    assert missing["error"] == "The file can’t be opened: No such file or directory."
    assert folder["error"] == "The file can’t be opened: Is a directory."
    assert (found["file"], found["rows"]) == (f"{tmp_path}/ž b.csv", [["4420", "ž"]])


def test_a_file_name_that_is_not_utf_8_is_read(read_sheet, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xe9.csv"
    with open(path, "wb") as file:
        file.write(b"4420,a\n")
    [found] = read_sheet("-", given=path + b"\n")
    assert (found["file"], found["rows"]) == (os.fsdecode(path), [["4420", "a"]])


def test_the_limits_of_the_settings_apply(read_sheet, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"4420\n4421\n"))
    [refused] = read_sheet(str(tmp_path / "a.csv.gz"), IMPORT_ROWS="1")
    assert refused["error"] == "The file has more than 1 rows. Split it and load the parts."
