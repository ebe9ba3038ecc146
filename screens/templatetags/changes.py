"""Details and changes of a number as HTML.

Written in Python, because a page has a hundred of them and the template engine takes ten times as long. Every
text goes through ``escape``.
"""

from html import escape  # Django’s escape also checks for safe strings, which takes three times as long

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe

from didmgmt.templatetags.look import moment
from didmgmt.text import show_invisible

register = template.Library()

_EVENTS = {"+": "made", "-": "deleted"}
_NOTHING = '<span class="none"><span class="visually-hidden">from </span>–</span>'


@register.simple_tag
def fact_list(facts):
    """Render facts about a number, a list of {label, value, url?, moment?}."""
    rows = (f"<div><dt>{escape(fact['label'])}</dt><dd>{_fact(fact)}</dd></div>" for fact in facts)
    return mark_safe(f'<dl class="facts">{"".join(rows)}</dl>')


def _fact(fact):
    if fact.get("moment"):
        return moment(fact["moment"])
    if not fact.get("value"):
        return '<span class="none">–</span>'
    text = escape(str(fact["value"]))
    return f'<a href="{escape(fact["url"])}">{text}</a>' if fact.get("url") else text


@register.simple_tag
def difference_list(differences, event):
    """Render fields as old → new; ``event``: "+" created, "~" changed, "-" deleted."""
    rows = (
        f"<div><dt>{escape(one.field)}</dt><dd>{_difference(one, event)}</dd></div>" for one in differences
    )
    return mark_safe(f'<dl class="changes">{"".join(rows)}</dl>')


def _difference(one, event):
    new = _shown(one.new) or "–"
    if event == "+":
        return f"<ins>{new}</ins>"
    old = f'<del><span class="visually-hidden">from </span>{_shown(one.old)}</del>' if one.old else _NOTHING
    if event == "-":
        return old
    return f'{old} <span aria-hidden="true">→</span> <ins><span class="visually-hidden">to </span>{new}</ins>'


def _shown(value):
    return escape(show_invisible(str(value)))


@register.simple_tag
def entry_list(entries, may_open):
    """Render entries of the timeline of a number; ``may_open``: whether changes are links."""
    return mark_safe(f'<ol class="history">{"".join(_entry(entry, may_open) for entry in entries)}</ol>')


def _entry(entry, may_open):
    label = escape(entry.label)
    if entry.change and may_open:
        label = f'<a href="{reverse("audit:detail", args=[entry.change])}">{label}</a>'
    return (
        f'<li class="event-{_EVENTS.get(entry.event, "changed")}"><p class="event-head"><b>{label}</b>'
        f" <span>by {escape(entry.actor)}</span> {moment(entry.at)}</p>"
        f"{f'<p>Passed on although it aged: {escape(entry.reason)}</p>' if entry.reason else ''}"
        f"{difference_list(entry.differences, entry.event) if entry.differences else ''}</li>"
    )
