"""Base classes for filters whose choices depend on the user."""

import django_filters
from django import forms
from django.db import models
from django.http import QueryDict
from django_filters.fields import ModelMultipleChoiceField

from didmgmt.choices import fits
from didmgmt.forms import Form
from didmgmt.parameters import unknown_parameters
from didmgmt.text import shorten

VALUES_MOST = 50  # values of one parameter
LONGEST = 20_000  # characters of a value; longer lists of numbers are stored
# Parameters of every list besides its filter: order, page, and whether Advanced Search is open.
OF_LISTS = ("sort", "per_page", "page", "after", "before", "count", "advanced")


class _Limits:
    """Add the errors of parameters that are unknown, or that exceed a limit, by the name of their field."""

    excess: dict[str, str] = {}
    unknown: list[str] = []

    def _clean_fields(self):
        super()._clean_fields()
        for sentence in self.unknown:
            self.add_error(None, sentence)
        for name, sentence in self.excess.items():
            self.add_error(name, sentence)


class FilterSet(django_filters.FilterSet):
    """Filter a queryset by query parameters, within what ``user`` may see.

    A parameter with more than ``VALUES_MOST`` values, or one longer than ``LONGEST``, is an error. Only the
    first values are read and repeated, so a request costs no more than its limits. So is a parameter that is
    neither one of the filter nor of every list (``OF_LISTS``) nor ``besides``.

    ``refines``: {parameter: the parameters that it modifies}. A parameter that only says how to read
    others is ignored without them.
    ``apart``: parameters that a page shows in a way of its own, so ``described`` leaves them out.
    """

    refines: dict[str, tuple[str, ...]] = {}
    apart: tuple[str, ...] = ()

    def __init__(self, data=None, queryset=None, *, user, besides=()):
        self.user = user
        known = [*self.base_filters, *OF_LISTS, *besides]
        self._unknown = unknown_parameters(data or (), known, "filter" if self.base_filters else "parameter")
        data, self._excess = _limited(data, self.base_filters)
        super().__init__(data, queryset)

    def get_form_class(self):
        """Build the form on our base class, so that its errors are our sentences."""
        base = self._meta.form if issubclass(self._meta.form, Form) else Form
        fields = {name: one.field for name, one in self.filters.items()}
        fields |= {"excess": self._excess, "unknown": self._unknown, "user": self.user}
        return type(f"{type(self).__name__}Form", (_Limits, base), fields)

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
        """Return the filter's own parameters as a QueryDict, without blanks.

        Values are read as the form reads them: where a parameter takes one value, the last one counts.
        """
        data = QueryDict(mutable=True)
        for name, field in self.form.fields.items():
            value = field.widget.value_from_datadict(self.data, {}, name)
            values = value if isinstance(value, list) else [value]
            if values := [one for one in values if one and one.strip()]:
                data.setlist(name, list(dict.fromkeys(values)))
        return self.without_idle(data)

    def without_idle(self, data):
        """Drop parameters from ``data`` that refine a missing one."""
        for refining, refined in self.refines.items():
            if not any(map(data.get, refined)):
                data.pop(refining, None)
        return data

    def described(self):
        """Yield (parameter, value, label, displayed value) for each value that filters."""
        data = self.parameters()
        for name in data:
            if name in self.apart:
                continue
            names, label = self._names(name), self.form[name].label
            for value in data.getlist(name):
                yield name, value, label, names.get(value) or shorten(value)

    def _names(self, name):
        """Return {value: displayed value} for the chosen rows of a field, or for all its choices."""
        field, cleaned = self.form.fields[name], getattr(self.form, "cleaned_data", {}).get(name)
        if hasattr(field, "queryset"):
            key = field.to_field_name or "pk"
            rows = [cleaned] if isinstance(cleaned, models.Model) else cleaned or []
            return {str(getattr(row, key)): field.label_from_instance(row) for row in rows}
        return {str(key): label for key, label in getattr(field, "choices", ())}


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


class _UserQueryset:
    """Let ``queryset`` be a function of the filterset's user."""

    def get_queryset(self, request):
        return self.queryset(self.parent.user) if callable(self.queryset) else self.queryset


class RowFilter(_UserQueryset, django_filters.ModelChoiceFilter):
    """Filter by one row of a queryset."""


class RowsField(ModelMultipleChoiceField):
    """Choose several rows of a queryset, or of ``deleted(keys)``, a function that returns deleted rows."""

    deleted = None

    def rows_by_key(self, values):
        """Return {key as text: row} for the keys that exist."""
        key = self.to_field_name or "pk"
        rows = {str(getattr(row, key)): row for row in self.queryset.filter(**{f"{key}__in": values})}
        if self.deleted and (others := {*map(str, values)} - rows.keys()):
            rows |= {str(getattr(row, key)): row for row in self.deleted(others)}
        return rows

    def _check_values(self, value):
        possible = {one for one in value if fits(self, one)}
        rows = self.rows_by_key(possible) if possible else {}
        for one in value:
            if one not in rows:
                raise forms.ValidationError(
                    self.error_messages["invalid_choice"],
                    code="invalid_choice",
                    params={"value": shorten(one)},
                )
        return [rows[one] for one in dict.fromkeys(value)]


class RowsFilter(_UserQueryset, django_filters.ModelMultipleChoiceFilter):
    """Filter by several rows of a queryset."""

    field_class = RowsField
