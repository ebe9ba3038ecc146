"""Base classes for filters whose choices depend on the user."""

from copy import copy, deepcopy
from functools import cache, cached_property
from types import SimpleNamespace

import django_filters
from django import forms
from django.db import models
from django.http import QueryDict
from django_filters.fields import ModelChoiceField, ModelMultipleChoiceField, MultipleChoiceField

from didmgmt.choices import NAMED, RemoteSelect, RemoteSelectMultiple, Typed, chosen_rows, fits
from didmgmt.fields import CalendarInput
from didmgmt.forms import Form
from didmgmt.parameters import OF_LISTS, parameter_errors
from didmgmt.statements import EVERYBODY
from didmgmt.text import shorten

VALUES_MOST = 50  # values of one parameter
LONGEST = 20_000  # characters of a value; longer lists of numbers are stored

_MANY = (forms.MultipleChoiceField, forms.ModelMultipleChoiceField)


class _Limits:
    """Add the errors of parameters that are refused, or that exceed a limit, by the name of their field."""

    writes = False
    shared_fields: dict[str, forms.Field] = {}

    def __init__(self, filterset):
        super().__init__(filterset.data if filterset.is_bound else None)
        self.user, self.excess, self.refused = filterset.user, filterset.excess, filterset.refused
        self.fields = {name: filterset.field_for_user(name, one) for name, one in self.shared_fields.items()}

    def _clean_fields(self):
        super()._clean_fields()
        for sentence in self.refused:
            self.add_error(None, sentence)
        for name, sentence in self.excess.items():
            self.add_error(name if name in self.fields else name.removesuffix(NAMED), sentence)


class FilterSet(django_filters.FilterSet):
    """Filter a queryset by query parameters, within what ``user`` may see.

    A parameter with more than ``VALUES_MOST`` values, or one longer than ``LONGEST``, is an error. Only the
    first values are read and repeated, so a request costs no more than its limits. So is a parameter that is
    neither one of the filter nor of every list (``OF_LISTS``) nor ``besides``, and one with several values
    that takes one.

    ``refines``: {parameter: the parameters that it modifies}. A parameter that only says how to read
    others is ignored without them.
    ``apart``: parameters that a page shows in a way of its own, so ``described`` leaves them out.
    """

    refines: dict[str, tuple[str, ...]] = {}
    apart: tuple[str, ...] = ()

    def __init__(self, data=None, queryset=None, *, user, besides=()):
        self.user = user
        known = [*self.names(), *OF_LISTS, *besides]
        noun = "filter" if self.base_filters else "parameter"
        self.refused = parameter_errors(data or QueryDict(), known, noun, many=self.choosing_many())
        data, self.excess = _limited(data, self.names())
        # Instead of super().__init__, which copies all filters
        self.is_bound, self.data, self.queryset = data is not None, data or QueryDict(), queryset

    @cached_property
    def filters(self):
        """Copies of the filters, which only a filterset without a ``filter_queryset`` of its own needs."""
        return _filters(type(self), self)

    @classmethod
    def names(cls):
        """Return the names of its parameters: of the filters, and of text typed into choices."""
        typed = [
            f"{name}{NAMED}" for name, one in cls.base_filters.items() if getattr(one, "is_typed", False)
        ]
        return [*cls.base_filters, *typed]

    @classmethod
    def choosing_many(cls):
        """Return the names of the filters of which several values may be chosen."""
        return [name for name, one in cls.base_filters.items() if issubclass(one.field_class, _MANY)]

    @cached_property
    def form(self):
        return _form_class(type(self))(self)

    def field_for_user(self, name, field):
        """Return the shared ``field``, or a copy of one whose rows depend on the user."""
        rows = getattr(self.base_filters[name], "queryset", None)
        if rows is None:
            return field
        field, widget = copy(field), copy(field.widget)
        field.widget, widget.attrs = widget, dict(widget.attrs)
        field.queryset = rows(self.user) if callable(rows) else rows
        return field

    @property
    def error_messages(self):
        """One sentence for each invalid value; empty when the filter may be applied."""
        if self.is_valid():
            return []
        return [
            f"{self.form[name].label}: {error}" if name in self.form.fields else str(error)
            for name, errors in self.errors.items()
            for error in errors
        ]

    def parameters(self):
        """Return the filter's own parameters as a QueryDict, without blanks, as the form reads them."""
        data = QueryDict(mutable=True)
        for name, values in self._parameters.lists():
            data.setlist(name, values[:])
        return data

    @cached_property
    def _parameters(self):
        data = QueryDict(mutable=True)
        for name, field in self.form.fields.items():
            value = field.widget.value_from_datadict(self.data, {}, name)
            values = value if isinstance(value, list) else [value]
            values = [one for one in values if one and one.strip()]
            if keys := [one for one in values if not isinstance(one, Typed)]:
                data.setlist(name, list(dict.fromkeys(keys)))
            if typed := [one for one in values if isinstance(one, Typed)]:
                data[f"{name}{NAMED}"] = str(typed[0])
        return self.without_idle(data)

    def without_idle(self, data):
        """Drop parameters from ``data`` that refine a missing one."""
        for refining, refined in self.refines.items():
            if not any(map(data.get, refined)):
                data.pop(refining, None)
        return data

    def described(self):
        """Yield (parameter, value, label, relation, displayed value) for each value that filters.

        The relation is a word such as "is" or "contains", "" where the label says it. Parameters that refine
        others are part of it.
        """
        data = self.parameters()
        for name in data:
            if name in self.apart or name in self.refines:
                continue
            relation = self.relation_of(name, data)
            if name not in self.form.fields:
                label, text = self.form[name.removesuffix(NAMED)].label, data[name]
                yield name, text, label, relation, shorten(text)
                continue
            values, label, widget = data.getlist(name), self.form[name].label, self.form.fields[name].widget
            names = self._names(name, values)
            for value in values:
                shown = widget.format_value(value) if isinstance(widget, CalendarInput) else value
                yield name, value, label, relation, names.get(value) or shorten(shown)

    def relation_of(self, name, data):
        """Return how rows relate to the values of a parameter, see ``described``."""
        if name not in self.form.fields:
            return "or contains" if data.get(name.removesuffix(NAMED)) else "contains"
        field = self.form.fields[name]
        if isinstance(field.widget, CalendarInput):
            return ""
        if hasattr(field, "queryset") or hasattr(field, "choices"):
            return "any of" if len(data.getlist(name)) > 1 else "is"
        return "contains"

    def fields_of(self, name):
        """Return the names of the visible fields that change a parameter, itself and those that refine it."""
        shown = [field.name for field in self.form.visible_fields()]
        name = name.removesuffix(NAMED)
        refined = self.refines.get(name, (name,))
        refining = [one for one, others in self.refines.items() if {*others} & {*refined}]
        return [one for one in shown if name in shown and one in (*refined, *refining)]

    def _names(self, name, values):
        """Return {value: displayed value} for the chosen rows of a field, or for all its choices."""
        field, cleaned = self.form.fields[name], getattr(self.form, "cleaned_data", {}).get(name)
        if hasattr(field, "queryset"):
            key = field.to_field_name or "pk"
            rows = [cleaned] if isinstance(cleaned, models.Model) else cleaned or []
            if name in self.errors:
                rows = chosen_rows(field, values)
            return {str(getattr(row, key)): field.label_from_instance(row) for row in rows}
        return {str(key): label for key, label in getattr(field, "choices", ())}


def _filters(filterset_class, parent):
    """Return copies of a filterset's filters."""
    filters = deepcopy(filterset_class.base_filters)
    for one in filters.values():
        one.model, one.parent = filterset_class._meta.model, parent
    return filters


@cache
def _form_class(filterset_class):
    """Return the form's class, built on our base class, so that its errors are our sentences.

    All forms of the class share their fields, because copying them takes longer than reading a page's rows.
    """
    base = filterset_class._meta.form
    base = base if issubclass(base, Form) else Form
    filters = _filters(filterset_class, SimpleNamespace(user=EVERYBODY, request=None))
    fields = {name: one.field for name, one in filters.items()}
    return type(f"{filterset_class.__name__}Form", (_Limits, base), {"shared_fields": fields})


def _limited(data, names):
    """Return ``data`` with the parameters cut to the limits, and {parameter: the sentence about the cut}."""
    data, excess = data.copy() if data else data, {}
    for name in names:
        values = data.getlist(name) if data else []
        if len(values) > VALUES_MOST:
            excess[name] = f"{len(values):,} values are chosen; at most {VALUES_MOST} can be."
        elif any(len(value) > LONGEST for value in values):
            excess[name] = f"Enter at most {LONGEST:,} characters."
        if name in excess:
            data.setlist(name, [value[:LONGEST] for value in values[:VALUES_MOST]])
    return data, excess


def no_such(noun, where=""):
    """Return the error message of a choice that doesn't exist."""
    return {"invalid_choice": f"There is no {noun} “%(value)s”{where}."}


class _Named:
    """Find the rows of a field by a part of their names, for text that was typed but not picked.

    ``search``: the column with the names; ``read`` returns what is typed as the column stores it.
    ``deleted_named``: a function that returns deleted rows for a condition as keyword arguments, or None.
    """

    search, read = "name", staticmethod(str.strip)
    deleted_named = None

    def rows_named(self, text):
        """Return the rows whose names contain ``text``, at most ``VALUES_MOST``; raise ValidationError."""
        condition = {f"{self.search}__icontains": self.read(text)}
        rows = list(self.queryset.filter(**condition)[: VALUES_MOST + 1])
        if self.deleted_named and len(rows) <= VALUES_MOST:
            rows += self.deleted_named(**condition)[: VALUES_MOST + 1 - len(rows)]
        if not rows:
            raise self.no_such(text)
        if len(rows) > VALUES_MOST:
            nouns = self.queryset.model._meta.verbose_name_plural
            raise forms.ValidationError(
                f"The names of more than {VALUES_MOST} {nouns} contain “{shorten(text)}”. Type more of the"
                " name, or pick from the list."
            )
        return rows

    def no_such(self, value):
        params = {"value": shorten(value)}
        return forms.ValidationError(
            self.error_messages["invalid_choice"], code="invalid_choice", params=params
        )


class RowField(_Named, ModelChoiceField):
    """Choose one row of a queryset; a typed name must be that of one row, or a part of only one."""

    def to_python(self, value):
        if not isinstance(value, Typed):
            return super().to_python(value)
        rows = self.rows_named(value)
        exact = [row for row in rows if self.label_from_instance(row).casefold() == value.casefold()]
        if len(found := exact or rows) > 1:
            labels = ", ".join(shorten(self.label_from_instance(row)) for row in found[:3])
            raise forms.ValidationError(
                f"“{shorten(value)}” is a part of several names: {labels}{', …' if len(found) > 3 else ''}."
                " Type the whole name, or pick from the list."
            )
        return found[0]


class _UserQueryset:
    """Let ``queryset`` be a function of the filterset's user, and search it by name for typed text.

    ``search`` and ``read``: see ``_Named``.
    """

    def __init__(self, *args, search="name", read=str.strip, **kwargs):
        self._search, self._read = search, read
        super().__init__(*args, **kwargs)

    @property
    def is_typed(self):
        """Whether text may be typed into its control."""
        return isinstance(self.extra.get("widget"), RemoteSelect | RemoteSelectMultiple)

    @property
    def field(self):
        field = super().field
        field.search, field.read = self._search, self._read
        if self.is_typed:
            field.widget.typed_label = f"{self.label}: part of the name"
        return field

    def get_queryset(self, request):
        return self.queryset(self.parent.user) if callable(self.queryset) else self.queryset


class RowFilter(_UserQueryset, django_filters.ModelChoiceFilter):
    """Filter by one row of a queryset."""

    field_class = RowField


class RowsField(_Named, ModelMultipleChoiceField):
    """Choose several rows of a queryset, or of ``deleted(keys)``, a function that returns deleted rows.

    Typed text adds all rows whose names contain it.
    """

    deleted = None

    def clean(self, value):
        return super().clean(value) if value else []

    def rows_by_key(self, values):
        """Return {key as text: row} for the keys that exist."""
        key = self.to_field_name or "pk"
        rows = {str(getattr(row, key)): row for row in self.queryset.filter(**{f"{key}__in": values})}
        if self.deleted and (others := {*map(str, values)} - rows.keys()):
            rows |= {str(getattr(row, key)): row for row in self.deleted(others)}
        return rows

    def _check_values(self, value):
        typed = [one for one in value if isinstance(one, Typed)]
        keys = [one for one in value if not isinstance(one, Typed)]
        possible = {one for one in keys if fits(self, one)}
        rows = self.rows_by_key(possible) if possible else {}
        for one in keys:
            if one not in rows:
                raise self.no_such(one)
        found = [rows[one] for one in dict.fromkeys(keys)]
        return list(dict.fromkeys([*found, *(row for text in typed for row in self.rows_named(text))]))


class RowsFilter(_UserQueryset, django_filters.ModelMultipleChoiceFilter):
    """Filter by several rows of a queryset."""

    field_class = RowsField


class ChoicesField(MultipleChoiceField):
    """Choose several values, each once, however often a query repeats it."""

    def clean(self, value):
        return list(dict.fromkeys(super().clean(value)))


class ChoicesFilter(django_filters.MultipleChoiceFilter):
    """Filter by several of a few choices."""

    field_class = ChoicesField
