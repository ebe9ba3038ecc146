"""Bodies that programs send: rows as CSV, or as a JSON object on each line (NDJSON). Uses no ORM.

Columns are named as the fields of numbers in the API. Nothing is detected: CSV is in UTF-8 with commas, its
first row names the columns. The first object of NDJSON says how its numbers are named, by number or by id.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import sheets
from didmgmt.parameters import unknown_name
from didmgmt.text import count_noun, shorten
from dids.imports.cells import BY_ID
from dids.imports.limits import import_limits
from dids.imports.names import LABELS

CSV, NDJSON = "csv", "ndjson"
# {name of the column: key of the import}
COLUMNS = {
    "number": "number",
    "id": "id",
    "operator": "operator",
    "reseller": "reseller",
    "status": "status",
    "tags": "tags",
    "client": "client",
    "account": "account",
    "client_package": "package",
    "after_hold": "after_hold",
    "hold_days": "hold_days",
    "notes": "notes",
}
NAMES = {key: name for name, key in COLUMNS.items()}
IDENTIFYING = ("number", "id")
RECORDS = frozenset({"operator", "reseller", "client", "account", "client_package"})
MOST_COLUMNS = 200


class BodyError(ValueError):
    """Refuse a body whose columns can't be read; the message is a sentence. ``line``, ``column``: where."""

    def __init__(self, sentence: str, line: int = 1, column: str = "", code: str = "invalid") -> None:
        super().__init__(sentence)
        self.line, self.column, self.code = line, column, code


@dataclass(frozen=True)
class Columns:
    """The columns of a body by their names; ``line``: of the header of CSV, 0 without one.

    ``complete``: whether each object of NDJSON has to have them all.
    """

    kind: str
    names: tuple[str, ...]
    line: int = 0
    complete: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"names": [*self.names]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Columns":
        return cls(**stored | {"names": tuple(stored["names"])})

    @property
    def mapping(self) -> list[str]:
        """The keys of the import for the columns."""
        return [COLUMNS[name] for name in self.names]

    def rows(self, file: BinaryIO) -> Iterator[sheets.Row]:
        """Yield the rows of a body with these columns, and with what is wrong with them."""
        if self.kind == NDJSON:
            return _objects(file, self)
        width = len(self.names)
        return sheets.read(file, _format(width, width), import_limits())


def columns_of(file: BinaryIO, kind: str, known: Sequence[str], *, complete: bool) -> Columns:
    """Return the columns of a body, which are among ``known``. Raises BodyError.

    ``complete``: what an object of NDJSON leaves out would be emptied, so that it may leave out nothing.
    """
    columns = _of_header(file) if kind == CSV else _of_first_object(file, known, complete=complete)
    for name in columns.names:
        if name not in known:
            raise BodyError(_unknown(name, known), columns.line or 1, name, "unknown_column")
    named = [name for name in IDENTIFYING if name in columns.names]
    if len(named) != 1:
        either = " or ".join(f"“{name}”" for name in IDENTIFYING if name in known)
        sentence = f"Name each number by one column, {either}."
        raise BodyError(sentence, columns.line or 1, named[-1] if named else "number", "required")
    return columns


def _unknown(name: str, known: Sequence[str]) -> str:
    """Return the sentence about an unknown column, with the nearest known one: also a label of the export."""
    labels = {label.casefold(): NAMES[key] for key, label in LABELS.items() if key in NAMES}
    near = labels.get(name.casefold(), "")
    if near in known and near != name:
        return f"There is no column “{shorten(name)}”; did you mean “{near}”?"
    sentence = unknown_name(name, known, "column")
    return f"{sentence} Separate columns by commas." if ";" in name or "\t" in name else sentence


# --- CSV ------------------------------------------------------------------------------------------


def _format(width: int, least: int) -> sheets.Format:
    return sheets.Format("utf-8", ",", width, least, 1)


def _of_header(file: BinaryIO) -> Columns:
    row = next(sheets.read(file, _format(MOST_COLUMNS, 1), import_limits()), None)
    if row is None:
        sentence = "The body is empty. Send a row that names the columns, and a row for each number."
        raise BodyError(sentence, code="empty")
    if row.problem:
        raise BodyError(str(row.problem), row.line)
    names = tuple(cell.strip() for cell in row.cells)
    for place, name in enumerate(names):
        if name in names[:place]:
            raise BodyError(f"There are two columns “{shorten(name)}”. Keep one.", row.line, name)
    return Columns(CSV, names, row.line)


# --- NDJSON ---------------------------------------------------------------------------------------


def _of_first_object(file: BinaryIO, known: Sequence[str], *, complete: bool) -> Columns:
    for line, text in _lines(file):
        try:
            members = _members(text)
        except _CellError as error:
            raise BodyError(str(error), line, error.column) from None
        names = tuple(members)
        if not complete:
            # Later objects may have more of the others, but name their numbers in the same way.
            names += tuple(name for name in known if name not in (*names, *IDENTIFYING))
        return Columns(NDJSON, names, complete=complete)
    raise BodyError("The body is empty. Send a JSON object for each number, each on a line.", code="empty")


class _CellError(ValueError):
    """A line is no object, or a ``value`` is not what its ``column`` takes; the message is a sentence."""

    def __init__(self, sentence: str, column: str = "", value: Any = "") -> None:
        super().__init__(sentence)
        self.column = column
        self.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (number, text) of the lines that are not blank. Raises SheetError for one that is too long."""
    file.seek(0)
    line = 0
    while text := file.readline(sheets.LONGEST_LINE + 1):
        line += 1
        if len(text) > sheets.LONGEST_LINE:
            most = f"{sheets.LONGEST_LINE:,} bytes, the most allowed"
            raise sheets.SheetError(f"Line {line:,} has more than {most}. Send each object on a line.")
        if line == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if text.strip():
            yield line, text


def _objects(file: BinaryIO, columns: Columns) -> Iterator[sheets.Row]:
    limits = import_limits()
    names, known = columns.names, frozenset(columns.names)
    for count, (line, text) in enumerate(_lines(file), start=1):
        if count > limits.rows:
            sentence = f"The body has more than {count_noun(limits.rows, 'row')}. Send it in parts."
            raise sheets.SheetError(sentence)
        try:
            members = _members(text)
            if not members.keys() <= known or (columns.complete and len(members) < len(names)):
                raise _misfit(members, columns)
            cells = [_cell(name, members[name]) if name in members else "" for name in names]
            yield sheets.Row(line, cells, None)
        except _CellError as error:
            problem = sheets.Problem(
                "object", str(error), COLUMNS.get(error.column, ""), shorten(error.value)
            )
            yield sheets.Row(line, ["-"], problem)


def _members(text: bytes) -> dict[str, Any]:
    """Return the members of the object on a line. Raises _CellError."""
    try:
        members = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        if isinstance(error, _CellError):
            raise
        sentence = "This line is not a JSON object in UTF-8. Send one object a line."
        raise _CellError(sentence, value=shorten(text.decode("utf-8", "replace"))) from None
    if not isinstance(members, dict):
        raise _CellError("This line is not a JSON object. Send one object a line.", value=members)
    return members


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _CellError(f"The object has “{shorten(twice)}” twice. Keep one.", twice)
    return found


def _misfit(members: dict[str, Any], columns: Columns) -> _CellError:
    """Return the error of an object that has other members than it may or must have."""
    for name in members:
        if name in columns.names:
            continue
        if name in COLUMNS:
            what = f"The first object has no “{name}”, so no other can have it. Send all objects alike."
            return _CellError(what, name, members[name])
        return _CellError(_unknown(name, columns.names), name, members[name])
    missing = next(name for name in columns.names if name not in members)
    sentence = f"“{missing}” is missing. Send null to empty it, or leave it out of all objects."
    return _CellError(sentence, missing)


def _cell(name: str, value: Any) -> str:
    """Return a value as the cell of a CSV file. Raises _CellError."""
    if value is None:
        return ""
    if name in RECORDS:
        if isinstance(value, dict):
            value = value.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{BY_ID}{value}"
        if not isinstance(value, str):
            raise _CellError("Send a name as text, or an id as a whole number.", name, value)
        return sheets.escape(_text(name, value))
    if name == "tags":
        if not isinstance(value, list):
            raise _CellError("Send a list of tags.", name, value)
        for tag in value:
            if not isinstance(tag, str) or "," in tag or ";" in tag:
                sentence = "A tag is text without comma or semicolon: write each tag by itself."
                raise _CellError(sentence, name, tag)
        return sheets.escape(_text(name, ", ".join(value)))
    if name in ("hold_days", "id"):
        if not isinstance(value, int) or isinstance(value, bool):
            raise _CellError("Send a whole number.", name, value)
        return str(value)
    if not isinstance(value, str):
        raise _CellError("Send text in quotes.", name, value)
    return sheets.escape(_text(name, value)) if name == "notes" else _text(name, value)


def _text(name: str, value: str) -> str:
    """Return the text unless no database can hold it: zero bytes, and halves of characters."""
    if "\0" in value or not (value.isascii() or _is_whole(value)):
        raise _CellError("The text has a character that can’t be stored. Correct it.", name, "")
    return value


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
