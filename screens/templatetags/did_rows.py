"""Rows of the list of numbers: the template renders one, which is filled in for each number."""

import re
from functools import cache, lru_cache
from html import escape  # Django’s escape also checks for safe strings, which takes three times as long
from operator import attrgetter, itemgetter
from string import Formatter

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe

from didmgmt.templatetags.look import moment, status
from didmgmt.text import show_invisible
from dids.lifecycle import statuses as st
from dids.models.head_geography import learn, of_number
from dids.numbering.geography import DIGIT, e164
from dids.numbering.geography import grouped as grouped_digits

register = template.Library()

# A row's change makes the browser look at its group, and a click at those in sight (js/groups.js).
GROUP = 25
NONE = '<span class="none" aria-hidden="true">–</span>'


@register.filter
def marked(number, search):
    """Mark the digits of a ``Search`` in a number."""
    before, match, after = search.split(number) if search else (number, "", "")
    return mark_safe(f"{before}<mark>{match}</mark>{after}") if match else number


@register.simple_block_tag
def did_rows(content, dids, user, mark=None):
    """Repeat ``content`` for each number and fill in ``{pk}``, ``{number}`` and so on from ``_cells``.

    ``mark``: the search whose digits ``{marked}``, the number, marks. How ``user``
    wants numbers shown and copied is followed.

    Each ``GROUP`` rows have a ``<tbody>`` of their own, of which the block is to open and close the only one.
    The content is rendered once, so permissions, icons and URLs are looked up once, and only the cells that
    it names are made. The template engine takes twenty times as long for a hundred rows.
    """
    pattern, names, places = _pattern(content)
    if user.groups_numbers:
        learn(did.number for did in dids)
    cells = _cells(mark, user)
    columns = [[cells[name](did) for did in dids] for name in names]
    rows = [pattern % places(row) for row in zip(*columns, strict=True)]
    groups = ("".join(rows[at : at + GROUP]) for at in range(0, len(rows), GROUP))
    return mark_safe("</tbody>\n<tbody>".join(groups))


@lru_cache(maxsize=200)
def _pattern(content):
    """Return the content for the operator %, the names of its placeholders, and their places in a row."""
    content = re.sub(r"\s*\n\s*", "\n", content)  # a quarter of it was indentation
    texts, used = zip(*((text, name) for text, name, *_ in Formatter().parse(content)), strict=True)
    used = [name for name in used if name is not None]
    names = list(dict.fromkeys(used))
    pattern = "%s".join(text.replace("%", "%%") for text in texts)
    if len(used) == len(texts):
        pattern += "%s"
    return pattern, names, itemgetter(*map(names.index, used))


@register.simple_tag
def cell(key):
    """Return the placeholder of a column."""
    return f"{{{key}}}"


@register.simple_tag
def row_url(name):
    """Return the URL of that name with ``{pk}`` instead of a number’s id."""
    return reverse(name, args=[0]).replace("/0/", "/{pk}/")


def _cells(mark, user):
    """Return {placeholder: a function of a DID of ``for_table`` that returns its HTML}.

    Most rows share their names with others, so these are escaped once.
    """
    text, client, badge = cache(_text), cache(_client), cache(status)
    return _OTHER_CELLS | {
        "marked": _shown(mark, user),
        "copied": (lambda did: e164(did.number)) if user.copies_e164 else _number,
        "status": lambda did: badge(did.status_now, did.status_label, did.days_left),
        "operator": lambda did: text(did.operator_name),
        "tag": lambda did: text(did.tag_label),
        "client": lambda did: client(did.client_name, did.account_name) if did.client_name else NONE,
        "reseller": lambda did: text(did.reseller_name),
        "account": lambda did: text(did.account_name),
        "package": lambda did: text(did.client_name and did.package_name),
        "last_client": lambda did: text(did.past_client),
        "reserved_for": lambda did: text(did.kept_for),
    }


def _shown(mark, user):
    """Return the function of a DID that returns its number as it is shown."""
    if user.groups_numbers or user.copies_e164:
        return lambda did: _as_chosen(did.number, user, mark)
    return (lambda did: marked(did.number, mark)) if mark else _number


@register.filter
def as_chosen(number, user):
    """Return a number as ``user`` wants it shown, so that selected text is what the user wants copied."""
    return _as_chosen(number, user)


@register.filter
def as_copied(number, user):
    """Return the text that a button copies; of several numbers in lines, too."""
    return "\n".join(map(e164, number.split("\n"))) if user.copies_e164 else number


@register.simple_tag
def marked_number(number, mark, user):
    """Return the digits of a number with those of a search marked, so that it is copied as ``user`` wants."""
    return mark_safe(f"{_plus(number, user)}{marked(number, mark)}")


def _as_chosen(number, user, mark=None):
    pattern = of_number(number).pattern if user.groups_numbers else ""
    if not pattern:
        return marked_number(number, mark, user)
    before, match, _ = mark.split(number) if mark else (number, "", "")
    digits = list(number)
    if match:
        digits[len(before)] = f"<mark>{digits[len(before)]}"
        digits[len(before) + len(match) - 1] += "</mark>"
    return mark_safe(grouped_digits(digits, _separated(pattern, user.copies_e164)))


@cache
def _separated(pattern, with_plus):
    """Return a pattern with its separators as generated content, which is not copied with selected text."""
    plus = "+" if with_plus and pattern.startswith("+") else ""
    return plus + re.sub(
        f"[^{DIGIT}]+",
        lambda found: f'<span data-sign="{escape(found[0])}"></span>',
        pattern.removeprefix(plus),
    )


def _plus(number, user):
    """Return the plus that is copied before digits and not seen, "" without one."""
    return '<span class="copied-plus">+</span>' if as_copied(number, user) != number else ""


@register.simple_tag
def medal(mark_class, name):
    """Return the class of a mark, with the name of its rule on hover."""
    return mark_safe(f'<span class="medal medal-{mark_class}" title="{escape(name)}">{mark_class}</span>')


_number = attrgetter("number")  # digits
_OTHER_CELLS = {
    "pk": attrgetter("pk"),
    "id": attrgetter("pk"),
    "number": _number,
    "notes": lambda did: _cut(escape(show_invisible(did.notes))) if did.notes else NONE,
    "after_hold": lambda did: escape(did.after_hold_label),
    "hold_days": lambda did: _hold_days(did.hold_days_now, did.least),
    "hold_until": lambda did: moment(did.hold_until) if did.status_now == st.HOLD else NONE,
    "reserved_until": lambda did: (did.status_now == st.RESERVED and moment(did.hold_until)) or NONE,
    "mark": lambda did: medal(did.mark_class, did.mark_name) if did.mark_class else NONE,
    "country": lambda did: _text(of_number(did.number).country_name),
    "area": lambda did: _text(of_number(did.number).area),
    "type": lambda did: _text(of_number(did.number).type_name),
    "created": lambda did: moment(did.created_at) or NONE,
    "changed": lambda did: moment(did.changed_at) or NONE,
}


def _hold_days(days, least):
    """Return the days that a hold lasts; what it says else if a minimum hold is longer is told on hover."""
    if least is None or least.days <= days:
        return str(days)
    title = f"Minimum hold of +{least.prefix}; without it {days}"
    return f'<span title="{title}">{least.days}</span>'


def _client(name, account):
    return _cut(f'{escape(name)} <span class="account">| {escape(account)}</span>')


def _text(value):
    return _cut(escape(value)) if value else NONE


def _cut(html):
    return f'<span class="cut">{html}</span>'
