"""The ``Geography`` of heads, computed once, so that web processes hardly ever load ``phonenumbers``.

The worker adds rows for new heads, and renews all of them for another version of the library. Whoever needs a
head first computes it, so an answer never depends on the worker; and none ever changes within a version, so
each process remembers those it has met.
"""

from itertools import islice
from typing import NamedTuple

from django.db import models
from django.db.models import Exists, OuterRef

from dids.models.prefixes import NumberHead
from dids.numbering import geography
from dids.numbering.geography import Geography, head_of

REMEMBERED = 50_000  # heads
AT_ONCE = 1_000
_COLUMNS = ("country", "area", "type", "pattern")
_known: dict[str, Geography] = {}


class HeadGeography(models.Model):
    """The geography of a head by a version of ``geography.VERSION``. Only the worker writes it."""

    id = models.BigAutoField(primary_key=True)
    head = models.CharField(max_length=20, unique=True)
    version = models.CharField(max_length=30)
    country = models.CharField(max_length=7)
    area = models.TextField()
    type = models.CharField(max_length=10)
    pattern = models.CharField(max_length=40)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.head


class Head(NamedTuple):
    head: str
    geography: Geography


def learn(numbers):
    """Read the geography of the heads of these numbers that this process doesn't know, in one query."""
    _learn({head_of(number) for number in numbers})


def of_number(number):
    """Return the ``Geography`` of a number. After ``learn`` it needs neither a query nor the library."""
    return _of_head(head_of(number))


def of_heads(heads):
    """Return {head: ``Geography``} of a set of heads; one query if this process doesn't know all of them."""
    _learn(heads)
    return {head: _of_head(head) for head in heads}


def every_head():
    """Return the ``Head`` of all numbers that there are or were, sorted."""
    heads = sorted(set(NumberHead.objects.values_list("head", flat=True)))
    stored = _stored()
    return [Head(one, stored.get(one) or _of_head(one)) for one in heads]


def renew():
    """Add the rows that are missing or of another version; return how many. Any number of workers may."""
    heads = iter(sorted(set(_missing())))
    written = 0
    while some := list(islice(heads, AT_ONCE)):
        rows = [
            HeadGeography(head=one, version=geography.VERSION, **geography.of_head(one)._asdict())
            for one in some
        ]
        HeadGeography.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["head"],
            update_fields=["version", *_COLUMNS],
        )
        written += len(rows)
    return written


def any_missing():
    """Tell whether a head has no row yet, which the worker is going to add."""
    return _missing().exists()


def _missing():
    current = HeadGeography.objects.filter(head=OuterRef("head"), version=geography.VERSION)
    return NumberHead.objects.filter(~Exists(current)).values_list("head", flat=True)


def _stored(**condition):
    rows = HeadGeography.objects.filter(version=geography.VERSION, **condition)
    return {head: Geography(*values) for head, *values in rows.values_list("head", *_COLUMNS)}


def _learn(heads):
    if new := heads - _known.keys():
        _remember(_stored(head__named=sorted(new)))


def _of_head(head):
    found = _known.get(head)
    if found is None:
        found = geography.of_head(head)
        _remember({head: found})
    return found


def _remember(found):
    if len(_known) > REMEMBERED:
        _known.clear()
    _known.update(found)
