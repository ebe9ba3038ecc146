"""Names of records and tags: how they are stored, and when two of them are alike.

A name is stored in Unicode's composed form (NFC) without invisible signs, with single blanks. Two names are
alike when a person would take one for the other: they differ only in upper and lower case, in the width or
style of their letters, or in letters of another script that have the same shape.
"""

import re
import unicodedata

from django import forms
from django.db import models

NAME_MAX = 100
# Characters of a text that is normalised: time grows with the square of how many accents follow one another.
# Longer texts are no names, and too long for a set of tags as well.
NORMALISED = 2_000

# Unicode's Default_Ignorable_Code_Point and the signs of annotations: zero-width signs, soft hyphens, bidi
# marks and overrides, variation selectors, fillers, tag characters. Then controls that are no blanks, and
# halves of surrogate pairs.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]"
)
_BLANK = re.compile(r"[\s\u2800]+")  # U+2800 is the braille pattern without dots

# Letters that look like a Latin one, in their own case: "В" looks like "B", "в" does not look like "b".
_SHAPES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХҺӀԚԜаеѕіјорсухһӏԛԝԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορϲϳՕՍօոսհցɑɡı‐‑‒–—―−⁃’‘ʼʹ′´`“”„",
    "ABESIJKMHOPCTYXHIQWaesijopcyxhlqwdABEZHIKMNOPTYXaivopcjOUonuhgagi--------'''''''\"\"\"",
)


def clean_name(text):
    """Return ``text`` as a name is stored; "" if nothing visible is in it."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = _BLANK.sub(" ", _INVISIBLE.sub("", text)).strip()
    return _normalised("NFC", visible)


def fold(text):
    """Return the key that names share which differ only in case, or in the width or style of letters."""
    return _folded(clean_name(text))


def shape(text):
    """Return the key that names share whose letters have the same shapes, whatever their script."""
    return _shaped(clean_name(text))


def _normalised(form, text):
    return unicodedata.normalize(form, text) if len(text) <= NORMALISED else text


def _folded(name):
    if name.isascii():
        return name.lower()
    folded = _normalised("NFKC", name).casefold()
    if _normalised("NFKC", folded) != folded:  # case folding has made letters that fold once more
        folded = _normalised("NFKC", folded).casefold()
    return " ".join(folded.split())


def _shaped(name):
    letters = _normalised("NFKD", name.translate(_SHAPES)).translate(_SHAPES)
    return _folded(letters).replace("i\u0307", "i")


def keys(text):
    """Return the keys of a name; two names are alike when they have one in common."""
    name = clean_name(text)
    if name.isascii() and "`" not in name:
        return {name.lower()}
    return {_folded(name), _shaped(name)}


def lookalike_exists(noun, existing, name):
    """Return the sentence that the record ``existing`` is alike ``name``, which is to be created."""
    article = "an" if noun[0] in "aeiou" else "a"
    return f"There is {article} {noun} “{existing}”, which {_difference(existing, name)}."


def lookalike_in_file(noun, first, name):
    """Return the sentence that the new name ``first`` of a file is alike ``name``."""
    return f"The file names the new {noun} “{first}” before, which {_difference(first, name)}."


def _difference(one, other):
    if one.casefold() == other.casefold():
        return "differs only in upper and lower case"
    return "looks the same but is written with other characters"


class NameFormField(forms.CharField):
    def to_python(self, value):
        return clean_name(super().to_python(value))


class NameField(models.CharField):
    """The name of a record. Every value is cleaned, those that are compared in queries included."""

    def __init__(self, **kwargs):
        super().__init__(**{"max_length": NAME_MAX} | kwargs)

    def deconstruct(self):
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs  # nothing about the column differs

    def to_python(self, value):
        value = super().to_python(value)
        return clean_name(value) if isinstance(value, str) else value

    def pre_save(self, instance, add):
        """Return the value to store, which the instance has from now on."""
        value = self.to_python(super().pre_save(instance, add))
        setattr(instance, self.attname, value)
        return value

    def formfield(self, **kwargs):
        return super().formfield(**{"form_class": NameFormField} | kwargs)
