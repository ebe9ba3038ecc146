"""Refuse names of a file that a person would take for an existing record, or for an earlier one of the file.

They are compared in Python, since no database knows which letters look the same: all missing names of the
file with all names that they may be taken for, once for a check.
"""

import json
from collections import defaultdict
from itertools import islice

from django.db import connection

from clients.models import Account, Client, Package, Reseller
from clients.names import fold, keys, lookalike_exists, lookalike_in_file, shape
from clients.tags import split_tags, tag_label
from didmgmt.streams import stream
from didmgmt.text import shorten
from dids.models import Tag, TagSet
from operators.models import Operator

MODELS = {
    "reseller": Reseller,
    "operator": Operator,
    "client": Client,
    "account": Account,
    "package": Package,
}
PAGE = 10_000  # groups read at a time
KEPT = 500_000  # groups whose keys are in memory at a time, about 100 bytes each
ANYWHERE = (None, None)  # the scope of a name for which nothing tells the reseller


def refuse_lookalikes(batch, options, *, kinds=tuple(MODELS)):
    """Refuse the groups of the batch with such a name; return how many.

    Only names of these kinds that resolved to no record, and records that the user may see. A name that
    looks like one that the file has first is refused if the import is to create both.
    """
    return sum(_Names(kind, batch, options).refuse() for kind in kinds)


def spell_tags(batch, options):
    """Spell the tags of the batch as they are stored, new ones as the file has them first.

    Refuses the groups with a new tag that looks like another one in other letters.
    """
    groups, tags, after = batch.groups.filter(tags__isnull=False).order_by("pk"), _Tags(options), 0
    while page := list(groups.filter(pk__gt=after).values_list("pk", "tags")[:PAGE]):
        read = tags.read(list(dict.fromkeys(label for _, label in page)))
        changed = [(*read[label], pk) for pk, label in page if read[label] != (label, None)]
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE dids_importgroup SET tags = %s, flaw = coalesce(flaw, %s) WHERE id = %s", changed
            )
        after = page[-1][0]


class _Tags:
    """The tags of a file by their keys and shapes; a file has few, as the inventory has."""

    def __init__(self, options):
        self.user, self.first, self.shapes = options.user, {}, None

    def read(self, labels):
        """Return {label: (label as it is stored, flaw or None)}."""
        stored = set(TagSet.objects.filter(label__in=labels).values_list("label", flat=True))
        new = {label: split_tags(label) for label in labels if label not in stored}
        names = {fold(tag): tag for tags in new.values() for tag in tags}
        known = Tag.spellings(names)
        read = {label: (label, None) for label in stored}
        for label, tags in new.items():
            flaws = [flaw for tag in tags if fold(tag) not in known and (flaw := self._flaw(tag))]
            spelled = [known.get(fold(tag)) or self.first.setdefault(fold(tag), tag) for tag in tags]
            read[label] = (tag_label(spelled), flaws[0] if flaws else None)
        return read

    def _flaw(self, tag):
        if self.shapes is None:
            self.shapes = Tag.objects.visible_to(self.user).by_shape()
        other = self.shapes.setdefault(shape(tag), tag)
        if fold(other) == fold(tag):
            return None
        exists = lookalike_in_file if fold(other) in self.first else lookalike_exists
        return json.dumps(["tags", shorten(tag), f"{exists('tag', other, tag)} Write it so."])


class _Names:
    def __init__(self, kind, batch, options):
        self.kind, self.options = kind, options
        missing = {"flaw": None, f"{kind}_name__isnull": False, kind: None}
        self.columns = ("pk", "reseller_id", "reseller_name", "client_id", "client_name", f"{kind}_name")
        self.groups = batch.groups.filter(**missing).order_by("pk")
        meta = MODELS[kind]._meta
        self.may_add = options.may(f"{meta.app_label}.add_{kind}")

    def refuse(self):
        parts = -(-self.groups.count() // KEPT)
        return sum(self._refuse_part(part, parts) for part in range(parts))

    def _refuse_part(self, part, parts):
        """Refuse groups by the keys of one of several parts, into which keys fall at random."""
        first_names, repeated = {}, set()
        distinct = self.groups.order_by().values_list(*self.columns[1:]).distinct()
        for _, key, name in self._keys((None, *row) for row in stream(distinct)):
            if hash(key) % parts == part and first_names.setdefault(hash(key), hash(name)) != hash(name):
                repeated.add(key)
        existing = defaultdict(set)
        for scope, name in self._existing_names():
            for key in keys(name):
                for one in ((scope, key), (ANYWHERE, key)):
                    if hash(one) in first_names:
                        existing[one].add(name)
        if not self.options.create or not self.may_add:
            repeated.clear()  # not even the first one is created
        if not existing and not repeated:
            return 0
        return self._write(self._flaws(existing, repeated))

    def _pages(self):
        """Yield the groups in the order of the file; no query is open between two pages."""
        after = 0
        while page := list(self.groups.filter(pk__gt=after).values_list(*self.columns)[:PAGE]):
            yield from page
            after = page[-1][0]

    def _keys(self, groups):
        """Yield (group id, (scope, key), name) for each key of each missing name."""
        for pk, *owner, name in groups:
            scope = self._scope(*owner)
            for key in keys(name):
                yield pk, (scope, key), name

    def _scope(self, reseller, reseller_name, client, client_name):
        """Return among what the name must be unique: an id in a tuple, or names of what doesn't exist yet."""
        if self.kind == "reseller":
            return ()
        owner = (reseller,) if reseller else (None, reseller_name)
        if self.kind != "account":
            return owner
        return (client,) if client else (*owner, client_name)

    def _existing_names(self):
        """Yield (scope, name) of the records that may look like a missing one."""
        records = MODELS[self.kind].objects.visible_to(self.options.user)
        if self.kind == "reseller":
            yield from (((), name) for name in stream(records.values_list("name", flat=True)))
            return
        parent = "client" if self.kind == "account" else "reseller"
        if parent == "client":  # a system has many accounts, and few of these clients
            records = records.filter(client__in=self.groups.order_by().values("client"))
        for owner, name in stream(records.values_list(f"{parent}_id", "name")):
            yield (owner,), name

    def _flaws(self, existing, repeated):
        """Yield (flaw, group id) for the groups to refuse."""
        first, refused = {}, None
        for pk, key, name in self._keys(self._pages()):
            if pk == refused:
                continue
            others, sentence = existing.get(key, ()), ""
            if others and name not in others:
                sentence = lookalike_exists(self.kind, min(others), name)
                sentence += (
                    f" Write it so, or add “{name}” by hand first." if self.may_add else " Write it so."
                )
            elif key in repeated and (other := first.setdefault(key, name)) != name:
                sentence = lookalike_in_file(self.kind, other, name)
                sentence += f" Write it so, or add “{name}” by hand first."
            if sentence:
                refused = pk
                yield json.dumps([self.kind, shorten(name), sentence]), pk

    def _write(self, flaws):
        """Refuse the groups; return how many. They are written a page at a time, between two reads."""
        written = 0
        while some := list(islice(flaws, PAGE)):
            with connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE dids_importgroup SET flaw = %s, problem = 'flaw' WHERE id = %s", some
                )
            written += len(some)
        return written
