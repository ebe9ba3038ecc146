"""Links from history to other screens, and the names of the screens that changes were made on."""

from functools import cache

from django.urls import reverse

from clients.models import Client, Package
from dids.models import DID
from operators.models import Operator

# {URL name: label}, by the beginning of the URL; the first match is used.
_SCREENS = {
    "dids:new": "New DIDs",
    "dids:mass_edit": "Mass Edit",
    "dids:delete": "Delete",
    "dids:assign": "Assign",
    "dids:import": "Import DIDs",
    "dids:list": "A number’s page",
    "operators:list": "Operators",
    "reservations:list": "Reservations",
    "stock_levels:list": "Stock levels",
    "rules:list": "Rules",
    "clients:list": "Clients",
    "reference:accounts_import": "Accounts",
    "packages:list": "Packages",
    "client_packages:list": "Client packages",
    "resellers:list": "Resellers",
    "audit:list": "Audit log",
    "jobs:list": "Jobs",
    "people:list": "People",
    "roles:list": "Roles",
}
# {beginning of a source that is no URL: label}
_COMMANDS = {
    "job ": "Job",
    "worker": "Worker",
    "demo_data": "Demo data",
    "prune_history": "prune_history",
}
_PAGES = {Client: "clients:detail", Package: "packages:detail"}


@cache
def _labels():
    return {reverse(name): label for name, label in _SCREENS.items()} | _COMMANDS


def source_label(source):
    """Return where a change was made: a screen, "Job" or a command; an unknown source as it is."""
    return next((label for start, label in _labels().items() if source.startswith(start)), source)


def object_urls(tracked, ids, viewer):
    """Return {id: URL of its page} for objects that have one; the history of a number always has."""
    if tracked is DID:
        return {pk: reverse("dids:history", args=[pk]) for pk in ids}
    if tracked is not Operator and tracked not in _PAGES:
        return {}
    visible = tracked.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True)
    if tracked is Operator:
        return {pk: f"{reverse('dids:list')}?operator={pk}" for pk in visible}
    return {pk: reverse(_PAGES[tracked], args=[pk]) for pk in visible}
