"""Base classes for forms: every error is one of our sentences, none is Django's default.

And ``Renderer``, which writes their controls.
"""

from contextlib import contextmanager
from contextvars import ContextVar

from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.html import conditional_escape

_CHOOSE = "Choose one of the options."
COMES_BACK = "You are signed in again. Nothing has been sent yet: check what you entered and send it."
_NO_SUCH_OPTION = "This option doesn’t exist, or you don’t have access to it. Choose one from the list."

# {field class: {error code: sentence}}; a class inherits the sentences of its bases.
_SENTENCES = {
    forms.Field: {"required": "Fill in this field."},
    forms.CharField: {
        "min_length": "Enter at least %(limit_value)d characters; these are %(show_value)d.",
        "max_length": "Enter at most %(limit_value)d characters; these are %(show_value)d.",
        "null_characters_not_allowed": "Remove the invisible null character from this text.",
    },
    forms.IntegerField: {
        "invalid": "Enter a whole number in digits, for example 30.",
        "min_value": "Enter %(limit_value)s or more.",
        "max_value": "Enter %(limit_value)s or less.",
    },
    forms.DateTimeField: {"invalid": "Enter a date and time like 28 Nov 2026, 17:45."},
    forms.DateField: {"invalid": "Enter a date like 28 Nov 2026."},
    forms.EmailField: {"invalid": "Enter an email address like name@example.com."},
    forms.ChoiceField: {
        "required": _CHOOSE,
        "invalid_choice": "“%(value)s” is not one of the options. Choose one from the list.",
    },
    forms.MultipleChoiceField: {"invalid_list": "Choose options from the list."},
    forms.ModelChoiceField: {"required": _CHOOSE, "invalid_choice": _NO_SUCH_OPTION},
    forms.ModelMultipleChoiceField: {
        "invalid_choice": _NO_SUCH_OPTION,
        "invalid_list": "Choose options from the list.",
        "invalid_pk_value": _NO_SUCH_OPTION,
    },
    forms.FileField: {
        "required": "Choose a file.",
        "missing": "Choose a file.",
        "invalid": "The file did not arrive. Choose it again.",
        "empty": "This file is empty. Choose another one.",
        "max_length": "The name of the file has %(length)d characters; at most %(max)d fit. Rename the file.",
        "contradiction": "Choose a file or tick the box to remove it, not both.",
    },
}


_comes_back = ContextVar("comes back", default=False)


@contextmanager
def coming_back():
    """Make forms invalid, so that their view shows them filled in instead of carrying them out."""
    outer = _comes_back.set(True)
    try:
        yield
    finally:
        _comes_back.reset(outer)


class OwnSentences:
    """Replace the default error messages of all fields; those that a field declares itself stay.

    ``writes``: whether it is a form that is carried out, unlike that of a filter.
    """

    writes = True

    def full_clean(self):
        for field in self.fields.values():
            _replace_defaults(field)
        super().full_clean()
        if self.is_bound and self.writes and _comes_back.get():
            self.add_error(None, COMES_BACK)


def _replace_defaults(field):
    """Give a field our sentences; once, because the fields of a filter are shared by all its forms."""
    if getattr(field, "has_own_sentences", False):
        return
    field.has_own_sentences = True
    defaults, sentences = {}, {}
    for field_class in reversed(type(field).__mro__):
        if field_class.__module__.startswith("django."):
            defaults |= vars(field_class).get("default_error_messages", {})
        sentences |= _SENTENCES.get(field_class, {})
    for code, sentence in sentences.items():
        if field.error_messages.get(code) == defaults.get(code):
            field.error_messages[code] = sentence


class Form(OwnSentences, forms.Form):
    """Base class for our forms, those of filters included."""


class ModelForm(OwnSentences, forms.ModelForm):
    """Base class for our forms of a model."""


class Renderer(DjangoTemplates):
    """Write the usual controls without templates, which take ten times as long for the same HTML."""

    def render(self, template_name, context, request=None):
        if write := _CONTROLS.get(template_name.removeprefix(_DJANGOS).partition(".")[0]):
            return write(context["widget"])
        return super().render(template_name, context, request)


def _input(widget):
    value = "" if widget["value"] is None else f' value="{conditional_escape(widget["value"])}"'
    return f'<input type="{widget["type"]}" name="{widget["name"]}"{value}{_attributes(widget)}>'


def _textarea(widget):
    text = conditional_escape(widget["value"] or "")
    return f'<textarea name="{widget["name"]}"{_attributes(widget)}>\n{text}</textarea>'


def _select(widget):
    groups = "".join(
        f'<optgroup label="{conditional_escape(label)}">{_options(options)}</optgroup>'
        if label
        else _options(options)
        for label, options, _ in widget["optgroups"]
    )
    return f'<select name="{widget["name"]}"{_attributes(widget)}>{groups}</select>'


def _options(options):
    return "".join(
        f'<option value="{conditional_escape(option["value"])}"{_attributes(option)}>'
        f"{conditional_escape(option['label'])}</option>"
        for option in options
    )


def _attributes(widget):
    return "".join(
        f" {name}" if value is True else f' {name}="{conditional_escape(value)}"'
        for name, value in widget["attrs"].items()
        if value is not False
    )


_DJANGOS = "django/forms/widgets/"
_CONTROLS = {
    **dict.fromkeys(("text", "number", "email", "hidden", "password", "checkbox"), _input),
    "textarea": _textarea,
    "select": _select,
}
