"""Read tables from workbooks.

A separate process parses the file under limits of time and memory. Its rows are stored as JSON lines, so that
reading them again, as an import does several times, costs neither.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from sheets.content import BROKEN_ZIP, blocks, protected
from sheets.damage import DamageDetector
from sheets.table import Format, Limits, Problem, Row, SheetError, shape, too_many_rows

PROCESS = Path(__file__).with_name("workbook_process.py")
SAMPLE = 300  # rows that decide where the table starts
MAX_RATIO = 200  # compression ratio of a genuine workbook, at most; checked above SMALL
SMALL = 100 << 20  # bytes
DAMAGED = (
    "The workbook is damaged and can’t be read to the end. "
    "Open it in a spreadsheet program, save it again or as CSV, and load that file."
)


def unpack_workbook(
    file: BinaryIO, kind: str, sheet: str, limits: Limits, detector: DamageDetector
) -> tuple[BinaryIO, Format, list[str]]:
    """Store the rows of ``sheet``, or of the first sheet with rows, in a temporary file of JSON lines.

    Line n is row n of the sheet, a list of texts, ``[]`` for a blank row. Returns (that file, its format,
    notes) and adds each row that is not blank to ``detector``. Raises SheetError for a workbook that can't be
    read, exceeds a limit, or has no such sheet.
    """
    if kind != "xls":
        _refuse_bombs(file, limits)
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as copy:
        file.seek(0)
        for block in blocks(file):
            copy.write(block)
        copy.flush()
        stored = tempfile.TemporaryFile()  # noqa: SIM115 closed by the caller
        try:
            with _Reader(copy.name, kind, sheet, limits) as reader:
                width, start = _store(reader, stored, limits, detector)
        except BaseException:
            stored.close()
            raise
    file_format = Format("", "", width, 0, start, kind, reader.facts["sheet"], reader.facts["sheets"])
    return stored, file_format, _notes(sheet, reader.facts)


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

    ``rows()`` yields (letters of the cells, JSON of the texts) of each row. ``facts`` are the names of the
    sheets and the sheet that is read. Raises SheetError if the process fails.
    """

    def __init__(self, path: str, kind: str, sheet: str, limits: Limits):
        self.limits, self.sheet = limits, sheet
        self.facts: dict[str, Any] = {}
        self.late = False
        arguments = {
            "path": path,
            "kind": kind,
            "sheet": sheet,
            "columns": limits.columns,
            "cell": limits.cell,
            "seconds": limits.seconds,
            "memory": limits.memory,
        }
        self.command = [sys.executable, "-I", str(PROCESS), json.dumps(arguments)]

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
        self.timer = threading.Timer(self.limits.seconds, self._stop)
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

    def rows(self) -> Iterator[tuple[str, bytes]]:
        for line in self.stdout:
            if not line.endswith(b"\n"):
                break
            if line.startswith(b"{"):
                self.facts |= json.loads(line)
            else:
                kinds, _, texts = line.partition(b"\t")
                yield kinds.decode(), texts
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
        if error == "empty":
            return SheetError("The workbook has no rows. Choose a file with at least one row.")
        if error == "time":
            return SheetError(
                f"The workbook was not read within {self.limits.seconds:,} seconds. "
                "Split it, or save it as CSV, which is much faster to read."
            )
        if error == "memory":
            return SheetError(
                f"The workbook needs more than {self.limits.memory >> 20:,} MB of memory. A single cell far "
                "below or to the right of the table is often the cause: copy the table into a new workbook, "
                "or save it as CSV."
            )
        return SheetError(DAMAGED)


def _store(reader: _Reader, stored: BinaryIO, limits: Limits, detector: DamageDetector) -> tuple[int, int]:
    """Write the rows to ``stored`` and return (width, start) as in ``Format``."""
    width, size = 0, 0
    head: list[tuple[int, list[str]]] = []
    for line, (kinds, texts) in enumerate(reader.rows(), start=1):
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
    _, usual, start = shape(head)
    if usual > limits.columns:
        raise SheetError(
            f"The sheet has more than {limits.columns:,} columns, the most allowed. "
            "Keep only the columns that are needed."
        )
    return width, start


def _notes(wanted: str, facts: dict[str, Any]) -> list[str]:
    """Return what a user must know who did not choose the sheet."""
    names, hidden, read = facts["sheets"], facts["hidden"], facts["sheet"]
    if wanted or len(names) == 1:
        return []
    first, why = names[0], ""
    if read != first:
        why = f" because “{first}” is {'hidden' if first in hidden else 'empty'}"
    return [f"The workbook has {len(names)} sheets ({_join(names)}); “{read}” is read{why}."]


def _join(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names[:20]) + (" …" if len(names) > 20 else "")


def read_stored(file: BinaryIO, file_format: Format, limits: Limits) -> Iterator[Row]:
    """Yield the rows that ``unpack_workbook`` stored, padded to the table's width, without blank rows."""
    count, width = 0, file_format.width
    file.seek(0)
    for line, texts in enumerate(iter(file.readline, b""), start=1):
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
