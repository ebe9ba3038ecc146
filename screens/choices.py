"""The choices among what belongs to a reseller: operators, clients, packages."""

from functools import partial

from audit.history import gone
from didmgmt.choices import choices


def branch_choices(request, tracked):
    """The answer to ``?q=``: things of a kind that the person may see, by name and with their reseller.

    Deleted ones follow, without it, where the address asks for them: see ``choices``.
    """
    return choices(
        request,
        tracked.objects.visible_to(request.user).select_related("reseller").order_by("name", "pk"),
        search="name",
        note=lambda thing: thing.reseller.name if thing.reseller_id else "",
        gone=partial(gone, tracked, request.user),
    )
