"""Parse a workbook in a separate process: ``python -I workbook_process.py JSON``.

Parsers of workbooks hold a sheet in memory, and a malicious file can exhaust it, so they run in a process of
their own, under limits. This module imports nothing else of the project. JSON holds the arguments of
``main``. Standard output has one line each for:

* ``{"sheets": [all names], "hidden": [names], "sheet": the one that is read}``, or ``{"error": code}`` with
  ``password``, ``damaged``, ``empty`` (no filled cell), ``unknown`` (no such sheet), ``memory``
* each row: one letter for each cell, a tab, a JSON list of the cells' texts. Empty cells at the end are
  omitted, so a blank row is ``\\t[]``. A cell that is too long is cut one character above the limit, a row
  that is too long one cell above it

The letters: ``t`` text or empty, ``n`` whole number of at most 15 digits, ``x`` any other number, ``d`` date
or time, ``b`` TRUE or FALSE, ``e`` error. An upper-case letter is a formula, whose text is its saved result,
or empty without one.
"""

import contextlib
import datetime
import json
import posixpath
import re
import resource
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import python_calamine

EXACT = 10**15  # numbers in workbooks have 15 digits; longer ones were rounded
BLOCK = 1 << 18  # bytes parsed at once
# Signs of formulas or errors; a part without any of them is not parsed a second time.
TRACES = {
    "xlsx": (b"<f>", b"<f ", b"<f/", b":f>", b":f ", b't="e"', b"t='e'"),
    "ods": (b":formula=",),
}


def main(path: str, kind: str, sheet: str, columns: int, cell: int, seconds: int, memory: int) -> None:
    """Write the rows of ``sheet``, or of the first visible sheet with rows for "", to standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # in case the parent is gone
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set, or macOS, which has none
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        with python_calamine.load_workbook(path) as book:
            for line in lines(book, path, kind, sheet, columns, cell):
                sys.stdout.write(line)
    except MemoryError:
        report_error("memory")
    except python_calamine.PasswordError:
        report_error("password")
    except BrokenPipeError:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the parser is no Exception
        report_error("memory" if "limit exceeded" in str(error) else "damaged")
    sys.stdout.flush()


def report_error(code: str) -> None:
    sys.stdout.write(json.dumps({"error": code}) + "\n")


def lines(
    book: python_calamine.CalamineWorkbook, path: str, kind: str, sheet: str, columns: int, cell: int
) -> Iterator[str]:
    """Yield the lines of standard output."""
    worksheets = [one for one in book.sheets_metadata if one.typ == python_calamine.SheetTypeEnum.WorkSheet]
    names = [one.name for one in worksheets]
    hidden = [one.name for one in worksheets if one.visible != python_calamine.SheetVisibleEnum.Visible]
    facts = {"sheets": names, "hidden": hidden, "sheet": sheet}
    if sheet and sheet not in names:
        yield json.dumps(facts | {"error": "unknown"}) + "\n"
        return
    encode = json.JSONEncoder().encode
    for name in [sheet] if sheet else sorted(names, key=hidden.__contains__):
        blank, started = 0, False
        for letters, texts in rows(book, path, kind, name):
            if not started and not "".join(texts).strip():
                blank += 1
                continue
            if not started:
                yield encode(facts | {"sheet": name}) + "\n"
                yield from ["\t[]\n"] * blank
                started = True
            kept = texts[: columns + 1]
            line = encode(kept)
            if len(line) > cell:  # otherwise no cell is too long
                line = encode([text[: cell + 1] for text in kept])
            yield f"{letters[: len(kept)]}\t{line}\n"
        if started:
            return
    yield json.dumps(facts | {"error": "empty"}) + "\n"


def rows(
    book: python_calamine.CalamineWorkbook, path: str, kind: str, name: str
) -> Iterator[tuple[str, list[str]]]:
    """Yield (letters, texts) of each row from the first of the sheet, without empty cells at the end."""
    sheet = book.get_sheet_by_name(name)
    if sheet.start is None:
        return
    left: list[Any] = [""] * sheet.start[1]
    noted = notes(path, kind, name, book.sheet_names.index(name))
    at, marks = next(noted, END_OF_NOTES)
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        values = left + cells if left else cells
        letters = [LETTERS[value.__class__] for value in values]
        texts = [value if value.__class__ is str else TEXTS[value.__class__](value) for value in values]
        if "n" in letters:
            letters = ["x" if is_inexact(*cell) else cell[0] for cell in zip(letters, texts, strict=True)]
        while at and at < number:
            at, marks = next(noted, END_OF_NOTES)
        if at == number:
            mark(letters, texts, marks)
        while texts and not texts[-1] and letters[-1] == "t":
            del letters[-1], texts[-1]
        yield "".join(letters), texts


def number_as_text(value: float) -> str:
    """Return the digits of an exact integer, else text that can't be taken for a phone number.

    That is a number with one or two decimals, or with an exponent; more decimals look like a phone number
    written with a dot.
    """
    if value % 1 == 0 and abs(value) < EXACT:
        return str(int(value))
    short = f"{value:.15G}"
    if "E" in short or re.fullmatch(r"-?\d+\.\d\d?", short):
        return short
    digits, exponent = f"{value:.14E}".split("E")
    return f"{digits.rstrip('0').rstrip('.')}E{exponent}"


def is_inexact(letter: str, text: str) -> bool:
    return letter == "n" and not text.lstrip("-").isdigit()


def length_as_text(value: datetime.timedelta) -> str:
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


TEXTS: dict[type, Callable[[Any], str]] = {
    int: number_as_text,
    float: number_as_text,
    bool: lambda value: "TRUE" if value else "FALSE",
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.datetime: lambda value: value.isoformat(" "),
    datetime.timedelta: length_as_text,
}
LETTERS: dict[type, str] = {str: "t", int: "n", float: "n", bool: "b"} | dict.fromkeys(
    (datetime.date, datetime.time, datetime.datetime, datetime.timedelta), "d"
)


Marks = dict[int, tuple[bool, str]]  # {column from 0: (whether it is a formula, name of the error)}
END_OF_NOTES: tuple[int, Marks] = (0, {})


def mark(letters: list[str], texts: list[str], marks: Marks) -> None:
    """Add to a row what the parser omits: which cells are formulas, and the names of errors."""
    for column, (formula, error) in marks.items():
        more = column + 1 - len(texts)
        letters.extend("t" * more)
        texts.extend([""] * more)
        if error and not texts[column]:
            letters[column], texts[column] = "e", error
        if formula:
            letters[column] = letters[column].upper()


# --- formulas and errors ----------------------------------------------------------------------------


def notes(path: str, kind: str, name: str, index: int) -> Iterator[tuple[int, Marks]]:
    """Yield (row from 1, marks) of the rows with formulas or errors, ascending.

    ``index`` is the position of the sheet in the workbook. Yields nothing for a malformed file, since its
    cells are read without these details.
    """
    try:
        if kind == "xls":
            yield from xls_notes(path, index)
            return
        with zipfile.ZipFile(path) as archive:
            part = sheet_part(archive, name) if kind == "xlsx" else "content.xml"
            if has_traces(archive, part, TRACES[kind]):
                reader: Notes = XlsxNotes() if kind == "xlsx" else OdsNotes(name)
                with archive.open(part) as member:
                    while block := member.read(BLOCK):
                        reader.parser.Parse(block, False)
                        yield from reader.taken()
    except (
        zipfile.BadZipFile,
        OSError,
        LookupError,
        ValueError,
        struct.error,
        expat.ExpatError,
        ElementTree.ParseError,
    ):
        return


def sheet_part(archive: zipfile.ZipFile, name: str) -> str:
    """Return the name of the archive's part with the sheet."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 under the limits of this process
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    [wanted] = [
        [value for key, value in one.items() if key.endswith("}id")]
        for one in book.iter()
        if one.tag.endswith("}sheet") and one.get("name") == name
    ]
    [target] = [one.attrib["Target"] for one in links if one.get("Id") in wanted]
    return target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def has_traces(archive: zipfile.ZipFile, part: str, traces: Iterable[bytes]) -> bool:
    tail = b""
    with archive.open(part) as member:
        while block := member.read(BLOCK):
            text = tail + block
            if any(trace in text for trace in traces):
                return True
            tail = text[-10:]
    return False


class Notes:
    """Collect the rows with marks while the XML parser reads a part."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Marks]] = []
        self.row, self.column = 0, 0
        self.marks: Marks = {}
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, tag: str) -> None:
        raise NotImplementedError

    def taken(self) -> list[tuple[int, Marks]]:
        """Return the rows collected since the last call."""
        rows, self.rows = self.rows, []
        return rows


class XlsxNotes(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.error = self.formula = False
        self.value = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.column += 1
            if reference := attributes.get("r"):
                self.column = column_of(reference)
            self.error, self.formula, self.value = attributes.get("t") == "e", False, ""
        elif tag == "row":
            self.row, self.column, self.marks = int(attributes.get("r", self.row + 1)), 0, {}
        elif tag == "f":
            self.formula = True
        elif tag == "v" and self.error:
            self.parser.CharacterDataHandler = self.text

    def text(self, text: str) -> None:
        self.value += text

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "v":
            self.parser.CharacterDataHandler = None
        elif tag == "c" and (self.error or self.formula):
            self.marks[self.column - 1] = self.formula, self.value
        elif tag == "row" and self.marks:
            self.rows.append((self.row, self.marks))


def column_of(reference: str) -> int:
    """Return the column of a cell reference: 28 for "AB12"."""
    column = 0
    for char in reference.rstrip("0123456789"):
        column = 26 * column + ord(char) - 64
    return column


class OdsNotes(Notes):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.inside = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "table":
            self.inside, self.row = attributes.get("table:name") == self.name, 0
        elif not self.inside:
            return
        elif tag == "table-row":
            self.column, self.marks = 0, {}
            self.times = int(attributes.get("table:number-rows-repeated", 1))
        elif tag in ("table-cell", "covered-table-cell"):
            if "table:formula" in attributes:
                self.marks[self.column] = True, ""
            self.column += int(attributes.get("table:number-columns-repeated", 1))

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "table":
            self.inside = False
        elif tag == "table-row" and self.inside:
            if self.marks:
                self.rows.append((self.row + 1, self.marks))
            self.row += self.times


ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
FORMULA, BOUNDSHEET, BOOLERR, BOF, EOF = 0x0006, 0x0085, 0x0205, 0x0809, 0x000A  # records of .xls
ERROR_RESULT = 2
END = 0xFFFFFFFA  # block numbers of an OLE container are below this


def xls_notes(path: str, index: int) -> Iterator[tuple[int, Marks]]:
    with open(path, "rb") as file:
        book = ole_stream(file.read(), ("Workbook", "Book"))
    bounds = (data for kind, data in records(book, 0) if kind == BOUNDSHEET)
    (start,) = struct.unpack_from("<I", list(bounds)[index])
    found: dict[int, Marks] = {}
    inside = 0
    for kind, data in records(book, start):
        inside += (kind == BOF) - (kind == EOF)  # a chart is a nested sheet
        if not inside:
            break
        if kind in (FORMULA, BOOLERR) and inside == 1:
            row, column, _, value, other = struct.unpack_from("<HHHBB", data)
            error = ""
            if kind == BOOLERR and other:
                error = ERRORS.get(value, "#ERROR")
            elif kind == FORMULA and data[12:14] == b"\xff\xff" and value == ERROR_RESULT:
                error = ERRORS.get(data[8], "#ERROR")
            if error or kind == FORMULA:
                found.setdefault(row + 1, {})[column] = kind == FORMULA, error
    yield from sorted(found.items())


def records(book: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        yield kind, book[at + 4 : at + 4 + size]
        at += 4 + size


def ole_stream(data: bytes, names: Iterable[str]) -> bytes:
    """Return the first of the named streams in an OLE container, a file system with two block sizes."""
    (shift,) = struct.unpack_from("<H", data, 30)
    directory, _, cutoff, small_table, _, more = struct.unpack_from("<6I", data, 48)
    size = 1 << shift

    def block(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size]

    tables = list(struct.unpack_from("<109I", data, 76))
    while more < END and len(tables) < len(data) // size:
        *further, more = struct.unpack(f"<{size // 4}I", block(more))
        tables += further
    table = b"".join(block(number) for number in tables if number < END)
    entries = chained(directory, table, block)
    streams = {}
    for at in range(0, len(entries), 128):
        (length,) = struct.unpack_from("<H", entries, at + 64)
        name = entries[at : at + max(length, 2) - 2].decode("utf-16-le", "replace")
        streams[name] = struct.unpack_from("<II", entries, at + 116)
    [(start, total), *_] = [streams[name] for name in names if name in streams]
    if total < cutoff:
        small = chained(streams["Root Entry"][0], table, block)
        table = chained(small_table, table, block)
        return chained(start, table, lambda number: small[number * 64 : number * 64 + 64])[:total]
    return chained(start, table, block)[:total]


def chained(number: int, table: bytes, block: Callable[[int], bytes]) -> bytes:
    """Return the blocks of the chain that starts at ``number``; ``table`` maps each block to the next."""
    found: list[bytes] = []
    while number < END and len(found) <= len(table) // 4:
        found.append(block(number))
        (number,) = struct.unpack_from("<I", table, 4 * number)
    return b"".join(found)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
