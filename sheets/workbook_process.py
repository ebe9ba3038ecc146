"""
The process that parses a workbook: ``python -I workbook_process.py JSON``; imports nothing of ours.

Parsers of workbooks hold a sheet in memory, and a file can be made to exhaust them, so this runs apart and
under limits. JSON is the arguments of ``main``. On standard output come, a line each:

* ``{"sheets": [all names], "hidden": [names], "sheet": the one that is read}``, or ``{"error": code}`` with
  ``password``, ``damaged``, ``empty`` (no cell is filled), ``unknown`` (no such sheet), ``memory``
* a row: one letter for each cell, a tab, a JSON list of the cells' texts. Empty cells at the end are left
  out, so a blank row is ``\\t[]``. A cell that is too long is cut one character above the limit, a row that
  is too long one cell above it

The letters: ``t`` text or empty, ``n`` a whole number of at most 15 digits, ``x`` any other number, ``d``
date or time, ``b`` TRUE or FALSE, ``e`` error. Upper case is a formula, whose text is the result that was
saved with it, empty when there is none.
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
from xml.etree import ElementTree
from xml.parsers import expat

import python_calamine

EXACT = 10**15  # a number has 15 digits in a workbook; longer ones were rounded
BLOCK = 1 << 18  # bytes parsed at once
# What a part with formulas or errors has in it; one that has none is not parsed once more.
TRACES = {
    "xlsx": (b"<f>", b"<f ", b"<f/", b":f>", b":f ", b't="e"', b"t='e'"),
    "ods": (b":formula=",),
}


def main(path, kind, sheet, columns, cell, seconds, memory):
    """``sheet`` is a name, or "" for the first that is not hidden and has rows."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # should nobody be left to stop it
    with contextlib.suppress(ValueError, OSError):  # a lower one is set already, or macOS, which has none
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        with python_calamine.load_workbook(path) as book:
            for line in lines(book, path, kind, sheet, columns, cell):
                sys.stdout.write(line)
    except MemoryError:
        say(error="memory")
    except python_calamine.PasswordError:
        say(error="password")
    except BrokenPipeError:
        raise
    except BaseException as error:  # the parser's panic is no Exception
        say(error="memory" if "limit exceeded" in str(error) else "damaged")
    sys.stdout.flush()


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")


def lines(book, path, kind, sheet, columns, cell):
    """The lines that go out."""
    worksheets = [one for one in book.sheets_metadata if one.typ == python_calamine.SheetTypeEnum.WorkSheet]
    names = [one.name for one in worksheets]
    hidden = [one.name for one in worksheets if one.visible != python_calamine.SheetVisibleEnum.Visible]
    facts = {"sheets": names, "hidden": hidden, "sheet": sheet}
    if sheet and sheet not in names:
        yield json.dumps(facts | {"error": "unknown"}) + "\n"
        return
    encode = json.JSONEncoder().encode
    for name in [sheet] if sheet else sorted(names, key=hidden.__contains__):
        blank, begun = 0, False
        for letters, texts in rows(book, path, kind, name):
            if not begun and not "".join(texts).strip():
                blank += 1
                continue
            if not begun:
                yield encode(facts | {"sheet": name}) + "\n"
                yield from ["\t[]\n"] * blank
                begun = True
            if len(texts) > columns:
                texts = texts[: columns + 1]
            line = encode(texts)
            if len(line) > cell:  # else no cell can be
                line = encode([text[: cell + 1] for text in texts])
            yield f"{letters[: len(texts)]}\t{line}\n"
        if begun:
            return
    yield json.dumps(facts | {"error": "empty"}) + "\n"


def rows(book, path, kind, name):
    """(letters, texts) of each row from the first of the sheet on, empty cells at the end left out."""
    sheet = book.get_sheet_by_name(name)
    if sheet.start is None:
        return
    left = [""] * sheet.start[1]
    noted = notes(path, kind, name, book.sheet_names.index(name))
    at, marks = next(noted, (0, None))
    for number, values in enumerate(sheet.iter_rows(), start=1):
        if left:
            values = left + values
        letters = [LETTERS[value.__class__] for value in values]
        texts = [value if value.__class__ is str else TEXTS[value.__class__](value) for value in values]
        if "n" in letters:
            letters = ["x" if is_inexact(*cell) else cell[0] for cell in zip(letters, texts, strict=True)]
        while at and at < number:
            at, marks = next(noted, (0, None))
        if at == number:
            mark(letters, texts, marks)
        while texts and not texts[-1] and letters[-1] == "t":
            del letters[-1], texts[-1]
        yield "".join(letters), texts


def number_as_text(value):
    """
    Digits where they are exact. Else as a number that nobody takes for a telephone number: with one or two
    decimals, or with an exponent, since more decimals look like a number written with a dot.
    """
    if value % 1 == 0 and abs(value) < EXACT:
        return str(int(value))
    short = f"{value:.15G}"
    if "E" in short or re.fullmatch(r"-?\d+\.\d\d?", short):
        return short
    digits, exponent = f"{value:.14E}".split("E")
    return f"{digits.rstrip('0').rstrip('.')}E{exponent}"


def is_inexact(letter, text):
    return letter == "n" and not text.lstrip("-").isdigit()


def length_as_text(value):
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


TEXTS = {
    int: number_as_text,
    float: number_as_text,
    bool: lambda value: "TRUE" if value else "FALSE",
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.datetime: lambda value: value.isoformat(" "),
    datetime.timedelta: length_as_text,
}
LETTERS = {str: "t", int: "n", float: "n", bool: "b"} | dict.fromkeys(
    (datetime.date, datetime.time, datetime.datetime, datetime.timedelta), "d"
)


def mark(letters, texts, marks):
    """Put what the parser leaves out into a row: which cells are formulas, and the names of errors."""
    for column, (formula, error) in marks.items():
        more = column + 1 - len(texts)
        letters.extend("t" * more)
        texts.extend([""] * more)
        if error and not texts[column]:
            letters[column], texts[column] = "e", error
        if formula:
            letters[column] = letters[column].upper()


# --- formulas and errors ----------------------------------------------------------------------------


def notes(path, kind, name, place):
    """
    (row from 1, {column from 0: (whether it is a formula, name of the error)}) of the rows that have some,
    ascending. Nothing where the file is not as it should be: its cells have been read, this adds to them.
    ``place`` is that of the sheet among all.
    """
    try:
        if kind == "xls":
            yield from xls_notes(path, place)
            return
        with zipfile.ZipFile(path) as archive:
            part = sheet_part(archive, name) if kind == "xlsx" else "content.xml"
            if has_traces(archive, part, TRACES[kind]):
                reader = XlsxNotes() if kind == "xlsx" else OdsNotes(name)
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


def sheet_part(archive, name):
    """The name of the part that is the sheet."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 limited like all here
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    [wanted] = [
        [value for key, value in one.items() if key.endswith("}id")]
        for one in book.iter()
        if one.tag.endswith("}sheet") and one.get("name") == name
    ]
    [target] = [one.get("Target") for one in links if one.get("Id") in wanted]
    return target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def has_traces(archive, part, traces):
    tail = b""
    with archive.open(part) as member:
        while block := member.read(BLOCK):
            block = tail + block
            if any(trace in block for trace in traces):
                return True
            tail = block[-10:]
    return False


class Notes:
    """Collects rows of notes while the parser goes through a part."""

    def __init__(self):
        self.rows = []
        self.row, self.column, self.marks = 0, 0, {}
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end

    def taken(self):
        rows, self.rows = self.rows, []
        return rows


class XlsxNotes(Notes):
    def __init__(self):
        super().__init__()
        self.error = self.formula = False
        self.value = ""

    def start(self, tag, attributes):
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.column += 1
            if place := attributes.get("r"):
                self.column = column_of(place)
            self.error, self.formula, self.value = attributes.get("t") == "e", False, ""
        elif tag == "row":
            self.row, self.column, self.marks = int(attributes.get("r", self.row + 1)), 0, {}
        elif tag == "f":
            self.formula = True
        elif tag == "v" and self.error:
            self.parser.CharacterDataHandler = self.text

    def text(self, text):
        self.value += text

    def end(self, tag):
        tag = tag.rpartition(":")[2]
        if tag == "v":
            self.parser.CharacterDataHandler = None
        elif tag == "c" and (self.error or self.formula):
            self.marks[self.column - 1] = self.formula, self.value
        elif tag == "row" and self.marks:
            self.rows.append((self.row, self.marks))


def column_of(place):
    """28 for "AB12"."""
    column = 0
    for char in place.rstrip("0123456789"):
        column = 26 * column + ord(char) - 64
    return column


class OdsNotes(Notes):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.inside = False

    def start(self, tag, attributes):
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

    def end(self, tag):
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
END = 0xFFFFFFFA  # this and above are no blocks of an OLE container


def xls_notes(path, place):
    with open(path, "rb") as file:
        book = ole_stream(file.read(), ("Workbook", "Book"))
    bounds = (data for kind, data in records(book, 0) if kind == BOUNDSHEET)
    (start,) = struct.unpack_from("<I", list(bounds)[place])
    found, inside = {}, 0
    for kind, data in records(book, start):
        inside += (kind == BOF) - (kind == EOF)  # a chart is a sheet inside the sheet
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


def records(book, at):
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        yield kind, book[at + 4 : at + 4 + size]
        at += 4 + size


def ole_stream(data, names):
    """The stream of one of these names in an OLE container, which is a file system with two block sizes."""
    (shift,) = struct.unpack_from("<H", data, 30)
    directory, _, cutoff, small_table, _, more = struct.unpack_from("<6I", data, 48)
    size = 1 << shift

    def block(number):
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


def chained(number, table, block):
    """The blocks from ``number`` on, one after the other; ``table`` says which comes after which."""
    found = []
    while number < END and len(found) <= len(table) // 4:
        found.append(block(number))
        (number,) = struct.unpack_from("<I", table, 4 * number)
    return b"".join(found)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
