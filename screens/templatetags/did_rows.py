"""Rows of the list of numbers: the template renders one, ``str.format_map`` fills it in for each number."""

import re
from functools import cache
from html import escape  # Django’s escape also checks for safe strings, which takes three times as long

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe

from didmgmt.templatetags.look import moment, status
from didmgmt.text import show_invisible
from dids.lifecycle import statuses as st
from dids.numbering.countries import country_of

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
def did_rows(content, dids, mark=None, columns=()):
    """Repeat ``content`` for each number and fill in ``{pk}``, ``{number}`` and so on from ``_cells``.

    ``mark``: the search whose digits ``{marked}``, the number, marks. ``columns``: the keys of those that
    are shown, if they were chosen.

    Each ``GROUP`` rows have a ``<tbody>`` of their own, of which the block is to open and close the only one.
    The content is rendered once, so permissions, icons and URLs are looked up once. The template engine
    takes ten times as long for a hundred rows.
    """
    chosen = {key: _CHOSEN[key] for key in columns if key in _CHOSEN}
    content = re.sub(r"\s*\n\s*", "\n", content)  # a quarter of it was indentation
    text = cache(_text)  # most rows share their names with others
    rows = [content.format_map(_cells(did, mark, chosen, text)) for did in dids]
    groups = ("".join(rows[at : at + GROUP]) for at in range(0, len(rows), GROUP))
    return mark_safe("</tbody>\n<tbody>".join(groups))


@register.simple_tag
def cell(key):
    """Return the placeholder of a column."""
    return f"{{{key}}}"


@register.simple_tag
def row_url(name):
    """Return the URL of that name with ``{pk}`` instead of a number’s id."""
    return reverse(name, args=[0]).replace("/0/", "/{pk}/")


def _cells(did, mark, chosen, text):
    """Return {name: HTML} for a DID of ``for_table``."""
    return {
        "pk": did.pk,
        "id": did.pk,
        "number": did.number,  # digits
        "marked": marked(did.number, mark),
        "status": status(did.status_now, did.status_label, did.days_left),
        "operator": text(did.operator_name),
        "tag": text(did.tag_label),
        "notes": _cut(escape(show_invisible(did.notes))) if did.notes else NONE,
        "client": _cut(f'{escape(did.client_name)} <span class="account">| {escape(did.account_name)}</span>')
        if did.client_name
        else NONE,
        "reseller": text(did.reseller_name),
    } | {key: cell(did) or NONE for key, cell in chosen.items()}


# Cells that are filled in only when their column is shown: {key: its HTML or ""}
_CHOSEN = {
    "account": lambda did: _cut(escape(did.account_name)) if did.account_name else "",
    "package": lambda did: _cut(escape(did.package_name)) if did.client_name else "",
    "after_hold": lambda did: escape(did.after_hold_label),
    "hold_days": lambda did: str(did.hold_days_now),
    "hold_until": lambda did: moment(did.hold_until) if did.status_now == st.HOLD else "",
    "last_client": lambda did: _cut(escape(did.past_client)) if did.past_client else "",
    "country": lambda did: _cut(escape(country_of(did.number))) if country_of(did.number) else "",
    "created": lambda did: moment(did.created_at),
    "changed": lambda did: moment(did.changed_at),
}


def _text(value):
    return _cut(escape(value)) if value else NONE


def _cut(html):
    return f'<span class="cut">{html}</span>'
