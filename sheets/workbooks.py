"""Read tables from workbooks.

A separate process parses the file under limits of time and memory. Its rows are stored as JSON lines, so that
reading them again, as an import does several times, costs neither.
"""

import json
import os
import posixpath
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from sheets.content import BROKEN_ZIP, OTHER, blocks, protected
from sheets.damage import DamageDetector
from sheets.table import Format, Limits, Problem, Row, SheetError, shape, too_many_rows

# The process is isolated from its environment, so it has to be told where the project is.
PROCESS = (
    "import json, sys; sys.path.append(sys.argv[1]); from sheets.process.main import main; "
    "main(**json.loads(sys.argv[2]))"
)
PROJECT = str(Path(__file__).parents[1])
ZIPPED = ("xlsx", "xlsb", "ods")
BLANK = b"[]\n"
MOST_SHEETS = 1_000  # of a workbook, or tables of a web page; each is a choice on the page
SAMPLE = 300  # rows that decide where the table starts
MAX_RATIO = 200  # compression ratio of a genuine workbook, at most; checked above SMALL
SMALL = 100 << 20  # bytes
# Processor time to read a workbook: genuine ones need less; small ones that need more are damaged or bombs.
LEAST_SECONDS = 5
SECONDS_PER_MB = 4
BUSY = 4  # seconds on the clock for each second of processor time, on a host that is busy with other things
DAMAGED = (
    "The workbook is damaged and can’t be read to the end. "
    "Open it in a spreadsheet program, save it again or as CSV, and load that file."
)


def unpack_workbook(
    file: BinaryIO, kind: str, sheet: str, hidden: bool, limits: Limits, detector: DamageDetector
) -> tuple[BinaryIO, Format, list[str]]:
    """Store the rows of ``sheet``, or of the best one for "", in a temporary file of JSON lines.

    Line n is row n of the sheet, a list of texts, ``[]`` for a blank row, or for a hidden one unless
    ``hidden``. Returns (that file, its format, notes) and adds each row that is not blank to ``detector``.
    Raises SheetError for a workbook that can't be read, exceeds a limit, or has no such sheet.
    """
    if kind in ZIPPED:
        _refuse_bombs(file, limits)
    with _copy(file, kind) as copy:
        size = os.path.getsize(copy.name)
        seconds = min(limits.seconds, LEAST_SECONDS + SECONDS_PER_MB * size // (1 << 20))
        stored = tempfile.TemporaryFile()  # noqa: SIM115 closed by the caller
        try:
            with _Reader(copy.name, kind, sheet, limits._replace(seconds=seconds)) as reader:
                width, start, count = _store(reader, stored, hidden, limits, detector)
        except BaseException:
            stored.close()
            raise
    facts = reader.facts
    file_format = Format(
        "", "", width, 0, start, kind, facts["sheet"], facts["sheets"], hidden=count, hidden_read=hidden
    )
    return stored, file_format, _notes(sheet, facts, file_format)


def _copy(file: BinaryIO, kind: str) -> IO[bytes]:
    """Return a temporary file with a name that the parser can read."""
    copy = tempfile.NamedTemporaryFile(suffix=".ods" if kind == "fods" else f".{kind}")  # noqa: SIM115
    file.seek(0)
    if kind == "fods":
        with zipfile.ZipFile(copy, "w") as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("META-INF/manifest.xml", "<manifest/>")
            with archive.open("content.xml", "w", force_zip64=True) as content:
                for block in blocks(file):
                    content.write(block)
    elif kind in ZIPPED and (names := _odd_names(file)):
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as archive:
            for member in old.infolist():
                archive.writestr(names[member.filename], old.read(member))
    else:
        for block in blocks(file):
            copy.write(block)
    copy.flush()
    return copy


def _odd_names(file: BinaryIO) -> dict[str, str]:
    """Return {name: name that the parser finds} of a small archive with a name like ``/xl/workbook.xml``."""
    with zipfile.ZipFile(file) as archive:
        names = {
            member.filename: posixpath.normpath(member.filename).lstrip("/") for member in archive.infolist()
        }
        unpacked = sum(member.file_size for member in archive.infolist())
    file.seek(0)
    is_odd = any(name.startswith(("/", "./")) for name in names)
    return names if is_odd and unpacked < SMALL else {}


def _refuse_bombs(file: BinaryIO, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except BROKEN_ZIP:
        raise SheetError(DAMAGED) from None
    if any(member.flag_bits & 1 for member in members):
        raise protected()
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > limits.unpacked or (unpacked > SMALL and unpacked > MAX_RATIO * packed):
        raise SheetError(
            f"The workbook has {unpacked >> 20:,} MB after unpacking; at most {limits.unpacked >> 20:,} MB "
            f"and {MAX_RATIO} times its own size are allowed. Check that it is the right file, "
            "keep only the sheet and the columns that are needed, or save it as CSV."
        )


class _Reader:
    """Run the process that parses the file at ``path``, for the duration of the context.

    ``rows()`` yields (whether it is hidden, letters of the cells, JSON of the texts) of each row. ``facts``
    are the names of the sheets and the sheet that is read. Raises SheetError if the process fails.
    """

    def __init__(self, path: str, kind: str, sheet: str, limits: Limits):
        self.kind, self.limits, self.sheet = kind, limits, sheet
        self.facts: dict[str, Any] = {}
        self.late = False
        arguments = {
            "path": path,
            "kind": "ods" if kind == "fods" else kind,
            "sheet": sheet,
            "sheets": MOST_SHEETS,
            "columns": limits.columns,
            "cell": limits.cell,
            "seconds": limits.seconds,
            "memory": limits.memory,
        }
        self.command = [sys.executable, "-I", "-c", PROCESS, PROJECT, json.dumps(arguments)]

    def __enter__(self) -> "_Reader":
        self.errors: IO[bytes] = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            # A malicious file that takes over the process must not find passwords.
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
            | {"RUST_BACKTRACE": "0"},
        )
        self.stdout = cast("IO[bytes]", self.process.stdout)  # a pipe
        self.timer = threading.Timer(BUSY * self.limits.seconds, self._stop)
        self.timer.daemon = True
        self.timer.start()
        return self

    def _stop(self) -> None:
        self.late = True
        self.process.kill()

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.stdout.close()
        self.errors.close()

    def rows(self) -> Iterator[tuple[bool, str, bytes]]:
        for line in self.stdout:
            if not line.endswith(b"\n"):
                break
            if line.startswith(b"{"):
                self.facts |= json.loads(line)
            else:
                kinds, _, texts = line.partition(b"\t")
                yield kinds.startswith(b"-"), kinds.lstrip(b"-").decode(), texts
        code = self.process.wait()
        if error := self.facts.get("error"):
            raise self._refusal(error)
        if code:
            raise self._refusal(self._cause(code))

    def _cause(self, code: int) -> str:
        if self.late or -code == signal.SIGXCPU:
            return "time"
        self.errors.seek(0)
        output = self.errors.read(1 << 16)
        # The system kills a process that exhausts its memory; the parser exits when it gets none.
        if -code == signal.SIGKILL or b"memory allocation" in output or b"MemoryError" in output:
            return "memory"
        if code > 0:  # it would have reported an unreadable workbook
            raise RuntimeError(
                f"The process that reads workbooks does not work: {output.decode(errors='replace')}"
            )
        return "damaged"

    def _refusal(self, error: str) -> SheetError:
        if error == "password":
            return protected()
        names = _join(self.facts.get("sheets", []))
        if error == "unknown":
            return SheetError(f"There is no sheet “{self.sheet[:100]}”. Choose one of {names}.")
        if error == "empty" and self.sheet:
            return SheetError(f"The sheet “{self.sheet}” is empty. Choose one of {names}.")
        if error == "empty" and self.kind == "html":
            return SheetError(f"The file is a web page (HTML) without a table. {OTHER}")
        if error == "empty":
            return SheetError("The workbook has no rows. Choose a file with at least one row.")
        if error == "sheets":
            return SheetError(
                f"The file has more than {MOST_SHEETS:,} sheets or tables, the most allowed. "
                "Copy the one with the numbers into a file of its own."
            )
        if error == "time":
            return SheetError(
                f"The workbook needs more than {self.limits.seconds:,} seconds of processor time. "
                "Split it, or save it as CSV, which is much faster to read. If it is small, a cell far below "
                "or to the right of the table is often the cause: copy the table into a new workbook."
            )
        if error == "memory":
            return SheetError(
                f"The workbook needs more than {self.limits.memory >> 20:,} MB of memory. A single cell far "
                "below or to the right of the table is often the cause: copy the table into a new workbook, "
                "or save it as CSV."
            )
        return SheetError(DAMAGED)


def _store(
    reader: _Reader, stored: BinaryIO, hidden: bool, limits: Limits, detector: DamageDetector
) -> tuple[int, int, int]:
    """Write the rows to ``stored`` and return (width, start, number of hidden rows) as in ``Format``."""
    width = size = hidden_rows = 0
    head: list[tuple[int, list[str]]] = []
    for line, (is_hidden, kinds, texts) in enumerate(reader.rows(), start=1):
        if texts == BLANK or (is_hidden and not hidden):
            hidden_rows += texts != BLANK
            stored.write(BLANK)
            continue
        hidden_rows += is_hidden
        size += stored.write(texts)
        if size > limits.unpacked:
            raise SheetError(
                f"The sheet has more than {limits.unpacked >> 20:,} MB of text. "
                "Split it, or keep only the columns that are needed."
            )
        cells = json.loads(texts)
        if not "".join(cells).strip():
            continue
        detector.add(line, cells, kinds)
        if detector.rows > limits.rows:
            raise too_many_rows(limits)
        if detector.rows <= SAMPLE:
            head.append((line, cells))
        if width < len(cells) <= limits.columns:
            width = len(cells)
    if not head:
        raise SheetError("All rows of the sheet are hidden. Read hidden rows too, or choose another sheet.")
    _, usual, start = shape(head)
    if usual > limits.columns:
        raise SheetError(
            f"The sheet has more than {limits.columns:,} columns, the most allowed. "
            "Keep only the columns that are needed."
        )
    return width, start, hidden_rows


_WHY = {"": "", "hidden": "is hidden", "empty": "is empty", "numbers": "has hardly any phone numbers"}


def _notes(wanted: str, facts: dict[str, Any], file_format: Format) -> list[str]:
    """Return what the reader decided: which sheet, merged cells and hidden rows."""
    notes = []
    names, why = facts["sheets"], _WHY[facts["why"]]
    if not wanted and len(names) > 1:
        because = f" because “{names[0]}” {why}" if why else ""
        notes.append(
            f"The workbook has {len(names)} sheets ({_join(names)}); “{facts['sheet']}” is read{because}."
        )
    if merged := facts.get("merged"):
        one = merged == 1
        notes.append(
            f"{merged:,} {'cell is' if one else 'cells are'} part of a merged cell and "
            f"{'has' if one else 'have'} its value."
        )
    if count := file_format.hidden:
        one = count == 1
        notes.append(
            f"{count:,} {'row is' if one else 'rows are'} hidden or filtered out in the workbook and "
            f"{'' if file_format.hidden_read else 'not '}read."
        )
    return notes


def _join(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names[:20]) + (" …" if len(names) > 20 else "")


def read_stored(file: BinaryIO, file_format: Format, limits: Limits) -> Iterator[Row]:
    """Yield the rows that ``unpack_workbook`` stored, padded to the table's width, without blank rows."""
    count, width = 0, file_format.width
    file.seek(0)
    for line, texts in enumerate(iter(file.readline, b""), start=1):
        if texts == BLANK:
            continue
        cells = json.loads(texts)
        if not "".join(cells).strip():
            continue
        count += 1
        if count > limits.rows:
            raise too_many_rows(limits)
        problem = None
        if len(cells) > limits.columns or len(texts) > limits.cell:
            problem = _problem(cells, limits)
        if len(cells) < width:
            cells += [""] * (width - len(cells))
        yield Row(line, cells, problem)


def _problem(cells: list[str], limits: Limits) -> Problem | None:
    if len(cells) > limits.columns:
        return Problem("columns", f"The row has more than {limits.columns:,} columns, the most allowed.")
    for column, cell in enumerate(cells, start=1):
        if len(cell) > limits.cell:
            return Problem(
                "cell",
                f"The cell in column {column} has more than {limits.cell:,} characters, the most allowed.",
            )
    return None
