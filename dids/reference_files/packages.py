"""Packages as files."""

from django.core.exceptions import ValidationError

from clients.models import DID_LIMIT_MAX, Package
from clients.tags import split_tags
from dids.models import Tag
from dids.reference_files.fields import (
    ClassesWidget,
    TagsWidget,
    WholeNumberWidget,
    hold_days_column,
    read_only,
    writable,
)
from dids.reference_files.resource import ReferenceResource, refusal


class PackageResource(ReferenceResource):
    did_limit = writable("did_limit", "DID limit", WholeNumberWidget("The DID limit is", DID_LIMIT_MAX))
    allowed_tags = writable("allowed_tags", "Allowed tags", TagsWidget())
    allowed_classes = writable("allowed_classes", "Allowed classes", ClassesWidget())
    hold_days = hold_days_column()
    archived_at = read_only("archived_at", "Archived at")

    only_exported = ("archived_at",)
    known_as = ReferenceResource.known_as | {
        "package": "name",
        "hold_days": "hold_days",
        "tags": "allowed_tags",
    }
    words = {
        "id": "package id; plan id",
        "allowed_classes": "classes; allowed marks; numbers it may hold",
        "did_limit": "limit; dids; max dids; number limit; numbers; max numbers; did count",
    }
    about = [
        ("DID limit", "Most numbers a client may have with this package. Required for a new package."),
        (
            "Allowed tags",
            "Separated by commas. A number needs at least one of them. Leave empty to allow any.",
        ),
        (
            "Allowed classes",
            "The classes of numbers it may hold, separated by commas: unmarked, bronze, silver, gold.",
        ),
        ("Hold days", "Days on Hold after use, 0 to 365. Leave empty to use the operator’s value."),
    ]
    note = "Archived at is only exported, since archiving a package also deactivates it for its clients."

    class Meta:
        model = Package
        fields = (
            "id",
            "name",
            "reseller",
            "did_limit",
            "allowed_tags",
            "allowed_classes",
            "hold_days",
            "archived_at",
        )

    def before_import(self, dataset, **kwargs):
        super().before_import(dataset, **kwargs)
        names = {tag for text in self._texts(dataset, "allowed_tags") for tag in _tags(text)}
        self._alike_tags = Tag.objects.visible_to(self.by).lookalikes(sorted(names))

    def get_or_init_instance(self, instance_loader, row):
        for tag in _tags(row.get("Allowed tags", "")):
            if tag in self._alike_tags:
                raise refusal("allowed_tags", self._alike_tags[tag])
        return super().get_or_init_instance(instance_loader, row)


def _tags(text):
    """Return the tags in a cell; none if their column refuses it."""
    try:
        return split_tags(text)
    except ValidationError:
        return []
