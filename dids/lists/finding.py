"""Find numbers, records, saved views, jobs and changes by what a person types into the one search.

Each kind costs a few bounded queries, also among millions: numbers are found as in their list, records, jobs
and changes by the indexes of their names, words and ids. Most are compiled once: building them took longer
than running them.
"""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import BigIntegerField, Exists, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import QueryDict

from audit.models import Change, Touched
from audit.words import keys_with_words, words_query
from clients.finding import Names, find_named, has_words, words_of
from clients.models import Account, Client, Package
from clients.names import NAME_MAX, clean_name, fold
from didmgmt import clock
from didmgmt.listing import Count
from didmgmt.statements import Statement
from didmgmt.text import parse_whole
from dids.lifecycle import statuses as st
from dids.lists import row_counts
from dids.lists.filters import DIDFilter, deleted_matching
from dids.lists.keyset import DIDKeyset
from dids.models import DID, SavedView, Stock, Tag
from dids.models.number_reads import any_hold_over
from dids.numbering.search import Search
from jobs.models import Job
from operators.models import Operator

FEW = 3  # results of each kind among others
MOST = 20  # results of one kind alone
COUNTED_TO = 50  # matching names; a count of more is a lower bound
NEAR = 500  # numbers with the digits, among which those of a reseller are looked for first
NEWEST = 100  # jobs and changes that are looked through before the index of their words
OPERATORS_MOST = 50  # operators whose numbers are read each for itself
LOOKED = 2_000  # jobs and changes with the words among which those of a person are looked for
WORDS_MOST = 8

# {kind: the permission to see it}, in the order of the results
KINDS = {
    "numbers": "dids.view_did",
    "clients": "clients.view_client",
    "accounts": "clients.view_account",
    "operators": "operators.view_operator",
    "packages": "clients.view_package",
    "tags": "dids.view_did",
    "views": "dids.view_did",
    "jobs": "jobs.view_job",
    "changes": "audit.view_change",
}


@dataclass
class Found:
    """What was found of one kind.

    ``rows``: the first ones, as their lists show them. ``total``: how many match. ``exact``: whether the
    first row is exactly what was typed. ``search``: how numbers were searched for. ``deleted``: history rows
    of deleted numbers that match. ``query``: the parameters of the list of all numbers that match;
    ``narrowed``: what they have besides the digits, in words. ``is_cut``: whether only some of the very many
    jobs or changes with these words were looked through.
    """

    kind: str
    rows: list[Any]
    total: Count
    exact: bool = False
    search: Search | None = None
    deleted: list[Any] = field(default_factory=list)
    query: dict[str, Any] = field(default_factory=dict)
    narrowed: str = ""
    is_cut: bool = False

    @property
    def is_list(self):
        return self.search is not None and self.search.kind == "list"


def find(text, user, kind=""):
    """Return the ``Found`` of each kind that ``user`` may see, without empty ones, the exact matches first.

    ``text``: a part of a number or another search for numbers, also with a status, an operator or a tag such
    as "44 active", the beginning of a name or of its words, or an id; "#12" means an id only. With a ``kind``
    up to ``MOST`` results of it alone.
    """
    kinds = [one for one, right in KINDS.items() if kind in ("", one) and user.has_perm(right)]
    text, shown = text.replace("\0", "").strip(), MOST if kind else FEW
    found = [_FINDERS[one](one, text, user, shown) for one in kinds] if text else []
    found = [one for one in found if one.rows or one.deleted or one.is_list or one.is_cut]
    return sorted(found, key=lambda one: not one.exact)  # a stable sort


def _id_in(text):
    """Return the id that is typed as "12" or "#12", None for other text."""
    return parse_whole(text.removeprefix("#").replace(",", ""))


# --- numbers ----------------------------------------------------------------------------------------------


def _numbers(kind, text, user, shown):
    by_id = _visible_did(_id_in(text), user)
    if text.startswith("#") or not any(map(str.isdigit, text)):
        return Found(kind, by_id, Count(len(by_id)), exact=bool(by_id))
    now, query, narrowed = clock.now(), {"q": text}, ""
    filterset = _number_filter(query, user, now)
    if filterset is None:
        query, narrowed = _query_of_words(text, user)
        filterset = _number_filter(query, user, now)
    if filterset is None:
        return Found(kind, [], Count(0))
    search = filterset.form.cleaned_data["search"]
    first, total = _first_numbers(filterset, search)
    exact = []
    if search.value and search.kind not in ("begins", "ends"):
        exact = [row[0] for row in _with_number.rows(viewer=user, number=search.value)]
        exact = list(filterset.qs.filter(pk__in=exact).values_list("pk", flat=True)) if narrowed else exact
    ids = list(dict.fromkeys([*exact, *first]))[:shown]
    by_pk = {row.pk: row for row in _table_rows.instances(ids=ids, now=now)}
    rows = [by_pk[pk] for pk in ids if pk in by_pk]
    deleted = [] if rows or narrowed else deleted_matching(search, user).order_by("number", "-history_id")
    rows += [row for row in by_id if row.pk not in by_pk]
    return Found(kind, rows, total, bool(exact), search, list(deleted[:shown]), query, narrowed)


_with_number = Statement(
    lambda viewer, number: DID.objects.visible_to(viewer).filter(number=number).values_list("pk")
)
_table_rows = Statement(lambda ids, now: DID.objects.filter(pk__in=ids).for_table(now), lists=["ids"])


def _number_filter(query, user, now):
    """Return the filter of numbers with these parameters, None if it searches for no digits."""
    parameters = QueryDict(urlencode(query, doseq=True))
    filterset = DIDFilter(parameters, DID.objects.visible_to(user), user=user, now=now)
    return filterset if filterset.is_valid() and filterset.form.cleaned_data["search"] else None


_STATUSES = {"on hold": st.HOLD, "archived": st.ARCHIVE, **{st.LABELS[key].lower(): key for key in st.LABELS}}
_STATUS = re.compile(rf"\b({'|'.join(_STATUSES)})\b", re.IGNORECASE)


def _query_of_words(text, user):
    """Return the parameters that digits with words mean, and the words; both empty for other text.

    The words are statuses, then the beginning of the names of operators or, if there is none, of tags.
    """
    if len(text) > NAME_MAX:
        return {}, ""
    statuses = list(dict.fromkeys(_STATUSES[found.lower()] for found in _STATUS.findall(text)))
    rest = _STATUS.sub(" ", text).split()
    name = " ".join(word for word in rest if not any(map(str.isdigit, word)))
    query = {"q": " ".join(word for word in rest if any(map(str.isdigit, word))), "status": statuses}
    labels = [st.LABELS[status] for status in statuses]
    if name:
        rows = Operator.objects.visible_to(user)
        if ids := _ids_named(rows, name):
            parameter, key = "operator", "pk"
        else:
            rows, parameter, key = Tag.objects.visible_to(user), "tag", "name"
            ids = _ids_named(rows, name)
        if not 0 < len(ids) <= COUNTED_TO:
            return {}, ""
        named = list(rows.filter(pk__in=ids).order_by("name").values(key, "name"))
        query[parameter] = [one[key] for one in named]
        labels += [one["name"] for one in named] if len(named) < FEW else [f"{len(named)} {parameter}s"]
    return query, ", ".join(labels)


def _first_numbers(filterset, search):
    """Return the ids of the first matches by number, and how many match, without counting very many.

    The numbers of a list are counted, others up to ``COUNTED_TO``.
    """
    if search.kind in ("exact", "list"):
        found = filterset.qs.order_by("number").values_list("pk", flat=True)
        return list(found[:MOST]), Count(found.count())
    ids = _first_with_substring(filterset, search)
    if ids is None and filterset.is_few:
        ids = list(filterset.qs.order_by("number").values_list("pk", flat=True)[: COUNTED_TO + 1])
    elif ids is None:
        overdue = any_hold_over(filterset.now)
        keyset = DIDKeyset(filterset, "number", descending=False, overdue=overdue)
        ids = [pk for _, pk in keyset.after(None, COUNTED_TO + 1)]
    return ids, Count.up_to(COUNTED_TO, len(ids))


def _first_with_substring(filterset, search):
    """Return these ids if they are among the very first with the digits, or few by operator; else None."""
    chosen = filterset.form.cleaned_data
    if search.kind not in ("contains", "ends") or chosen["status"] or chosen["tag"]:
        return None
    first = filterset.substring.first(NEAR)
    own = filterset.operators
    if first is not None:
        # Without the operators in the query: SQLite would read all of their numbers.
        found = DID.objects.filter(pk__named=first).order_by("number").values_list("pk", "operator_id")
        ids = [pk for pk, operator in found if own is None or operator in own][: COUNTED_TO + 1]
        if len(ids) > COUNTED_TO or len(first) < NEAR:
            return ids
    few = own is not None and len(own) <= OPERATORS_MOST
    return filterset.substring.first_of(own, COUNTED_TO + 1) if few else None


_did_with_id = Statement(lambda viewer, pk, now: DID.objects.visible_to(viewer).filter(pk=pk).for_table(now))


def _visible_did(pk, user):
    """Return [the number with this id] if ``user`` may see it."""
    return _did_with_id.instances(viewer=user, pk=pk, now=clock.now()) if pk else []


# --- records with names -----------------------------------------------------------------------------------


class _Records:
    """The records of a model with names. ``decorate(rows, viewer, now)`` adds what a result shows."""

    def __init__(self, model, decorate=lambda rows, viewer, now: rows):
        def visible(viewer):
            return _visible(model, viewer)

        self._names = Names(visible, COUNTED_TO + 1)
        self._with_id = Statement(lambda viewer, pk: visible(viewer).filter(pk=pk).values_list("pk"))
        self._decorated = Statement(
            lambda viewer, now, ids: decorate(model.objects.filter(pk__in=ids), viewer, now), lists=["ids"]
        )

    def __call__(self, kind, text, user, shown):
        pk = _id_in(text)
        ids = [row[0] for row in self._with_id.rows(viewer=user, pk=pk)] if pk else []
        ids = list(dict.fromkeys([*(self._names.find(user, text) if _may_be_name(text) else []), *ids]))
        found = self._decorated.instances(viewer=user, now=clock.now(), ids=ids[:shown])
        by_id = {row.pk: row for row in found}
        first = [by_id[one] for one in ids[:shown] if one in by_id]
        exact = bool(first) and (_is_named(first[0], text) or text.startswith("#"))
        return Found(kind, first, Count.up_to(COUNTED_TO, len(ids)), exact)


_view_names = Names(lambda viewer: SavedView.objects.visible_to(viewer), COUNTED_TO + 1)


def _views(kind, text, user, shown):
    """Find saved views; their ids are not shown anywhere, so they are found by name alone."""
    ids = _view_names.find(user, text) if _may_be_name(text) else []
    by_id = SavedView.objects.in_bulk(ids[:shown]) if ids else {}
    rows = [by_id[one] for one in ids[:shown] if one in by_id]
    return Found(kind, rows, Count.up_to(COUNTED_TO, len(ids)), bool(rows) and _is_named(rows[0], text))


def _ids_named(rows, text):
    """Return the ids of the first ``rows`` with such a name, none for what can’t be a name."""
    return find_named(rows, text, COUNTED_TO + 1) if _may_be_name(text) else []


def _may_be_name(text):
    return not text.startswith("#") and len(text) <= NAME_MAX and len(words_of(text)) <= WORDS_MOST


def _is_named(row, text):
    return fold(row.name) == fold(clean_name(text))


def _visible(model, user):
    """Return ``visible_to``, in forms with which SQLite reads the index of names first."""
    if not user.reseller_id or model not in (Account, Client):
        return model.objects.visible_to(user)
    if model is Client:
        return Client.objects.alias(_own=F("reseller_id") + 0).filter(_own=user.reseller_id)
    return model.objects.filter(Exists(Client.objects.visible_to(user).filter(pk=OuterRef("client"))))


def _with_numbers(tags, user, _now):
    """Annotate ``did_count``: how many numbers that ``user`` may see have the tag, from the counters."""
    stock = Stock.objects.filter(tag_set__tags=OuterRef("pk"))
    if user.reseller_id:
        stock = stock.filter(operator__reseller=user.reseller_id)
    numbers = stock.order_by().values("tag_set__tags").annotate(all=Sum("numbers")).values("all")
    return tags.annotate(did_count=Coalesce(Subquery(numbers), 0, output_field=BigIntegerField()))


# --- jobs and changes -------------------------------------------------------------------------------------


def _jobs(kind, text, user, shown):
    jobs = Job.objects.visible_to(user)
    try:
        rows = list(jobs.filter(pk=uuid.UUID(text)))
        return Found(kind, rows, Count(len(rows)))
    except ValueError:
        pass
    newest = jobs.order_by("-created_at").values_list("pk", "label", "kind")
    only = jobs.only("pk", "kind", "label", "state", "created_at")
    rows, total, is_cut = _with_label(newest, only, text, shown, "created_at")
    return Found(kind, rows[:shown], total, is_cut=is_cut)


def _changes(kind, text, user, shown):
    by_id = list(Change.objects.visible_to(user).filter(pk=_id_in(text))) if _id_in(text) else []
    Change.hide_labels(by_id, user)
    newest = Change.objects.order_by("-at", "-pk").values_list("pk", "label", "kind")
    if user.reseller_id:
        # The index of what touched the reseller: its newest changes may be far apart among all.
        own = Touched.objects.filter(reseller_id=user.reseller_id).order_by("-at", "-change")
        newest = own.values_list("change_id", "change__label", "change__kind")
    readable = Change.objects.visible_to(user).with_readable_label(user)
    rows, total, is_cut = _with_label(newest, readable, text, shown, "at")
    if by_id:
        rows = [*by_id, *(change for change in rows if change.pk != by_id[0].pk)]
        total = Count(max(total, len(rows)), more=total.more)
    exact = bool(by_id) and text.startswith("#")
    return Found(kind, rows[:shown], total, exact, is_cut=is_cut)


def _with_label(newest, visible, text, shown, timestamp):
    """Return the first rows of ``visible`` whose label has words that begin with those of ``text``.

    Returns up to ``MOST`` and one more, the newest first; how many there are; and whether others may have
    been missed. ``newest``: (id, label, kind) of the newest rows. They are looked through first, because
    PostgreSQL's index gives what is found often in any order.
    """
    words = words_of(text)
    if not words or not _may_be_name(text):
        return [], Count(0), False
    near = [pk for pk, label, kind in newest[:NEWEST] if has_words(label or kind, words)]
    found = _newest_of(visible, near, timestamp)
    if len(found) > shown:
        return found, Count(len(found), more=True), False
    table, query = visible.model._meta.db_table, words_query(words)
    keys = keys_with_words(table, query, LOOKED, timestamp, using=visible.db)
    # Where all rows are visible, the first ones are enough.
    first = keys if visible.query.where else keys[: MOST + 1]
    first = [visible.model._meta.pk.to_python(key) for key in first]
    found = _newest_of(visible, list(dict.fromkeys([*near, *first])), timestamp)
    return found, Count.up_to(MOST, len(found)), len(keys) == LOOKED and len(found) <= shown


def _newest_of(rows, keys, timestamp):
    return list(rows.filter(pk__named=keys).order_by(f"-{timestamp}", "-pk")[: MOST + 1]) if keys else []


_FINDERS = {
    "numbers": _numbers,
    "clients": _Records(
        Client,
        lambda rows, _, now: row_counts.with_client_counts(rows, now).select_related("reseller"),
    ),
    "accounts": _Records(
        Account, lambda rows, *_: row_counts.with_account_counts(rows).select_related("client")
    ),
    "operators": _Records(Operator, lambda rows, *_: rows.with_did_count().select_related("reseller")),
    "packages": _Records(
        Package,
        lambda rows, _, now: row_counts.with_package_counts(rows, now).select_related("reseller"),
    ),
    "tags": _Records(Tag, _with_numbers),
    "views": _views,
    "jobs": _jobs,
    "changes": _changes,
}
