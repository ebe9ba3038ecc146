"""Actions and pages that the search offers, also those built from what was found."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from clients.finding import has_words, mark_words
from didmgmt.text import show_invisible
from dids.lifecycle import statuses as st


@dataclass
class Hit:
    """One line of the results.

    ``pieces``: its text as [(piece, whether it is marked)]. ``about`` follows it; ``end`` and ``at``, a
    timestamp, are at the right edge. ``did``: the number whose status it shows. ``kind``: the kind to which
    it limits the search.
    """

    url: str
    icon: str
    pieces: list[tuple[str, bool]]
    about: str = ""
    end: str = ""
    at: object = None
    did: object = None
    kind: str = ""

    @property
    def html(self):
        """Its text with the marks."""
        pieces = ((show_invisible(piece), marked) for piece, marked in self.pieces)
        marks = ((format_html("<mark>{}</mark>", piece) if marked else piece,) for piece, marked in pieces)
        return format_html_join("", "{}", marks)


# (label, URL name, permission, icon)
_ACTIONS = [
    ("New DIDs", "dids:new", "dids.add_did", "plus"),
    ("Import DIDs", "dids:import", "dids.import_did", "upload"),
    ("New client", "clients:new", "clients.add_client", "plus"),
    ("New package", "packages:new", "clients.add_package", "plus"),
    ("New operator", "operators:new", "operators.add_operator", "plus"),
    ("Who had a number", "audit:who_had_it", "audit.view_change", "history"),
]
_PAGES = [
    ("DID Management", "dids:list", "dids.view_did", "phone"),
    ("Operators", "operators:list", "operators.view_operator", "building"),
    ("Clients", "clients:list", "clients.view_client", "user"),
    ("Packages", "packages:list", "clients.view_package", "inbox"),
    ("Client packages", "client_packages:list", "dids.view_clientpackage", "inbox"),
    ("Audit log", "audit:list", "audit.view_change", "history"),
    ("Jobs", "jobs:list", "jobs.view_job", "refresh"),
    ("API tokens", "tokens:list", "staff.add_token", "key"),
]
BUILT = 2  # actions of each kind that are built from results


def actions_for(user, words):
    """Return the actions that ``user`` may take and whose words begin with ``words``."""
    return _hits(_ACTIONS, user, words)


def pages_for(user, words):
    return _hits(_PAGES, user, words)


def _hits(entries, user, words):
    return [
        Hit(reverse(name), icon, mark_words(label, words))
        for label, name, permission, icon in entries
        if has_words(label, words) and user.has_perm(permission)
    ]


def actions_on(found, user, words):
    """Return the actions on what was found: the numbers, clients and operators in ``found``."""
    rows = {one.kind: one.rows for one in found}
    built = []
    if user.has_perm("dids.assign_did"):
        free = [did for did in rows.get("numbers", []) if did.status_now == st.INSTOCK]
        if len(free) == 1:
            url = f"{reverse('dids:assign')}?{urlencode({'ids': free[0].pk})}"
            built.append(Hit(url, "user", [(f"Give {free[0].number} to a client", False)]))
        clients = [client for client in rows.get("clients", []) if client.closed_at is None]
        built += [
            _about("Give numbers to ", client, reverse("clients:add_dids", args=[client.pk]), "user", words)
            for client in clients[:BUILT]
        ]
    if user.has_perm("dids.add_did"):
        built += [
            _about("New DIDs of ", one, f"{reverse('dids:new')}?operator={one.pk}", "plus", words)
            for one in rows.get("operators", [])[:BUILT]
        ]
    return built


def _about(verb, record, url, icon, words):
    return Hit(url, icon, [(verb, False), *mark_words(record.name, words)])
