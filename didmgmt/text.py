"""Text in sentences: counts with nouns, user input repeated, whole numbers parsed."""

import unicodedata
from collections.abc import Sequence

BIGGEST = 2**63 - 1  # the largest integer that both databases store


def count_noun(count: int, noun: str, plural: str = "") -> str:
    """Return the count with its noun: "1 number", "1,234 numbers", "10,000+ numbers" of a ``Count``."""
    number = getattr(count, "label", f"{count:,}")
    return f"{number} {noun if count == 1 else plural or f'{noun}s'}"


def enumerated(phrases: Sequence[str]) -> str:
    """Return phrases as text: "3 clients, 1 package and 2 operators"; at least one."""
    *most, last = phrases
    return f"{', '.join(most)} and {last}" if most else last


def show_invisible(text: str) -> str:
    """Return ``text`` with invisible signs as code points, such as ⟨U+202E⟩ for a bidi override.

    Line breaks, tabs and the joiners that emoji and some scripts need stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(char):04X}⟩"
        if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\r\t\u200c\u200d"
        else char
        for char in text
    )


def shorten(text: str, length: int = 60) -> str:
    """Return ``text`` on one line, printable, cut to at most ``length`` characters with an ellipsis."""
    shown = "".join(char if char.isprintable() else " " for char in text[: length + 1])
    return shown if len(text) <= length else shown[: length - 1] + "…"


def parse_whole(text: str, *, most: int = BIGGEST) -> int | None:
    """Return the whole number from 0 to ``most`` that ``text`` is, or None.

    Takes ASCII digits only. Leading zeros change nothing, however many there are; Python refuses to convert
    very long digit strings, so they are dropped first.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)
