"""Where a number belongs, what kind of number it is and how it is written there, by its head.

The head of a number is all of it but the last four digits (``free_runs.TAIL``). So it also says how long the
number is, and numbering plans give no shorter ranges to countries and types: all numbers of a head have the
same answer. Only a few areas of small islands are finer; they are those of the first number.

The knowledge is that of ``phonenumbers``. It takes 100 MB when it is loaded, so that happens late.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from didmgmt.text import shorten
from dids.numbering.countries import COUNTRIES
from dids.numbering.free_runs import TAIL

VERSION = f"{version('phonenumbers')}-1"  # another one may have other answers; count up for new rules here
SHORTEST, LONGEST = 8, 15  # digits of a number in E.164 that can have its country code
DIGIT = "#"  # in a pattern
UNKNOWN = "unknown"
TYPES = {
    "geographic": "Geographic",
    "mobile": "Mobile",
    "tollfree": "Toll-free",
    "premium": "Premium",
    "shared": "Shared-cost",
    "voip": "VoIP",
    "personal": "Personal",
    "pager": "Pager",
    "company": "Company-wide",
    "voicemail": "Voicemail",
    UNKNOWN: "Unknown",
}
# {type of phonenumbers: ours}; where areas have fixed and mobile numbers, as in North America, both belong to
# the area.
_TYPES = {
    "FIXED_LINE": "geographic",
    "FIXED_LINE_OR_MOBILE": "geographic",
    "MOBILE": "mobile",
    "TOLL_FREE": "tollfree",
    "PREMIUM_RATE": "premium",
    "SHARED_COST": "shared",
    "VOIP": "voip",
    "PERSONAL_NUMBER": "personal",
    "PAGER": "pager",
    "UAN": "company",
    "VOICEMAIL": "voicemail",
}
_NORTH_AMERICA = 1  # 25 countries, none of which is meant by an area code that nobody has


class Geography(NamedTuple):
    """``country``: its code in ``COUNTRIES``, ``type``: a key of ``TYPES``; both ``UNKNOWN`` if they are.

    ``area``: a town or region, or ""; for some of Australia a list of 40 places. ``pattern``: the number as
    it is written there, with ``DIGIT`` for each digit, or "".
    """

    country: str = UNKNOWN
    area: str = ""
    type: str = UNKNOWN
    pattern: str = ""

    @property
    def country_name(self) -> str:
        return COUNTRIES.get(self.country, "")

    @property
    def area_label(self) -> str:
        return shorten(self.area, 40)

    @property
    def type_name(self) -> str:
        return "" if self.type == UNKNOWN else TYPES[self.type]


def head_of(number: str) -> str:
    return number[:-TAIL]


def of_head(head: str) -> Geography:
    """Return the Geography of the numbers with a head; unknown for what can't be a number in E.164."""
    if not SHORTEST <= len(head) + TAIL <= LONGEST or head.startswith("0"):
        return Geography()
    import phonenumbers  # noqa: PLC0415
    from phonenumbers import geocoder  # noqa: PLC0415

    try:
        number = phonenumbers.parse(f"+{head}{'0' * TAIL}")
    except phonenumbers.NumberParseException:
        return Geography()
    code = number.country_code or 0
    country = phonenumbers.region_code_for_number(number)
    if country is None and code != _NORTH_AMERICA:
        country = phonenumbers.region_code_for_country_code(code)
    kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(number))
    is_in_area = phonenumbers.is_number_geographical(number)
    area = geocoder.description_for_valid_number(number, "en") if is_in_area else ""
    if area == geocoder.country_name_for_number(number, "en"):
        area = ""
    return Geography(
        country if country in COUNTRIES else UNKNOWN,
        area,
        _TYPES.get(kind, UNKNOWN),
        _pattern(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL), head),
    )


def _pattern(written: str, head: str) -> str:
    """Return the pattern of a number that is ``written`` with groups, "" if digits were left out."""
    digits = "".join(one for one in written if one.isdigit())
    if digits != f"{head}{'0' * TAIL}":
        return ""
    return "".join(DIGIT if one.isdigit() else one for one in written)


def e164(number: str) -> str:
    """Return a number as E.164 writes it, with a plus; one that can’t be in E.164 stays as it is."""
    is_possible = SHORTEST <= len(number) <= LONGEST and not number.startswith("0")
    return f"+{number}" if is_possible else number


def grouped(number: Sequence[str], pattern: str) -> str:
    """Return the digits of ``number`` as the pattern groups them."""
    if pattern.count(DIGIT) != len(number):
        return "".join(number)
    return pattern.replace("%", "%%").replace(DIGIT, "%s") % tuple(number)
