"""Find the cells of a file that name existing records, which tell what its columns hold."""

from django.core.exceptions import ValidationError

from clients.models import Account, Client, Package
from clients.names import NAME_MAX, clean_name
from clients.tags import tag_keys
from dids.imports import content
from dids.models import Tag
from operators.models import Operator

CELLS = 500  # different cells that are looked up
KINDS = {"operator": Operator, "client": Client, "account": Account, "package": Package}


def existing_names(rows, user):
    """Return {key: the cells of ``rows`` that name a record of this kind}, trimmed; the key "tags" included.

    Only records that ``user`` may see. One query for each kind, for the first ``CELLS`` different cells.
    """
    names = {}
    for row in rows:
        for cell in row:
            if len(names) < CELLS and content.kind_of(cell) in (content.WORD, content.SHORT):
                names.setdefault(cell.strip(), clean_name(cell))
    short = {name for name in names.values() if len(name) <= NAME_MAX}
    found = {}
    for key, model in KINDS.items():
        existing = set(model.objects.visible_to(user).filter(name__in=short).values_list("name", flat=True))
        found[key] = {cell for cell, name in names.items() if name in existing}
    return found | {"tags": _existing_tags(names, user)}


def _existing_tags(cells, user):
    """Return the cells whose tags all exist."""
    keys = {}
    for cell in cells:
        try:
            keys[cell] = tag_keys(cell)
        except ValidationError:
            continue  # too long for tags
    some = set().union(*keys.values())
    tags = Tag.objects.visible_to(user).filter(key__in=some)
    existing = set(tags.values_list("key", flat=True))
    return {cell for cell, named in keys.items() if named and named <= existing}
