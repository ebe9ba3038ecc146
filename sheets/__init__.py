"""
Tables in files: bytes to rows of text, and rows of text to bytes.

``load`` finds out what a file is and makes it ready, ``read`` gives its rows; ``write`` and
``write_workbook`` make files. Nothing here knows what the columns mean, or the database.
"""

from sheets.damage import Damage
from sheets.loading import Loaded, load, read
from sheets.table import LIMITS, Format, Limits, Problem, Row, SheetError
from sheets.text import DELIMITERS, ENCODINGS, LONGEST_LINE, sniff
from sheets.writing import escape, unescape, write, write_workbook

__all__ = [
    "DELIMITERS",
    "ENCODINGS",
    "LIMITS",
    "LONGEST_LINE",
    "Damage",
    "Format",
    "Limits",
    "Loaded",
    "Problem",
    "Row",
    "SheetError",
    "escape",
    "load",
    "read",
    "sniff",
    "unescape",
    "write",
    "write_workbook",
]
