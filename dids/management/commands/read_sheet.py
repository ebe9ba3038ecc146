import io
import json
import os
import sys
from collections.abc import Iterator

from django.core.management import BaseCommand
from django.core.management.base import CommandParser

from dids.imports.limits import import_limits
from sheets import Loaded, SheetError, load, read


class Command(BaseCommand):
    help = (
        "Read files like the import does and print one line of JSON for each: its format and its rows, "
        'or {"file": …, "error": …}.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="- reads file names from standard input")

    def handle(self, *, files: list[str], **_options: object) -> None:
        self.limits = import_limits()
        self.encode = json.JSONEncoder(ensure_ascii=False).encode
        if isinstance(sys.stdout, io.TextIOWrapper):
            # UTF-8 in any locale; a file name that is not UTF-8 is escaped like in JSON.
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        for name in files:
            for path in _names_on_standard_input() if name == "-" else [name]:
                self._read(path)

    def _read(self, path: str) -> None:
        try:
            with open(path, "rb") as file, load(file, path, limits=self.limits) as loaded:
                for piece in self._pieces(path, loaded):
                    self.stdout.write(piece, ending="")
                self.stdout.write("")
        except SheetError as error:
            self.stdout.write(self.encode({"file": path, "error": str(error)}))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.stdout.write(self.encode({"file": path, "error": f"The file can’t be opened: {reason}."}))

    def _pieces(self, path: str, loaded: Loaded) -> Iterator[str]:
        """Yield the JSON of a file row by row, since it may exceed the memory."""
        file_format, problems = loaded.format, []
        about = {
            "file": path,
            "format": file_format.kind,
            "encoding": file_format.encoding,
            "delimiter": file_format.delimiter,
        }
        yield self.encode(about)[:-1] + ', "rows": ['
        separator = ""
        for row in read(loaded.file, file_format, self.limits):
            yield separator + self.encode(row.cells)
            separator = ", "
            if row.problem:
                problems.append({"line": row.line} | row.problem._asdict())
        more = {
            "sheet": file_format.sheet,
            "notes": loaded.notes,
            "damage": [damage._asdict() for damage in loaded.damage],
            "problems": problems,
        }
        yield "], " + self.encode(more)[1:]


def _names_on_standard_input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        if name := line.rstrip(b"\r\n"):
            yield os.fsdecode(name)
