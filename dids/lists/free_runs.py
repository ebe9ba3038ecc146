"""The free runs that a person may see: numbers In Stock that follow one another."""

from clients.classes import split_classes
from clients.tags import tag_keys
from dids.models import TagSet
from dids.models.free_numbers import free_blocks
from dids.models.marks import tail_bits
from dids.numbering.free_runs import FreeRuns
from operators.models import Operator


def free_runs(viewer, now, *, operator=None, tags="", package=None, prefix=""):
    """Return the ``FreeRuns`` of the numbers that ``viewer`` sees and that are In Stock at ``now``.

    ``operator``: only its numbers. ``tags`` (a label): only numbers with at least one of them. ``package``:
    only numbers that it allows. ``prefix``: the digits with which they begin.
    """
    seen = Operator.objects.visible_to(viewer)
    if operator is not None:
        seen = seen.filter(pk=operator.pk)
    if package is not None:
        seen = seen.filter(reseller=package.reseller_id)
    is_narrowed = viewer.reseller_id is not None or operator is not None or package is not None
    wanted = [tag_keys(label) for label in (tags, package.allowed_tags if package else "") if label]
    sets = None
    for keys in wanted:
        tagged = set(TagSet.objects.filter(tags__key__in=keys).values_list("pk", flat=True))
        sets = tagged if sets is None else sets & tagged
    operators = list(seen.values_list("pk", flat=True)) if is_narrowed else None
    classes = split_classes(package.allowed_classes) if package and package.allowed_classes else None
    allowed = classes and tail_bits(classes)
    blocks = free_blocks(operators=operators, tag_sets=sets, prefix=prefix, tail_bits=allowed, now=now)
    return FreeRuns(blocks)
