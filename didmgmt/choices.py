"""Choices too many to print into a page: the control shows the chosen ones and loads others as typed.

The address in ``data-choices-url`` answers ``?q=`` by ``choices``; static/js/combobox.js asks it.
"""

from django import forms
from django.db import models
from django.http import JsonResponse
from django.urls import reverse_lazy

from didmgmt.text import parse_whole

SHOWN = 20


class _Remote:
    """Prints the empty option and the chosen ones; the field validates against its whole queryset.

    ``url_name`` may be left out where the address depends on what the form is about: ``asks`` sets it.
    ``printed``: up to so many others as well, for browsers without scripts.
    """

    def __init__(self, url_name="", *, placeholder="", printed=0, attrs=None):
        remote = {"data-choices-url": reverse_lazy(url_name)} if url_name else {}
        if placeholder:
            remote["data-placeholder"] = placeholder
        self.printed = printed
        super().__init__(attrs=remote | (attrs or {}))

    def asks(self, address):
        self.attrs["data-choices-url"] = address

    def optgroups(self, name, value, attrs=None):
        every, field = self.choices, self.choices.field
        chosen = [one for one in map(str, value) if one and fits(field, one)]
        key = field.to_field_name or "pk"
        rows = _named(field, key, chosen) if chosen else []
        if self.printed:
            rows += [row for row in field.queryset[: self.printed] if row not in rows]
        self.choices = [(str(getattr(row, key)), field.label_from_instance(row)) for row in rows]
        if field.empty_label is not None:
            self.choices.insert(0, ("", field.empty_label))
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = every


class RemoteSelect(_Remote, forms.Select):
    """For a ModelChoiceField. ``url_name``: of the view that answers with ``choices``."""


class _Several:
    """A blank value among several, as scripts and bookmarks send it, means none."""

    def value_from_datadict(self, data, files, name):
        return [one for one in super().value_from_datadict(data, files, name) or [] if one]


class TickedBoxes(_Several, forms.CheckboxSelectMultiple):
    """For a MultipleChoiceField of few choices."""


class RemoteSelectMultiple(_Remote, _Several, forms.SelectMultiple):
    """For a ModelMultipleChoiceField."""


def _named(field, key, values):
    """The chosen rows; a field that takes others than its queryset's finds them by ``rows_by_key``."""
    if hasattr(field, "rows_by_key"):
        return list(field.rows_by_key(values).values())
    return list(field.queryset.filter(**{f"{key}__in": values}))


def fits(field, value):
    """Whether ``value`` can be a key of the field's rows at all; the databases fail for one that can't."""
    key = field.queryset.model._meta.get_field(field.to_field_name or field.queryset.model._meta.pk.name)
    if not isinstance(key, models.IntegerField):
        return "\0" not in value
    return str(parse_whole(value)) == value


def choices(request, queryset, *, search, text=str, key="pk", note=None, gone=None):
    """The answer to ``?q=``: up to 20 of an ordered ``queryset`` whose ``search`` column contains it.

    ``text`` and ``note`` say of a row what the option shows. ``gone``: takes the condition of the search as
    keywords and gives rows of what was deleted, which follow the others where the address has a ``gone``.
    One query, another one for these.
    """
    typed = request.GET.get("q", "").replace("\0", "").strip()
    asked = {f"{search}__icontains": typed} if typed else {}
    rows = list(queryset.filter(**asked)[: SHOWN + 1])
    if gone and "gone" in request.GET and len(rows) <= SHOWN:
        rows += gone(**asked)[: SHOWN + 1 - len(rows)]
    results = [
        {"id": getattr(row, key), "text": text(row)} | ({"note": note(row)} if note else {})
        for row in rows[:SHOWN]
    ]
    return JsonResponse({"results": results, "more": len(rows) > SHOWN})
