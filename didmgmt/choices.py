"""Selects with many options: too many to render, so that others load while typing, or some hundreds.

static/js/combobox.js sends the typed text as ``?q=`` to the URL in ``data-choices-url``, which ``choices``
answers.
"""

from html import escape  # Django’s escape also checks for safe strings, which takes three times as long
from unicodedata import normalize

from django import forms
from django.db import models
from django.forms.utils import flatatt
from django.http import JsonResponse
from django.urls import reverse_lazy
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from didmgmt.parameters import parameter_errors
from didmgmt.text import parse_whole

SHOWN = 20
NAMED = "_name"  # ends the parameter for text that was typed into a choice but not picked


class Typed(str):
    """Text that was typed into a choice: a part of the names of the rows that are meant."""

    __slots__ = ()


class LongSelect(forms.Select):
    """A select with hundreds of options, all text; Django would render a template for each of them."""

    def render(self, name, value, attrs=None, renderer=None):  # noqa: ARG002 - it needs no template
        options = "".join(
            f'<option value="{escape(key)}"{" selected" if key == value else ""}>{escape(label)}</option>'
            for key, label in self.choices
        )
        about = flatatt(self.build_attrs(self.attrs, {"name": name} | (attrs or {})))
        return mark_safe(f"<select{about}>{options}</select>")


class _Remote:
    """Render the empty option and the chosen ones; the field validates against its whole queryset.

    ``url_name``: of the view that answers with ``choices``. Leave it out if the URL has arguments, and set
    the URL with ``load_from``. ``printed``: how many other options to render, for browsers without scripts.
    With a ``typed_label`` the control also takes a part of a name, as ``Typed``; the script makes one box of
    both, and without scripts it is a text box of that label.
    """

    typed_label = ""

    def __init__(self, url_name="", *, placeholder="", printed=0, attrs=None):
        remote = {"data-choices-url": reverse_lazy(url_name)} if url_name else {}
        if placeholder:
            remote["data-placeholder"] = placeholder
        self.printed = printed
        super().__init__(attrs=remote | (attrs or {}))

    def load_from(self, url):
        self.attrs["data-choices-url"] = url

    def typed_in(self, data, name):
        """Return the text typed into the control as ``Typed``, None without any."""
        text = data.get(f"{name}{NAMED}", "").replace("\0", "").strip() if self.typed_label else ""
        return Typed(normalize("NFC", text)) if text else None

    def render(self, name, value, attrs=None, renderer=None):
        keys, text = self.split(value)
        select = super().render(name, keys, attrs, renderer)
        if not self.typed_label:
            return select
        return format_html(
            '{}<input type="text" name="{}" value="{}" class="form-control typed-choice" placeholder="{}"'
            ' aria-label="{}" autocomplete="off" spellcheck="false" data-typed>',
            select,
            f"{name}{NAMED}",
            text,
            "or part of a name",
            self.typed_label,
        )

    def optgroups(self, name, value, attrs=None):
        all_choices, field = self.choices, self.choices.field
        key = field.to_field_name or "pk"
        rows = chosen_rows(field, [one for one in map(str, value) if one])
        value = [str(getattr(row, key)) for row in rows] or value
        if self.printed:
            rows += [row for row in field.queryset[: self.printed] if row not in rows]
        self.choices = [(str(getattr(row, key)), field.label_from_instance(row)) for row in rows]
        if field.empty_label is not None:
            self.choices.insert(0, ("", field.empty_label))
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = all_choices


class RemoteSelect(_Remote, forms.Select):
    """Widget for a ModelChoiceField."""

    def value_from_datadict(self, data, files, name):
        return self.typed_in(data, name) or super().value_from_datadict(data, files, name)

    def split(self, value):
        """Return (the chosen key, the typed text)."""
        return (None, value) if isinstance(value, Typed) else (value, "")


class _WithoutBlanks:
    """Ignore blank values among several; scripts and bookmarks send them."""

    def value_from_datadict(self, data, files, name):
        return [value for value in super().value_from_datadict(data, files, name) or [] if value]


class TickedBoxes(_WithoutBlanks, forms.CheckboxSelectMultiple):
    """Checkboxes for a MultipleChoiceField with few choices."""

    def __init__(self, attrs=None, choices=()):
        super().__init__({"class": "form-check-input"} | (attrs or {}), choices)


class RemoteSelectMultiple(_Remote, _WithoutBlanks, forms.SelectMultiple):
    """Widget for a ModelMultipleChoiceField."""

    def value_from_datadict(self, data, files, name):
        text = self.typed_in(data, name)
        return super().value_from_datadict(data, files, name) + ([text] if text else [])

    def split(self, value):
        """Return (the chosen keys, the typed text)."""
        text = next((one for one in value or () if isinstance(one, Typed)), "")
        return [one for one in value or () if not isinstance(one, Typed)], text


def chosen_rows(field, keys):
    """Return the rows with one of these keys, through ``rows_by_key`` if the field accepts deleted rows."""
    possible = [key for key in keys if fits(field, key)]
    if not possible:
        return []
    if hasattr(field, "rows_by_key"):
        return list(dict.fromkeys(field.rows_by_key(possible).values()))
    return list(field.queryset.filter(**{f"{field.to_field_name or 'pk'}__in": possible}))


def fits(field, value):
    """Return whether ``value`` can be a key of the field's rows; the databases raise an error for others."""
    key = field.queryset.model._meta.get_field(field.to_field_name or field.queryset.model._meta.pk.name)
    if not isinstance(key, models.IntegerField):
        return "\0" not in value
    return str(parse_whole(value)) == value


def choices(
    request, queryset, *, search, read=str.strip, text=str, key="pk", note=None, deleted=None, besides=()
):
    """Answer ``?q=`` with up to 20 rows of an ordered ``queryset`` whose ``search`` column contains it.

    ``read`` returns what is typed as the column stores it. ``text`` and ``note`` return the text and the
    note of a row's option. ``deleted`` takes the search condition as keyword arguments and returns deleted
    records, which come last if the URL has the parameter ``gone``. ``besides``: further parameters that the
    view reads; all others are refused. Costs one query, and another one for deleted records.
    """
    known = ["q", *(["gone"] if deleted else []), *besides]
    if errors := parameter_errors(request.GET, known):
        return JsonResponse({"results": [], "more": False, "errors": errors}, status=400)
    typed = read(request.GET.get("q", "").replace("\0", ""))
    lookups = {f"{search}__icontains": typed} if typed else {}
    rows = list(queryset.filter(**lookups)[: SHOWN + 1])
    if deleted and "gone" in request.GET and len(rows) <= SHOWN:
        rows += deleted(**lookups)[: SHOWN + 1 - len(rows)]
    results = [
        {"id": getattr(row, key), "text": text(row)} | ({"note": note(row)} if note else {})
        for row in rows[:SHOWN]
    ]
    return JsonResponse({"results": results, "more": len(rows) > SHOWN})
