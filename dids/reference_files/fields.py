"""Columns of the files: how cells are parsed, and which columns are written."""

from django.core.exceptions import ValidationError
from import_export.fields import Field
from import_export.widgets import Widget

from clients.classes import class_label, split_classes
from clients.models import HOLD_DAYS_MAX
from clients.names import NAME_MAX
from clients.tags import split_tags, tag_label
from didmgmt.text import parse_whole
from dids.imports.cells import too_long


class NameWidget(Widget):
    def clean(self, value, **_kwargs):
        if not value:
            raise ValueError("A row needs a name. Fill it in, or remove the row.")
        if len(value) > NAME_MAX:
            raise ValueError(too_long("name", value, NAME_MAX))
        return value


class WholeNumberWidget(Widget):
    """Parse a whole number from 0 to ``most``, None when blank.

    ``subject`` starts the error message: "The DID limit is".
    """

    def __init__(self, subject, most):
        super().__init__()
        self.subject, self.most = subject, most

    def clean(self, value, **_kwargs):
        if not value:
            return None
        number = parse_whole(value, most=self.most)
        if number is None:
            raise ValueError(f"{self.subject} a whole number from 0 to {self.most:,}. Correct the number.")
        return number


class TagsWidget(Widget):
    def clean(self, value, **_kwargs):
        try:
            return tag_label(split_tags(value)) or None
        except ValidationError as error:
            raise ValueError(error.message) from None


class ClassesWidget(Widget):
    def clean(self, value, **_kwargs):
        try:
            return class_label(split_classes(value)) if value else None
        except ValidationError as error:
            raise ValueError(error.message) from None


def writable(attribute, label, widget):
    """Return a column whose blank cells keep the current value, or the model's default for new rows."""
    return Field(attribute, label, widget=widget, saves_null_values=False)


def read_only(attribute, label):
    """Return a column that is exported, and on import is used at most to find the row."""
    return Field(attribute, label, readonly=True)


def hold_days_column():
    return writable("hold_days", "Hold days", WholeNumberWidget("Hold days are", HOLD_DAYS_MAX))
