"""Tags, and the sets of tags that numbers have."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Sum

from clients.names import fold, lookalike_exists, shape
from clients.tags import MAX_LABEL, MAX_TAG, split_tags, tag_label
from operators.models import Operator


class TagQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Return all tags, or for a user bound to a reseller those on numbers of that reseller.

        The numbers are looked up in the stock counters, not in the inventory.
        """
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        tag_sets = TagSet.objects.filter(stock__operator__in=Operator.objects.visible_to(user))
        used = tag_sets.annotate(numbers=Sum("stock__numbers")).filter(numbers__gt=0)
        return self.filter(sets__in=used.values("pk")).distinct()

    def by_shape(self):
        """Return {shape: name}, see ``clients.names``."""
        return {shape(name): name for name in self.values_list("name", flat=True)}

    def refuse_lookalikes(self, names):
        """Raise ValidationError for a new name that looks like one of these tags, in other letters.

        One query, and one for the names of these tags if a name is new.
        """
        if new := Tag.unknown(names):
            known = self.by_shape()
            errors = [
                f"{lookalike_exists('tag', known[shape(name)], name)} Write it so."
                for name in new
                if shape(name) in known
            ]
            if errors:
                raise ValidationError(errors)


class KeyField(models.CharField):
    """The key of the row's ``name``, by which names that differ only in case are found."""

    def deconstruct(self):
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def pre_save(self, instance, add):
        setattr(instance, self.attname, fold(instance.name))
        return super().pre_save(instance, add)


class Tag(models.Model):
    """A short label, spelled as it was first written. A number can have any number of them."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=MAX_TAG, unique=True)
    key = KeyField(max_length=MAX_LABEL, unique=True, editable=False)  # a letter folds to up to 18

    objects = TagQuerySet.as_manager()

    def __str__(self):
        return self.name

    @classmethod
    def unknown(cls, names):
        """Return the names that no tag has, however it is spelled; one query."""
        keys = {fold(name): name for name in names}
        for key in cls.objects.filter(key__in=keys).values_list("key", flat=True):
            del keys[key]
        return list(keys.values())

    @classmethod
    def spelled(cls, names):
        """Return the tags as they are spelled already, new ones as given; one query."""
        keys = {fold(name): name for name in reversed([*names])}
        return list((keys | dict(cls.objects.filter(key__in=keys).values_list("key", "name"))).values())


class TagSet(models.Model):
    """A set of tags used by at least one number. Immutable, because history rows refer to it."""

    id = models.BigAutoField(primary_key=True)
    label = models.CharField(max_length=MAX_LABEL, unique=True)
    tags = models.ManyToManyField(Tag, related_name="sets")

    def __str__(self):
        return self.label

    @classmethod
    def of(cls, tags):
        """Get or create the set of these tag names; return None for no tags."""
        label = tag_label(tags)
        if not label:
            return None
        if tag_set := cls.objects.filter(label=label).first():
            return tag_set
        names = split_tags(label)
        Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
        tag_set, created = cls.objects.get_or_create(label=tag_label(Tag.spelled(names)))
        if created:
            tag_set.tags.add(*Tag.objects.filter(key__in=map(fold, names)))
        return tag_set
