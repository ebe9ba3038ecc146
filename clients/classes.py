"""Classes of numbers, which pattern marks give, and the text of those that a package may hold.

The text is the classes in their order, joined by ", "; "" stands for all of them, which is no rule.
"""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db.models import Q

UNMARKED, BRONZE, SILVER, GOLD = "unmarked", "bronze", "silver", "gold"
CLASSES = {UNMARKED: "Unmarked", BRONZE: "Bronze", SILVER: "Silver", GOLD: "Gold"}
MAX_CLASSES = len(", ".join(CLASSES))


def split_classes(text: str) -> list[str]:
    """Return the classes in ``text`` ("gold, silver" or "gold; silver"), all of them for a blank one.

    Raises ValidationError for what is none.
    """
    found = {part.strip().lower() for part in text.replace(";", ",").split(",")} - {""}
    if unknown := sorted(found - CLASSES.keys()):
        raise ValidationError(
            f"There is no class “{unknown[0][:20]}” of numbers. Use unmarked, bronze, silver or gold."
        )
    return [one for one in CLASSES if one in found or not found]


def allowing(number_class: str) -> Q:
    """Return the condition for packages that may hold numbers of a class."""
    # No class is part of the name of another one.
    return Q(allowed_classes="") | Q(allowed_classes__contains=number_class)


def class_label(classes: Iterable[str]) -> str:
    """Return the text of ``classes``: "" for all of them, or none."""
    chosen = [one for one in CLASSES if one in classes]
    return "" if len(chosen) == len(CLASSES) else ", ".join(chosen)
