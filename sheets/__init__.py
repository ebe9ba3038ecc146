"""Read and write tables in files.

``load`` detects the format of a file and prepares it, ``read`` yields its rows. ``write`` and
``write_workbook`` create files. Nothing here knows the meaning of columns, or the database.
"""

from sheets.content import SUFFIXES
from sheets.damage import Damage
from sheets.encoding import ENCODINGS, LONGEST_LINE, encoding_name
from sheets.loading import Loaded, load, read, unpack
from sheets.table import LIMITS, Format, Limits, Problem, Row, SheetError
from sheets.text import DELIMITERS, sniff
from sheets.writing import FORMULA, MARKED, escape, unescape, write, write_workbook

__all__ = [
    "DELIMITERS",
    "ENCODINGS",
    "FORMULA",
    "LIMITS",
    "LONGEST_LINE",
    "MARKED",
    "SUFFIXES",
    "Damage",
    "Format",
    "Limits",
    "Loaded",
    "Problem",
    "Row",
    "SheetError",
    "encoding_name",
    "escape",
    "load",
    "read",
    "sniff",
    "unescape",
    "unpack",
    "write",
    "write_workbook",
]
