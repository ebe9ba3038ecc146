"""The list of exactly those selected numbers that a count of a preview or a result stands for."""

from django.http import QueryDict
from django.urls import reverse

from dids.numbering.search import MAX_LISTED
from screens.answers import address_of


def list_of(numbers, user):
    """Return the address of the list of ``numbers``, a queryset: at most two queries and one write.

    "" for none of them, or for more than a pasted list can have. A long list is stored for ``user``.
    """
    found = list(numbers.order_by("number").values_list("number", flat=True)[: MAX_LISTED + 1])
    if not found or len(found) > MAX_LISTED:
        return ""
    return address_of(found, user)


def part_of(selection, numbers, user, **filters):
    """Return the address of the list of ``numbers``, which are a part of a ``Selection``.

    ``filters``: {parameter: values} that select them from all that match; with None they don't. Only then,
    and from ticked rows, the numbers are read, see ``list_of``.
    """
    if selection.scope != "all" or None in filters.values():
        return list_of(numbers, user)
    query = QueryDict(selection.query, mutable=True)
    for name, values in filters.items():
        query.setlist(name, values)
    return f"{reverse('dids:list')}?{query.urlencode()}"
