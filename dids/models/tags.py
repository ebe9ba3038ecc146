"""Tags, and the sets of tags that numbers have."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Sum

from audit.words import index_words
from clients.names import fold, lookalike_exists, shape
from clients.tags import MAX_LABEL, MAX_TAG, split_tags, tag_label
from operators.models import Operator

KEYS = 5_000  # keys in one query; SQLite takes 32,766 values


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

    def lookalikes(self, names):
        """Return {new name: the sentence that one of these tags looks like it, in other letters}.

        Reads the names of these tags if a name is new.
        """
        new = Tag.unknown(names)
        known = self.by_shape() if new else {}
        alike = {name: known[shape(name)] for name in new if shape(name) in known}
        return {name: f"{lookalike_exists('tag', tag, name)} Write it so." for name, tag in alike.items()}

    def refuse_lookalikes(self, names):
        """Raise ValidationError if a name has a lookalike."""
        if alike := self.lookalikes(names):
            raise ValidationError([*alike.values()])


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
    def spellings(cls, keys):
        """Return {key: name} of the tags with these keys; one query for each ``KEYS`` of them."""
        found, keys = {}, list(keys)
        for start in range(0, len(keys), KEYS):
            some = cls.objects.filter(key__in=keys[start : start + KEYS])
            found |= dict(some.values_list("key", "name"))
        return found

    @classmethod
    def unknown(cls, names):
        """Return the names that no tag has, however it is spelled."""
        keys = {fold(name): name for name in names}
        return [keys[key] for key in keys.keys() - cls.spellings(keys).keys()]

    @classmethod
    def spelled(cls, names):
        """Return the tags as they are spelled already, new ones as given."""
        keys = {fold(name): name for name in reversed([*names])}
        return list((keys | cls.spellings(keys)).values())


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


index_words(Tag._meta.db_table, "name")
