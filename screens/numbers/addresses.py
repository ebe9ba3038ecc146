"""The list of exactly those selected numbers that a count of a preview or a result stands for."""

from django.http import QueryDict
from django.urls import reverse

from dids.numbering.search import MAX_LISTED
from screens.answers import address_of, is_short

STORED = 5  # lists of clients that one preview stores


def list_of(numbers, user):
    """Return the address of the list of ``numbers``, a queryset: at most two queries and one write.

    "" for none of them, or for more than a pasted list can have. A long list is stored for ``user``.
    """
    found = list(numbers.order_by("number").values_list("number", flat=True)[: MAX_LISTED + 1])
    if not found or len(found) > MAX_LISTED:
        return ""
    return address_of(found, user)


def parts_of(selection, numbers, user, clients, **filters):
    """Return {client's id: the address of the list of those of ``numbers`` that the client uses}.

    From ticked rows, the numbers are read in one query, and only the first few long lists are stored.
    """
    if selection.scope == "all" and None not in filters.values():
        return {client: part_of(selection, None, user, client=[client], **filters) for client in clients}
    found = numbers.filter(account__client__in=clients).order_by("number")
    by_client = {client: [] for client in clients}
    for client, number in found.values_list("account__client", "number")[: MAX_LISTED + 1]:
        by_client[client].append(number)
    if sum(map(len, by_client.values())) > MAX_LISTED:
        return {}
    long = [client for client, listed in by_client.items() if not is_short(listed)]
    return {
        client: address_of(listed, user)
        for client, listed in by_client.items()
        if listed and client not in long[STORED:]
    }


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
