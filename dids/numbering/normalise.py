"""Normalise phone numbers.

A number is text of 1 to 20 digits, leading zeros included, and stays text: a number type would drop the
zeros.
"""

import re
import unicodedata

from django.conf import settings

from didmgmt.text import shorten

MAX_DIGITS = 20  # of numbers that are stored
E164_DIGITS = 15  # of numbers that can be dialled internationally, and of new ones without LONG_NUMBERS

LOST = "digits were lost in the spreadsheet"
TOO_LONG = f"it has more than {E164_DIGITS} digits, the most that E.164 allows"
ALLOW_LONG = "Correct it, or ask an administrator to allow longer numbers (LONG_NUMBERS)."
FORMAT_AS_TEXT = "Format the column as text in the spreadsheet, enter the number again and save the file."


class NumberError(ValueError):
    """Reject text that is not a number, or can be read in more than one way.

    ``str()`` is a sentence for users with the ``value``, the ``reason`` and the ``remedy``.
    ``kind``      what is wrong, for code: "short range", "several", "dash", "zero", "date", "negative",
                  "decimal", "exponent", "uri", "long", "lost", or "" for the rest
    ``readings``  what the text may mean, as it would be stored, such as "441632961280289" and
                  "441632961280–441632961289"
    """

    def __init__(
        self, value: object, reason: str, remedy: str, kind: str = "", readings: tuple[str, ...] = ()
    ):
        self.value, self.reason, self.remedy = str(value), reason, remedy
        self.kind, self.readings = kind, readings
        super().__init__(f"“{shorten(self.value)}”: {reason}. {remedy}")


# --- characters -----------------------------------------------------------------------------------

_LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
_SPACES = "\t\u2800"  # in addition to category Zs
_PLUSES = "+＋﹢"
_DASHES = "\u2212\u2043\u02d7"  # minus, hyphen bullet, modifier minus; in addition to category Pd
_DOTS = ".․·‧⋅。．｡"
_SLASHES = "/⁄∕／"
_COMMAS = ",،、，﹐､"
_SEMICOLONS = ";؛；﹔"
_LOW_QUOTES = "‚„⹂〝〞〟"  # Unicode counts them as brackets

# Characters that draw nothing: Unicode's Default_Ignorable_Code_Point and the interlinear annotation
# marks. Category Cf is no substitute: it includes visible Arabic number signs and lacks variation selectors.
_INVISIBLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)  # fmt: skip


class _PlainCharacters(dict[int, str]):
    """Map code points to their plainest equivalent, for ``str.translate``.

    Entries are computed on first use, so the table holds only characters that have occurred.
    """

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain_character(chr(code))
        return plain


def _plain_character(char: str) -> str:
    equivalents = (
        (_LINE_BREAKS, "\n"), (_SPACES, " "), (_PLUSES, "+"), (_DASHES, "-"), (_DOTS, "."),
        (_SLASHES, "/"), (_COMMAS, ","), (_SEMICOLONS, ";"), (_LOW_QUOTES, char),
    )  # fmt: skip
    for members, plain in equivalents:
        if char in members:
            return plain
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Cc" or any(low <= ord(char) <= high for low, high in _INVISIBLE):
        return ""
    return {"Zs": " ", "Pd": "-", "Ps": "(", "Pe": ")"}.get(category, char)


_PLAIN_CHARACTERS = _PlainCharacters()
_PUNCTUATION = str.maketrans("", "", " .-()/")
_EXPONENT = re.compile(r"\s*[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+\s*")


def to_plain(text: str) -> str:
    """Return ``text`` with ASCII digits, punctuation and spaces, and without invisible characters."""
    return text.translate(_PLAIN_CHARACTERS)


def strip_punctuation(plain: str) -> str:
    """Return text from ``to_plain`` without one leading + and without the punctuation inside numbers."""
    return plain.translate(_PUNCTUATION).removeprefix("+")


def longest_new() -> int:
    """Return how many digits a new number may have. Existing ones may be longer and can be changed."""
    return MAX_DIGITS if settings.LONG_NUMBERS else E164_DIGITS


def is_number(text: str) -> bool:
    """Return whether ``text`` is a normalised number."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


# --- one number -----------------------------------------------------------------------------------


def normalise(text: str) -> str:
    """Return the 1 to 20 digits of one number, leading zeros included.

    Drops one leading +, spaces, dots, dashes, brackets, slashes and invisible characters, and converts the
    digits of other scripts. Raises NumberError for anything else. A line break inside is an error, since
    dropping it would join two numbers. Idempotent. Reads millions of plain numbers a second.
    """
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:  # inlined for speed
        return text
    digits = strip_punctuation(to_plain(text).strip("\n "))
    if is_number(digits):
        return digits
    kind = "long" if digits.isascii() and digits.isdigit() else ""
    raise NumberError(text, *_explain(text, digits), kind)


def _explain(text: str, digits: str) -> tuple[str, str]:
    """Return why ``text`` is not a number and what to do; ``digits`` is ``text`` without punctuation."""
    if _EXPONENT.fullmatch(text):
        return LOST, FORMAT_AS_TEXT
    if not digits:
        reason = "it contains no digits" if text.strip() else "the number is empty"
        return reason, f"Enter 1 to {longest_new()} digits."
    if digits.isascii() and digits.isdigit():
        return f"it has {len(digits)} digits", f"Enter at most {longest_new()}."
    if "\n" in digits:
        return "it contains a line break", "Enter one number."
    if "+" in digits:
        return "it contains a + after the start", "Enter one number; it may start with one +."
    remedy = "Use digits; spaces, dots, dashes, brackets and slashes are ignored."
    if sum(map(str.isalpha, digits)) > sum(map(str.isdigit, digits)):
        return "it is not a number", remedy
    odd = next(char for char in digits if char not in "0123456789")
    shown = f"“{odd}”" if odd.isprintable() else f"U+{ord(odd):04X}"
    return f"{shown} is not a digit", remedy


def strip_text_marker(text: str) -> str:
    """Return the cell's text without the marker with which spreadsheets keep digits as text."""
    if text.startswith("'"):
        return text[1:]
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1]
    return text
