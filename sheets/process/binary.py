"""Read marks from the binary workbooks .xls and .xlsb, which are sequences of records."""

import struct
from collections.abc import Callable, Iterable, Iterator

from sheets.process.cells import Mark, RowMarks, shows_digits

Marks = Iterator[tuple[int, RowMarks]]
ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
ERROR_RESULT = 2

# --- .xls -------------------------------------------------------------------------------------------

FORMULA, BOUNDSHEET, BOOLERR, BOF, EOF = 0x0006, 0x0085, 0x0205, 0x0809, 0x000A  # records
NUMBER, RK, MULRK, ROW, FORMAT, XF = 0x0203, 0x027E, 0x00BD, 0x0208, 0x041E, 0x00E0
BIFF8 = 0x0600
HIDDEN = 0x20
END = 0xFFFFFFFA  # block numbers of an OLE container are below this


def xls_marks(path: str, index: int) -> Marks:
    with open(path, "rb") as file:
        book = ole_stream(file.read(), ("Workbook", "Book", "WORKBOOK", "BOOK"))
    bounds = [data for kind, data in records(book, 0) if kind == BOUNDSHEET]
    (start,) = struct.unpack_from("<I", bounds[index])
    formats = xls_formats(book)
    found: dict[int, RowMarks] = {}

    def mark(row: int, column: int, mark: Mark) -> None:
        if any(mark):
            found.setdefault(row + 1, RowMarks()).cells[column] = mark

    inside = 0
    for kind, data in records(book, start):
        inside += (kind == BOF) - (kind == EOF)  # a chart is a nested sheet
        if not inside:
            break
        if inside > 1:
            continue
        if kind in (FORMULA, BOOLERR):
            row, column, style, value, other = struct.unpack_from("<HHHBB", data)
            error = ""
            if kind == BOOLERR and other:
                error = ERRORS.get(value, "#ERROR")
            elif kind == FORMULA and data[12:14] == b"\xff\xff" and value == ERROR_RESULT:
                error = ERRORS.get(data[8], "#ERROR")
            mark(row, column, Mark(kind == FORMULA, error, formats.get(style, "")))
        elif kind in (NUMBER, RK) and formats:
            row, column, style = struct.unpack_from("<HHH", data)
            mark(row, column, Mark(format=formats.get(style, "")))
        elif kind == MULRK and formats:
            row, first = struct.unpack_from("<HH", data)
            for at in range(4, len(data) - 2, 6):
                (style,) = struct.unpack_from("<H", data, at)
                mark(row, first + at // 6, Mark(format=formats.get(style, "")))
        elif kind == ROW and len(data) > 12 and data[12] & HIDDEN:
            (row,) = struct.unpack_from("<H", data)
            found.setdefault(row + 1, RowMarks()).hidden = True
    yield from sorted(found.items())


def xls_formats(book: bytes) -> dict[int, str]:
    """Return {index of a style: its number format} of those that show more digits than a number has."""
    codes: dict[int, str] = {}
    styles: list[int] = []
    version = 0
    for kind, data in records(book, 0):
        if kind == EOF:
            break
        if kind == BOF:
            (version,) = struct.unpack_from("<H", data)
        elif kind == FORMAT and version == BIFF8:
            index, length, wide = struct.unpack_from("<HHB", data)
            encoding = "utf-16-le" if wide & 1 else "latin-1"
            codes[index] = data[5 : 5 + length * (1 + (wide & 1))].decode(encoding, "replace")
        elif kind == FORMAT:
            codes[data[0] + 256 * data[1]] = data[3 : 3 + data[2]].decode("latin-1")
        elif kind == XF:
            styles += struct.unpack_from("<H", data, 2)
    shown = {index: code for index, code in codes.items() if shows_digits(code)}
    return {style: shown[index] for style, index in enumerate(styles) if index in shown}


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


# --- .xlsb ------------------------------------------------------------------------------------------

ROW_HEADER, FIRST_FORMULA, MERGED = 0, 8, 176  # records
CELLS = {2, 3, 5, 8, 9, 10, 11}  # numbers, errors, formulas
ERROR_CELLS = {3, 11}
XLSB_FORMAT, XLSB_STYLE, STYLES_BEGIN, STYLES_END = 44, 47, 617, 618
SHEET = 156
XLSB_HIDDEN = 0x10


def xlsb_marks(sheet: bytes, formats: dict[int, str]) -> Marks:
    found: dict[int, RowMarks] = {}
    row = 0
    for kind, start, size in xlsb_records(sheet):
        if kind == ROW_HEADER:
            (row,) = struct.unpack_from("<I", sheet, start)
            if size > 11 and sheet[start + 11] & XLSB_HIDDEN:
                found.setdefault(row + 1, RowMarks()).hidden = True
        elif kind in CELLS:
            column, style = struct.unpack_from("<II", sheet, start)
            error = ERRORS.get(sheet[start + 8], "#ERROR") if kind in ERROR_CELLS else ""
            mark = Mark(kind >= FIRST_FORMULA, error, formats.get(style & 0xFFFFFF, ""))
            if any(mark):
                found.setdefault(row + 1, RowMarks()).cells[column] = mark
        elif kind == MERGED:
            first, last, column, _ = struct.unpack_from("<4I", sheet, start)
            if last > first:
                found.setdefault(first + 1, RowMarks()).merged.append((column, last + 1))
    yield from sorted(found.items())


def xlsb_formats(styles: bytes) -> dict[int, str]:
    codes: dict[int, str] = {}
    numbers: list[int] = []
    inside = False
    for kind, start, _ in xlsb_records(styles):
        if kind == XLSB_FORMAT:
            index, length = struct.unpack_from("<HI", styles, start)
            codes[index] = styles[start + 6 : start + 6 + 2 * length].decode("utf-16-le", "replace")
        elif kind in (STYLES_BEGIN, STYLES_END):
            inside = kind == STYLES_BEGIN
        elif kind == XLSB_STYLE and inside:
            numbers += struct.unpack_from("<H", styles, start + 2)
    shown = {index: code for index, code in codes.items() if shows_digits(code)}
    return {style: shown[index] for style, index in enumerate(numbers) if index in shown}


def xlsb_sheets(book: bytes) -> dict[str, str]:
    """Return {name of a sheet: id of the link to its part}."""
    found = {}
    for kind, start, _ in xlsb_records(book):
        if kind == SHEET:
            link, at = _wide_text(book, start + 8)
            found[_wide_text(book, at)[0]] = link
    return found


def _wide_text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + 2 * length
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def xlsb_records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, position of the contents, size); both numbers have 7 bits a byte."""
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = kind & 0x7F | (data[at] & 0x7F) << 7
            at += 1
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 21:
                break
        yield kind, at, size
        at += size
