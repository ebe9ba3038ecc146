"""Recognise text that is something other than a phone number: a date, an amount, an address."""

import re

from dids.numbering.normalise import FORMAT_AS_TEXT, NumberError

_INSTEAD = "Enter the digits of the phone number instead."

_ADDRESS = re.compile(r"(?i)(sips?|mailto|https?|xmpp|skype|h323|iax2?|im|urn|geo)\s?:")
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+")
_DECIMAL = re.compile(
    r"[+-]?(?:\d*\.\d{1,2}|\d+,\d{1,2}|\d{1,3}(?:\.\d{3})+,\d{1,2}|\d{1,3}(?:[, ']\d{3})+\.\d{1,2})"
)
_NEGATIVE = re.compile(r"-[\d.,]*\d")

_TIME = re.compile(
    r"(?i)(?:^|[T ] ?)\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
    r"(?: ?[ap]\.?m\.?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?$"
)
_YEAR_FIRST = re.compile(r"(\d{4})(?:[-/.] ?)(\d{1,2})(?:[-/.] ?)(\d{1,2})[.]?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d\d)")
_WORDED = re.compile(
    r"(?:(\d{1,4})[a-z]{0,2}[ .,/-]*)?\b([^\W\d_]{3,})[ .,/'’-]*(\d{1,4})?(?:[ ,/'’-]+(\d{4}))?"
)
# The first three letters of the months in English, German, French, Spanish, Portuguese, Russian, Ukrainian.
_MONTHS = frozenset(
    "jan feb mar apr may jun jul aug sep oct nov dec mär mrz mai okt dez jän fév fev avr jui aoû aou déc"
    " ene abr ago dic set out dez янв фев мар апр май мая июн июл авг сен окт ноя дек"
    " січ лют бер кві тра чер лип сер вер жов лис гру".split()
)


def refuse_other(value: str, plain: str) -> None:
    """Raise NumberError if ``plain``, the text from ``to_plain``, is certainly no phone number.

    The error names what it is: an address, a date or time, a negative number, a decimal, an exponent.
    Takes the whole text and not a part of it: ``20.26.05.03.11`` contains a date and is a number.
    """
    if address := _ADDRESS.match(plain):
        raise NumberError(value, f"it is a {address[1].lower()}: address", _INSTEAD, "uri")
    if "@" in plain:
        raise NumberError(value, "it is an address with @", _INSTEAD, "uri")
    if _is_date(plain):
        raise NumberError(value, "it is a date or a time", _INSTEAD, "date")
    if _EXPONENT.fullmatch(plain):
        reason = "the spreadsheet wrote it with an exponent, and its last digits are lost"
        raise NumberError(value, reason, FORMAT_AS_TEXT, "exponent")
    if _NEGATIVE.fullmatch(plain):
        raise NumberError(value, "it is a negative number", _INSTEAD, "negative")
    if _DECIMAL.fullmatch(plain):
        raise NumberError(value, "it is a decimal number", FORMAT_AS_TEXT, "decimal")


def _is_date(plain: str) -> bool:
    day = plain
    if ":" in plain and (time := _TIME.search(plain)):
        day = plain[: time.start()]
        if not day:
            return True
    if match := _YEAR_FIRST.fullmatch(day):
        year, month, of_month = map(int, match.groups())
        return 1900 <= year < 2200 and _is_day(of_month, month)
    if match := _YEAR_LAST.fullmatch(day):
        first, second = int(match[1]), int(match[3])
        if len(match[4]) == 4:
            return 1900 <= int(match[4]) < 2200 and (_is_day(first, second) or _is_day(second, first))
        # Six digits in pairs may be a short number; with dashes only the usual order makes a date.
        return _is_day(first, second) or (match[2] == "/" and _is_day(second, first))
    match = _WORDED.fullmatch(day)
    return bool(match and (match[1] or match[3]) and match[2][:3].lower() in _MONTHS)


def _is_day(day: int, month: int) -> bool:
    return 1 <= day <= 31 and 1 <= month <= 12
