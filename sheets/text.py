"""Read tables from text files.

Files are streamed, so memory does not grow with the file. Quoting follows RFC 4180 as far as the file does,
also with single quotes or backslashes if the file uses them consistently. A quote in any other position is
text and does not affect what follows.
"""

import csv
import io
import math
import re
import time
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import BinaryIO, NamedTuple

from sheets.content import EMPTY, KINDS, SAVE_AS_CSV, blocks, kind_of, refuse_markup
from sheets.encoding import LONGEST_LINE, MARK, MIXED, decoder_of, detect_encoding, encoding_name, is_known
from sheets.table import (
    LIMITS,
    TEXT,
    Format,
    Limits,
    Problem,
    Row,
    SheetError,
    shape,
    too_many_rows,
    usual_width,
)

HEAD = 1 << 16  # bytes that decide the delimiter

DELIMITERS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
    "colon": ":",
    "caret": "^",
    "tilde": "~",
    "hash": "#",
    "blank": " ",
    "none": "",
}


# --- lines ----------------------------------------------------------------------------------------


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of ``file`` with their line ends, which may be CR, LF and CRLF in one file.

    Drops zero bytes, a byte order mark and DOS's end-of-file character. Undecodable bytes become MARK.
    """
    file.seek(0)
    decoder = io.IncrementalNewlineDecoder(decoder_of(encoding), translate=False)
    number, tail, begun = 0, "", False
    for block in blocks(file):
        text = tail + decoder.decode(block).replace("\0", "")
        if text and not begun:
            text, begun = text.lstrip("\ufeff"), True
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        for line in io.StringIO(text[:end], newline=""):
            number += 1
            if len(line) > LONGEST_LINE:
                raise _too_long(number)
            yield line
        tail = text[end:]
        if len(tail) > LONGEST_LINE:
            raise _too_long(number + 1)
    tail = (tail + decoder.decode(b"", final=True)).replace("\0", "").rstrip("\x1a")
    yield from io.StringIO(tail, newline="")


def _too_long(number: int) -> SheetError:
    return SheetError(
        f"Line {number:,} has more than {LONGEST_LINE:,} characters, the most allowed. "
        "Check that this is the right file."
    )


# --- rows -----------------------------------------------------------------------------------------

_SEP_LINE = re.compile(r'"?sep=([^"\w\r\n])"?[\r\n]*', re.IGNORECASE)  # Excel's line that names the delimiter
_ESCAPED = re.compile(r"""\\(["'\\])""")
_SPACE_SEPARATED = re.compile(r'"((?:[^"]|"")*)"(?= |$)|([^ ]+)')
_NEVER = "\0"  # a delimiter that no line contains


class _Dialect(NamedTuple):
    """Hold what splits rows into cells, as in ``Format``."""

    delimiter: str
    quote: str = '"'
    backslash: bool = False
    padded: bool = False


class _Rows:
    """Split lines into rows of cells.

    Iteration yields (line number, cells, number of lines, text of the row). ``str.split`` handles lines
    without quotes, the csv module in strict mode those with quotes, and ``_split_quoted`` only what csv
    rejects: cells over several lines, stray quotes, backslashes, and blanks after delimiters.
    """

    def __init__(self, lines: Iterator[str], dialect: _Dialect, longest_cell: int):
        self.lines = lines
        self.delimiter, self.quote, self.backslash, self.padded = dialect
        self.longest_cell = longest_cell
        self.returned: list[str] = []  # lines read ahead and put back, the next one last
        self.given: list[str] = []
        one_line = self._one_line()
        self.strict = csv.reader(
            one_line,  # type: ignore[arg-type]
            delimiter=self.delimiter or _NEVER,
            quotechar=self.quote,
            strict=True,
        )

    def _one_line(self) -> Iterator[str | None]:
        # None makes the reader raise csv.Error when it needs a second line for a row.
        while True:
            yield self.given.pop() if self.given else None

    def __iter__(self) -> Iterator[tuple[int, list[str], int, str]]:
        delimiter, spaces = self.delimiter or _NEVER, self.delimiter == " "
        quote, backslash, padded = self.quote, self.backslash, self.padded
        spaced = f"{delimiter} {quote}"
        lines, returned = self.lines, self.returned
        number = 1
        while line := returned.pop() if returned else next(lines, ""):
            taken = 1
            if number == 1 and _SEP_LINE.fullmatch(line):
                number += 1
                continue
            if spaces:
                cells = [
                    quoted.replace('""', '"') or plain
                    for quoted, plain in _SPACE_SEPARATED.findall(line.strip(" \r\n"))
                ]
            elif quote not in line:
                cells = line.rstrip("\r\n").split(delimiter)
                if padded:
                    cells[1:] = [cell.removeprefix(" ") for cell in cells[1:]]
            elif padded or spaced in line or (backslash and "\\" in line):
                cells, line, taken = self._split_quoted(line)
            else:
                self.given.append(line)
                try:
                    cells = next(self.strict)
                except csv.Error:
                    cells, line, taken = self._split_quoted(line)
            if len(cells) > 1 or (cells and cells[0].strip()) or quote in line:
                yield number, cells, taken, line
            number += taken

    def _split_quoted(self, text: str) -> tuple[list[str], str, int]:
        """Return the cells of the row that starts with ``text``, its whole text and its number of lines.

        A quote at the start of a cell, after optional spaces, opens a quoted cell if it is closed: by a quote
        before a delimiter or the end of a line, with optional spaces between. Otherwise it is text.
        """
        cells: list[str] = []
        at, taken = 0, 1
        quote_sign = self.quote
        end = len(text.rstrip("\r\n"))
        while True:
            opening = at
            while text.startswith(" ", opening):
                opening += 1
            if text.startswith(quote_sign, opening) and (closed := self._close(text, opening)):
                text, quote, after, fetched = closed
                cells.append(self._unquoted(text[opening + 1 : quote]))
                at = after
                if fetched:
                    taken += fetched
                    end = len(text.rstrip("\r\n"))
            else:
                stop = text.find(self.delimiter, at, end) if self.delimiter else -1
                stop = stop if stop >= 0 else end
                cells.append(text[at:stop].removeprefix(" " if self.padded and cells else ""))
                at = stop
            if at >= end:
                return cells, text, taken
            at += 1  # the delimiter

    def _unquoted(self, text: str) -> str:
        text = text.replace(2 * self.quote, self.quote)
        return _ESCAPED.sub(r"\1", text) if self.backslash else text

    def _close(self, text: str, opening: int) -> tuple[str, int, int, int] | None:
        """Find the end of the quoted cell that starts at ``opening``.

        Returns (text including further lines, position of the closing quote, position after it, number of
        further lines), or None if the cell isn't closed. A quote inside that is neither doubled nor closing
        is text; a cell with such a quote ends on its own line, and before a quote that opens another cell, so
        that one typing error does not swallow what follows.
        """
        line_end, at = len(text), opening + 1
        quote_sign, stray = self.quote, False
        fetched: list[str] = []
        while True:
            quote = text.find(quote_sign, at)
            if stray and (quote < 0 or quote >= line_end or text[quote - 1] == self.delimiter):
                break
            if quote < 0:
                line = ""
                if len(text) - opening <= self.longest_cell:
                    line = self.returned.pop() if self.returned else next(self.lines, "")
                if not line:
                    break
                fetched.append(line)
                at, text = len(text), text + line
                continue
            if self.backslash and (quote - len(text[at:quote].rstrip("\\")) - at) % 2:
                at = quote + 1
                continue
            if text.startswith(quote_sign, quote + 1):
                at = quote + 2
                continue
            after = quote + 1
            while text.startswith(" ", after):
                after += 1
            if after == len(text) or text[after] in ("\r", "\n", self.delimiter):
                return text, quote, after, len(fetched)
            if text[quote - 1] == self.delimiter:
                break
            stray, at = True, quote + 1
        self.returned.extend(reversed(fetched))
        return None


def read_text(file: BinaryIO, file_format: Format, limits: Limits = LIMITS) -> Iterator[Row]:
    """Yield the rows of ``file`` without blank lines.

    A row that does not fit has a ``problem``; reading continues with the next one. Titles above the table are
    short rows. Raises SheetError for too many rows and for a line that is too long. Reads about 500,000 rows
    of 11 columns a second.
    """
    least, width, longest = file_format.least, file_format.width, limits.cell
    dialect = _Dialect(file_format.delimiter, file_format.quote, file_format.backslash, file_format.padded)
    rows = _Rows(_lines(file, file_format.encoding), dialect, longest)
    for count, (line, cells, _, text) in enumerate(rows, start=1):
        if count > limits.rows:
            raise too_many_rows(limits)
        if least <= len(cells) <= width and len(text) <= longest and (text.isascii() or MARK not in text):
            yield Row(line, cells, None)
        else:
            problem = _problem(cells, file_format, limits)
            yield Row(line, [cell.replace(MARK, "\ufffd") for cell in cells], problem)


def _problem(cells: list[str], file_format: Format, limits: Limits) -> Problem | None:
    count = len(cells)
    if any(MARK in cell for cell in cells):
        return Problem(
            "damaged",
            f"Some bytes are not valid in the encoding {encoding_name(file_format.encoding)} "
            "and are shown as “\ufffd”. Choose the encoding of the file, or correct the row.",
        )
    if count > limits.columns:
        return Problem("columns", f"The row has {count:,} columns; at most {limits.columns:,} are allowed.")
    for column, cell in enumerate(cells, start=1):
        if len(cell) > limits.cell:
            return Problem(
                "cell",
                f"The cell in column {column} has {len(cell):,} characters; "
                f"at most {limits.cell:,} are allowed.",
            )
    if count < file_format.least:
        return Problem("short", f"The row has {_columns(count)}, the table has {file_format.least}.")
    if any(cells[file_format.width :]):
        return Problem(
            "long",
            f"The row has {_columns(count)}, the table has {file_format.width}. "
            "Put quotes around a cell that contains the delimiter.",
        )
    return None


def _columns(count: int) -> str:
    return f"{count:,} column" if count == 1 else f"{count:,} columns"


# --- detection of the format ----------------------------------------------------------------------

SAMPLE = 300  # lines that decide the delimiter
MOST_ESCAPED = 1_000  # lines that decide whether backslashes escape quotes

# Cells of a known kind: number or date, date with a time, time, decimal, address, words.
_KNOWN = re.compile(
    r"[+(]?\d[\d ().\-/]*"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm]|Z|[+-]\d\d:?\d\d)?"
    r"|\d{1,2}:\d\d(:\d\d)?( ?[AaPp][Mm])?"
    r"|[+-]?\d+[.,]\d+|-"
    r"|(sips?|tel|https?|mailto):\S+"
    r"|[^\W\d_][\w .'’&@()/+#-]*"
)
_NUMBER = re.compile(r"[+(]?\d[\d ().\-/]{2,}")
_NUMBERS = {" ": re.compile(r"\+?\d{3,}"), ":": _NUMBER, "#": _NUMBER}


def sniff(
    file: BinaryIO,
    *,
    encoding: str = "",
    delimiter: str | None = None,
    limits: Limits = LIMITS,
    deadline: float = math.inf,
) -> Format:
    """Return the format of ``file``, which is binary and seekable.

    Detects ``encoding`` (a key of ENCODINGS) and ``delimiter`` (a value of DELIMITERS) unless they are
    given. Raises SheetError for a file that is not text or has too many columns. Reads the file once to be
    sure of its encoding, up to the ``deadline`` of ``time.thread_time``, and decides the rest by its first
    64 KiB.
    """
    if encoding and not is_known(encoding):
        raise SheetError(f"There is no encoding “{encoding[:40]}”. Choose one from the list.")
    file.seek(0)
    head = file.read(HEAD)
    if not head.strip(b" \t\r\n\v\f\0\x1a"):
        raise SheetError(EMPTY)
    if (kind := kind_of(file)) != TEXT:
        raise SheetError(f"The file is {KINDS[kind]}, not a text file. {SAVE_AS_CSV}")
    encoding = encoding or detect_encoding(file, head, deadline)
    lines = list(_lines(io.BytesIO(head), encoding))
    if len(head) == HEAD and len(lines) > 1:
        lines.pop()  # incomplete
    refuse_markup("".join(lines[:10]))
    if delimiter not in (None, *DELIMITERS.values()):
        raise SheetError("There is no such delimiter. Choose one from the list.")
    dialect = _find_dialect(file, encoding, lines, delimiter, limits.cell, deadline)
    rows = [(number, cells) for number, cells, _, _ in _Rows(iter(lines), dialect, limits.cell)]
    if not rows:
        raise SheetError(EMPTY)
    delimiter, quote, backslash, padded = dialect
    found = Format(encoding, delimiter, *shape(rows), quote=quote, backslash=backslash, padded=padded)
    if found.width > limits.columns:
        raise SheetError(
            f"The file has {found.width:,} columns; at most {limits.columns:,} are allowed. "
            "Keep only the columns that are needed, or choose another delimiter."
        )
    return found


def _find_dialect(
    file: BinaryIO,
    encoding: str,
    lines: list[str],
    delimiter: str | None,
    longest_cell: int,
    deadline: float,
) -> _Dialect:
    """Return the dialect of ``file``, which starts with ``lines``, with the given ``delimiter`` if any."""
    if lines and (sep := _SEP_LINE.fullmatch(lines[0])):
        delimiter, lines = sep[1] if delimiter is None else delimiter, lines[1:]
    lines = lines[:SAMPLE]
    dialects = [
        one
        for sign in (DELIMITERS.values() if delimiter is None else [delimiter])
        for one in _possible_dialects(sign, lines)
    ]
    best = _best_dialect(dialects, lines, longest_cell) if delimiter is None else dialects[0]
    best = best._replace(backslash=_has_backslashes(_lines_with_backslashes(file, encoding, deadline), best))
    return best._replace(padded=_is_padded(lines, best))


def _possible_dialects(delimiter: str, lines: list[str]) -> list[_Dialect]:
    plain = _Dialect(delimiter, "'" if _has_single_quotes(lines, delimiter) else '"')
    escaped = any('\\"' in line for line in lines)
    return [plain, plain._replace(backslash=True)] if escaped else [plain]


def _best_dialect(dialects: list[_Dialect], lines: list[str], longest_cell: int) -> _Dialect:
    """Return the dialect that splits the rows most evenly into cells of known kinds, or not at all.

    Frequency is no help, since notes are full of commas. Spaces, colons and hashes also occur inside numbers,
    times and notes, so they require a column of numbers and lines that do not look like one value.
    """
    scores = {}
    for dialect in dialects:
        rows = [cells for _, cells, _, _ in _Rows(iter(lines), dialect, longest_cell)]
        usual = usual_width(rows) if rows else 1
        if usual == 1:
            continue
        even = [cells for cells in rows if len(cells) == usual]
        filled = [cell for cells in even for cell in cells if cell.strip()]
        share = len(even) / len(rows)
        known = sum(_KNOWN.fullmatch(cell.strip()) is not None for cell in filled) / (len(filled) or 1)
        scores[dialect] = share**2 * known * (1 - 1 / usual)
        if (numbers := _NUMBERS.get(dialect.delimiter)) and not (
            _has_column(even, numbers) and not _are_single_values(lines)
        ):
            scores[dialect] = 0
        if dialect.delimiter == "#" and share < 1:
            scores[dialect] = 0
    best = max(scores, key=scores.__getitem__, default=None)
    if best and scores[best] > 0.08:
        return best
    return next(one for one in dialects if not one.delimiter)


def _has_single_quotes(lines: list[str], delimiter: str) -> bool:
    """Return whether ``'`` quotes cells: all cells of a column, and no line has it in any other position."""
    if not any(line.startswith("'") or f"{delimiter}'" in line for line in lines):
        return False
    rows = [_strict_cells(line, _Dialect(delimiter, "'")) for line in lines if line.strip()]
    if None in rows or any(cell.startswith('"') for cells in rows if cells for cell in cells):
        return False
    width = usual_width(cells for cells in rows if cells)
    columns = zip(*(cells for cells in rows if cells and len(cells) == width), strict=True)
    return any(all(cell.startswith("'") for cell in column) for column in columns)


def _lines_with_backslashes(file: BinaryIO, encoding: str, deadline: float) -> list[str]:
    """Return lines with ``\\"`` from anywhere in the file before the deadline."""
    trace = '\\"'.encode("ascii" if encoding.startswith(MIXED) else encoding)
    file.seek(0)
    tail = b""
    for block in blocks(file):
        if trace in tail + block:
            before = takewhile(lambda _: time.thread_time() <= deadline, _lines(file, encoding))
            return list(islice((line for line in before if '\\"' in line), MOST_ESCAPED))
        if time.thread_time() > deadline:
            break
        tail = block[-len(trace) :]
    return []


def _has_backslashes(escaped: list[str], dialect: _Dialect) -> bool:
    """Return whether backslashes escape quotes in all ``escaped`` lines and some can't be read otherwise."""
    plain, with_backslashes = (
        [_strict_cells(line, dialect._replace(backslash=one)) for line in escaped] for one in (False, True)
    )
    if not escaped or None in with_backslashes:
        return False
    widths = {len(cells) for cells in with_backslashes if cells}
    return len(widths) == 1 and any(cells is None or len(cells) not in widths for cells in plain)


def _is_padded(lines: list[str], dialect: _Dialect) -> bool:
    """Return whether every delimiter that is followed by a cell is followed by a blank."""
    delimiter = re.escape(dialect.delimiter)
    if dialect.delimiter.isspace() or not delimiter:
        return False
    text = re.sub(rf"{dialect.quote}[^{dialect.quote}\r\n]*{dialect.quote}", dialect.quote, "".join(lines))
    return f"{dialect.delimiter} " in text and not re.search(rf"{delimiter}(?![ \r\n]|{delimiter}|\Z)", text)


def _strict_cells(line: str, dialect: _Dialect) -> list[str] | None:
    """Return the cells with their quotes, or None if a quote is not where the dialect has it."""
    quote, delimiter = dialect.quote, re.escape(dialect.delimiter or _NEVER)
    escape = r"|\\." if dialect.backslash else ""
    inside = rf"[^{quote}\\]{escape}" if dialect.backslash else f"[^{quote}]"
    cell = re.compile(
        rf" ?({quote}(?:{inside}|{quote}{quote})*+{quote}|[^{quote}{delimiter}]*+)(?:{delimiter}|$)"
    )
    cells, at = [], 0
    line = line.rstrip("\r\n")
    while at <= len(line):
        found = cell.match(line, at)
        if not found:
            return None
        cells.append(found[1])
        if found.end() == len(line) and not line.endswith(dialect.delimiter or _NEVER):
            return cells
        at = found.end() if found.end() < len(line) else len(line) + 1
    return [*cells, ""]


def _has_column(rows: list[list[str]], pattern: re.Pattern[str]) -> bool:
    """Return whether all cells of a column match, except the first, which may be a header."""
    columns = zip(*(rows[1:] or rows), strict=True)
    return any(all(pattern.fullmatch(cell) for cell in column) for column in columns)


def _are_single_values(lines: list[str]) -> bool:
    values = [line.strip() for line in lines if line.strip()]
    known = sum(not value[0].isalpha() and _KNOWN.fullmatch(value) is not None for value in values)
    return known >= len(values) / 2
