"""Pages of the inventory by key: a page deep inside ten million numbers costs what the first one costs.

A list in some order is a row of **sections**: sorted by operator, one for each operator. The rows of a
section are merged from **streams** of numbers, each of which an index gives in order: an operator's
numbers in one status, say. A page begins behind a **place** (a section, and where in it), and reads no
further than it shows.

Where no index serves a filter and an order together, the rows that do not fit are read and left out:
``bench/README.md`` tells what that costs.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, product

from django.db import connections
from django.db.models import Count, Exists, F, OuterRef, Q, Sum, Value
from django.db.models.functions import Lower

from clients.models import Account, Reseller
from didmgmt.text import parse_whole
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DID, Stock, TagSet
from dids.models.prefixes import NumberHead
from dids.numbering.normalise import MAX_DIGITS
from operators.models import Operator

STREAMS_MAX = 1_500  # of a section
MERGED = 300  # at once; SQLite takes 500
FAR = 20_000  # rows: more are not skipped while streams are merged, where they can be counted before
HEADS_MAX = 20_000
GUESSES = 6
ORDERS = {"number": ("number",), "id": ("pk",), "notes": ("notes", "number")}


@dataclass(frozen=True)
class Section:
    """``key`` names it in addresses; ``streams(most)``: at most so many querysets, merged by ``order``.

    Those in the order of notes take what is asked of their beginning as well, as keywords of a filter.
    """

    key: str
    streams: Callable[..., list]
    order: str = "number"


class Walk:
    """The numbers that a valid ``DIDFilter`` finds, sorted by ``sort`` (a key of ``SORTS``).

    ``after`` and ``before`` return [(place, primary key)], at most ``count`` of them in the order of the
    list; a place is text for an address and is given back to them, None is the end where they begin.
    They raise LookupError for what is no place here (any more). Cost: one or two queries, one more for
    each further batch of sections that the page reaches over.
    """

    key = "pk"  # of a row, as a column of its stream

    def __init__(self, filterset, sort, *, descending, overdue):
        self._filterset, self._sort, self._descending = filterset, sort, descending
        self._sections = SORTS[sort](Rows(filterset, overdue=overdue), descending)

    def after(self, place, count):
        return self._walk(place, count, backwards=False)

    def before(self, place, count):
        return self._walk(place, count, backwards=True)[::-1]

    def at(self, offset, count, total):
        """The same from row ``offset`` (0 is the first) of ``total`` on, skipped to from the nearer end."""
        found = []
        for section, before, behind in self._sections.around(offset, total):
            here = min(count, behind)
            backwards = before > behind - here
            skipped = behind - here if backwards else before
            of = before + behind  # rows of the section, as far as that is known
            position = self._position(section, skipped, backwards, of, total) if skipped else None
            if skipped and position is None:
                continue
            found = self._read([section], here, backwards, position)[:: -1 if backwards else 1]
            if len(found) == here or (found and not backwards):
                break
        if found and len(found) < count:
            found += self.after(found[-1][0], count - len(found))
        return found

    def _position(self, section, skipped, backwards, of, total):
        """Where the row is behind which a page begins, None if the section is over before it.

        The section's index alone is read, which holds all of that.
        """
        columns, turned = ORDERS[section.order], self._descending != backwards
        streams = section.streams(MERGED)
        if section.order == "number":
            streams, skipped = _approached(streams, skipped, of, total, turned)
        rows = _merged(streams, columns, turned, columns, skipped)
        place = next(iter(rows[skipped - 1 : skipped]), None)
        return place and place[-1]

    def _walk(self, place, count, backwards):
        key, position = (None, None) if place is None else _parsed(place)
        if near := self._near_end(position, count, backwards):
            return near
        sections = self._sections.walk(key, backwards)
        # Mostly the first section fills the page. If not, the next ones may be small as well.
        found = self._read(list(islice(sections, 1)), count, backwards, position)
        for batch in _growing(sections):
            if len(found) >= count:
                break
            found += self._read(batch, count - len(found), backwards)
        return found

    def _near_end(self, position, count, backwards):
        """The page where it lies among the first of very many numbers that contain some digits, else [].

        The index of numbers would be walked from its end, however far away such numbers are.
        """
        digits = self._filterset.digits
        if self._sort != "number" or digits is None or not digits.many:
            return []
        front = digits.front(backwards=self._descending != backwards)
        if front is None:
            return []
        first = Section("", lambda most: [self._filterset.qs.filter(front)])
        found = self._read([first], count, backwards, position)
        return found if len(found) == count else []

    def _read(self, sections, count, backwards, position=None):
        """The first rows of ``sections``, one section after the other, in the direction of the walk."""
        if not sections:
            return []
        turned = self._descending != backwards
        columns = ORDERS[sections[0].order]  # sections that are read together have the same
        names = columns if columns[-1] == self.key else (*columns, self.key)
        parts = []
        for rank, section in enumerate(sections):
            streams = _beyond(section, position, turned)
            for first in range(0, len(streams), MERGED):
                some = streams[first : first + MERGED]
                parts.append(_merged(some, columns, turned, (Value(rank), *names), count))
        rows = parts[0][:count] if len(parts) == 1 else _in_turn(parts, columns, turned, count)
        return [(f"{sections[row[0]].key}~{row[len(columns)]}", row[-1]) for row in rows]


def _parsed(place):
    key, sign, position = place.partition("~")
    if not (sign and position.isascii() and position.isdigit() and len(position) <= MAX_DIGITS):
        raise LookupError(place)
    return key, position


def _section_at(counted, offset):
    """[(section, its rows before the row ``offset`` of all, and from that on)]; [] beyond the end."""
    for section, rows in counted:
        if offset < rows:
            return [(section, offset, rows - offset)]
        offset -= rows
    return []


def _growing(sections):
    """The sections in batches: few first, many when these were small."""
    for size in (4, 16):
        if batch := list(islice(sections, size)):
            yield batch
    while batch := list(islice(sections, 50)):
        yield batch


def _beyond(section, position, turned):
    """The section's streams from ``position`` on, which is left out; None: from their beginning."""
    if position is None:
        return section.streams(STREAMS_MAX)
    way = "lt" if turned else "gt"
    if section.order != "notes":
        beyond = {f"{ORDERS[section.order][0]}__{way}": position}
        return [stream.filter(**beyond) for stream in section.streams(STREAMS_MAX)]
    notes = DID.objects.filter(number=position, notes__gt="").values_list("notes", flat=True).first()
    if notes is None:
        raise LookupError(position)
    same = section.streams(STREAMS_MAX, notes=notes, **{f"number__{way}": position})
    return same + section.streams(STREAMS_MAX, **{f"notes__{way}": notes})


def _merged(streams, columns, turned, names, most):
    """A query of ``names`` of the streams' rows in the order of the columns, for no more than ``most`` rows.

    SQLite merges what its indexes have in order by itself. PostgreSQL does so when each part is asked for
    in that order and cut short; else it may well read and sort all of them.
    """
    order = [f"-{name}" if turned else name for name in columns]
    if len(streams) == 1:
        return streams[0].order_by(*order).values_list(*names)
    if connections[streams[0].db].features.supports_slicing_ordering_in_compound:
        parts = [stream.order_by(*order).values_list(*names)[:most] for stream in streams]
    else:
        parts = [stream.order_by().values_list(*names) for stream in streams]
    return parts[0].union(*parts[1:], all=True).order_by(*order)


def _approached(streams, skipped, of, total, turned):
    """(the streams from a number on, how many rows of these are still to be skipped), FAR at most if it can.

    Rows are counted up to heads of numbers, which each index does by itself several times as fast as all
    of them are merged. By which heads is guessed from the number of rows, ``of``, or where that is infinite
    from ``total``, which it is at most; so hardly more rows are counted than are skipped.
    """
    if skipped <= FAR or not streams:
        return streams, skipped
    heads = NumberHead.objects.using(streams[0].db).order_by("-head" if turned else "head")
    heads = list(heads.values_list("head", flat=True)[: HEADS_MAX + 1])
    if len(heads) > HEADS_MAX:
        return streams, skipped
    since, passed = None, 0  # a number, and the rows before it
    until, behind = None, None if math.isinf(of) else of  # the same on the other side, once it is known
    first, last, tried = 0, len(heads), 0
    while first < last and skipped - passed > FAR:
        left = skipped - passed
        if behind is None and passed:  # as many rows to a head as so far
            share = left / (passed / first * (last - first))
        else:
            share = left / ((total if behind is None else behind) - passed)
        # By halves where the numbers are spread too unevenly to guess.
        ahead = int((last - first) * (share if tried < GUESSES else 0.5))
        middle = first + min(ahead, last - first - 1)
        if behind is None or share < 0.5:
            before = passed + _counted(streams, turned, since, heads[middle])
        else:
            before = behind - _counted(streams, turned, heads[middle], until)
        if before < skipped:
            since, passed, first = heads[middle], before, middle + 1
        else:
            until, behind, last = heads[middle], before, middle
        tried += 1
    return _between(streams, turned, since, None), skipped - passed


def _counted(streams, turned, since, until):
    """How many rows the streams have between two numbers, by one query."""
    parts = [part.order_by().values("number") for part in _between(streams, turned, since, until)]
    statements, params = zip(*(part.query.sql_with_params() for part in parts), strict=True)
    counts = " UNION ALL ".join(f"SELECT count(*) FROM ({sql}) AS s" for sql in statements)
    with connections[streams[0].db].cursor() as cursor:
        cursor.execute(counts, sum(params, ()))
        return sum(count for (count,) in cursor.fetchall())


def _between(streams, turned, since, until):
    """From the number ``since`` on and before ``until`` in the direction of the list, None: to its end."""
    ends = ("number__lte", since), ("number__gt", until)
    if not turned:
        ends = ("number__gte", since), ("number__lt", until)
    between = {name: end for name, end in ends if end is not None}
    return [stream.filter(**between) for stream in streams]


def _in_turn(parts, columns, turned, count):
    """The first rows of several queries of ``_merged``, those of lower rank first.

    By hand, because SQLite takes a query that is sorted and cut short only inside another one.
    """
    if not parts:
        return []
    connection = connections[parts[0].db]
    statements, params = zip(*(part[:count].query.sql_with_params() for part in parts), strict=True)
    union = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS s{n}" for n, sql in enumerate(statements))
    order = ", ".join(f"{n} DESC" if turned else f"{n}" for n in range(2, len(columns) + 2))
    with connection.cursor() as cursor:
        cursor.execute(f"{union} ORDER BY 1, {order} LIMIT %s", [*sum(params, ()), count])
        return cursor.fetchall()


class Rows:
    """What a ``DIDFilter`` finds, as streams of an index's order."""

    def __init__(self, filterset, *, overdue):
        self.filterset = filterset
        self.statuses = filterset.form.cleaned_data["status"]
        self.over = holds.over(filterset.now) if overdue else Q(pk__in=[])
        self._overdue = overdue
        # The operators are among the values, so what a person may see needs no join.
        self._dids = filterset.searched_in(DID.objects.all())
        self._values = {
            "account": filterset.accounts,
            "operator": filterset.operators,
            "tag_set": filterset.tag_sets,
        }

    def all(self, most):
        """All of them, as one stream that no index but that of the order itself serves."""
        return [self.filterset.qs]

    @cached_property
    def held(self):
        """Those that an account has."""
        held = self.filterset.qs.filter(account__isnull=False)
        return held.exclude(self.over) if self._overdue else held

    def streams(self, most, *, statuses=None, where=None, **fixed):
        """Of these ``statuses`` and ``where`` alone; ``fixed``: values of account, operator or tag_set.

        An index holds each of these three columns with status and number. One of them leads: there is one
        stream for each of its values in each status, and rows that differ in the others are read past.
        With more than ``most`` streams they are one, which has to be sorted.
        """
        values = self._values | fixed
        lead = self._lead(values)
        wanted = statuses or self.statuses
        dids = self._dids if where is None else self._dids.filter(where)
        others = {f"{name}__in": values[name] for name in values if name != lead and values[name] is not None}
        dids = dids.filter(**others)
        held = values["account"] is not None
        if held:
            dids = dids.exclude(self.over)
        if lead is None and not wanted:
            return [dids]
        every = wanted or (st.HELD if held else list(st.LABELS))
        leads = [None] if lead is None else values[lead]
        pairs = self._that_are_there(product(leads, every), lead, values)
        led = dids if lead is None else dids.filter(**{f"{lead}__in": leads})
        if lead == "tag_set" and not wanted:  # has an index of its own
            leads = dict.fromkeys(tag_set for tag_set, _ in pairs)
            if len(leads) <= most:
                return [dids.filter(tag_set=tag_set) for tag_set in leads]
        if len(pairs) >= most:
            return [led.in_status(every, self.filterset.now)]
        found = [self._stored(dids if lead is None else dids.filter(**{lead: one}), s) for one, s in pairs]
        if self._overdue and not held:
            # By their keys: SQLite would go through all numbers in order, to find those few.
            over = DID.objects.hold_over(self.filterset.now).values("pk")
            found.append(led.filter(pk__in=over, after_hold__in=every))
        return found

    def _lead(self, values):
        """The column that leads: that of accounts, which have few numbers, else the one with fewer."""
        asked = [name for name in values if values[name] is not None]
        if len(asked) < 2 or "account" in asked:
            return asked[0] if asked else None
        return min(asked, key=lambda name: sum(self._stock[name][one] for one in values[name]))

    def _that_are_there(self, pairs, lead, values):
        """Of ``pairs`` = (value of ``lead``, its status) those that have numbers with the tag sets.

        Without this an operator that has none of them would be read to its end, to find nothing.
        """
        if values["tag_set"] is None or lead == "account":
            return list(pairs)
        operators, at = values["operator"], ("operator", "tag_set").index(lead)
        there = {
            ((operator, tag_set)[at], status)
            for tag_set in values["tag_set"]
            for operator, status in self._stock["pairs"][tag_set]
            if operators is None or operator in operators
        }
        return [pair for pair in pairs if pair in there]

    @cached_property
    def _stock(self):
        """The counters of what is asked for: numbers by "operator" and by "tag_set", of all else that they
        have, and "pairs": {tag set: {(operator, status)}}."""
        operators, tag_sets = self._values["operator"], self._values["tag_set"]
        some = Q()
        if operators is not None:
            some |= Q(operator__in=operators)
        if tag_sets is not None:
            some |= Q(tag_set__in=tag_sets)
        stock = {"operator": Counter(), "tag_set": Counter(), "pairs": defaultdict(set)}
        rows = Stock.objects.filter(some).values_list("operator", "tag_set", "status", "numbers")
        for operator, tag_set, status, numbers in rows:
            stock["operator"][operator] += numbers
            stock["tag_set"][tag_set] += numbers
            stock["pairs"][tag_set].add((operator, status))
        return stock

    def _stored(self, dids, status):
        dids = dids.filter(status=status)
        return dids.exclude(self.over) if self._overdue and status == st.HOLD else dids

    def operators(self):
        """[(operator, its reseller)] that have numbers or are asked for, by name."""
        found = Operator.objects.order_by(Lower("name"), "pk").values_list("pk", "reseller")
        if self.filterset.operators is not None:
            return list(found.filter(pk__in=self.filterset.operators))
        return list(found.filter(Exists(Stock.objects.filter(operator=OuterRef("pk")))))

    def tag_sets(self):
        """Keys of the tag sets that have numbers, by their label."""
        stock = Stock.objects.of(self.filterset.operators, self.filterset.tag_sets)
        found = TagSet.objects.filter(pk__in=stock.values("tag_set"))
        return list(found.order_by("label").values_list("pk", flat=True))

    def counts(self, column):
        """{value of ``column``: rows}, exact; from the counters where they know, else all are read."""
        if self.filterset.is_in_stock and not self._overdue:
            stock = Stock.objects.of(self.filterset.operators, self.filterset.tag_sets)
            if self.statuses:
                stock = stock.filter(status__in=self.statuses)
            return dict(stock.order_by().values_list(column).annotate(Sum("numbers")))
        return dict(self.filterset.qs.order_by().values_list(column).annotate(_rows=Count("*")))


class Sections:
    """Sections known beforehand: {key: Section} in the order of the list."""

    def __init__(self, sections, counts=None):
        self._sections = {section.key: section for section in sections}
        self._counts = counts  # () -> {key: rows}; None for one section, which has them all

    def walk(self, key, backwards):
        """The sections in the direction of the walk, from that of ``key`` on."""
        keys = list(self._sections)[:: -1 if backwards else 1]
        if key is not None:
            if key not in self._sections:
                raise LookupError(key)
            keys = keys[keys.index(key) :]
        return (self._sections[one] for one in keys)

    def around(self, offset, total):
        """Where the row ``offset`` of ``total`` is: [(section, its rows before that row, and from it on)].

        Several when sections are not counted, the most probable first: which of them has it, is seen.
        """
        counts = self._counts() if self._counts else dict.fromkeys(self._sections, total)
        return _section_at([(one, counts.get(key, 0)) for key, one in self._sections.items()], offset)


class NotesSections(Sections):
    """Numbers with notes and those without, which no counter knows.

    A row is so far from the beginning of the first or the end of the second. To look for it in both costs
    less than to count one of them.
    """

    def around(self, offset, total):
        """As ``Sections.around``."""
        noted, plain = self._sections.values()
        both = [(noted, offset, math.inf), (plain, math.inf, total - offset)]
        # Those without notes are counted, which is faster than to skip the others by their order.
        return both if 2 * offset <= total - offset else both[::-1]


class AccountSections:
    """One section for each account that has numbers, by client and account, and one for free numbers.

    Accounts may be many, so they are found as the walk goes on.
    """

    def __init__(self, rows, descending):
        self._rows, self._descending = rows, descending

    def walk(self, key, backwards):
        """As ``Sections.walk``."""
        account = None
        if key:
            account = Account.objects.filter(pk=parse_whole(key)).first()
            if account is None:
                raise LookupError(key)
            yield self._section(account.pk)
        elif key == "" or backwards:
            yield self._free
            if not backwards:
                return
        while some := self._next(account, self._descending != backwards):
            account = some[-1]
            yield from (self._section(one.pk) for one in some)
        if not backwards:
            yield self._free

    def around(self, offset, total):
        """As ``Sections.around``; may go through an index of all numbers that an account has."""
        by_status = self._rows.filterset.exactly_by_status
        held = total - sum(by_status[status] for status in self._free_statuses)
        if offset >= held:
            return [(self._free, offset - held, total - offset)]
        counts = dict(self._rows.held.order_by().values_list("account").annotate(_rows=Count("*")))
        accounts = Account.objects.filter(pk__named=list(counts)).order_by(*self._order(self._descending))
        keys = accounts.values_list("pk", flat=True)
        return _section_at([(self._section(pk), counts[pk]) for pk in keys], offset)

    def _next(self, account, turned):
        """The next accounts with numbers behind ``account`` (None: from the end), as many as a batch has."""
        named = Account.objects.annotate(_client=Lower("client__name"), _name=Lower("name"))
        found = named.filter(Exists(self._rows.held.filter(account=OuterRef("pk"))))
        if account is not None:
            place = named.values_list("_client", "_name", "pk").get(pk=account.pk)
            found = found.filter(_behind(place, turned))
        return list(found.order_by(*self._order(turned))[:50])

    @staticmethod
    def _order(turned):
        names = (Lower("client__name"), Lower("name"), F("pk"))
        return [name.desc() if turned else name.asc() for name in names]

    def _section(self, account):
        return Section(str(account), partial(self._rows.streams, account=[account]))

    @property
    def _free(self):
        """Statuses tell that no account has them, so that an index on status alone is read."""
        if not self._free_statuses:
            return Section("", lambda most: [])
        return Section("", partial(self._rows.streams, statuses=self._free_statuses))

    @property
    def _free_statuses(self):
        if self._rows.filterset.accounts is not None:
            return []
        return [status for status in self._rows.statuses or st.LABELS if status in st.FREE]


def _behind(place, turned):
    """What comes after ``place`` = (client, name, pk)."""
    way = "lt" if turned else "gt"
    client, name, pk = place
    return (
        Q(**{f"_client__{way}": client})
        | Q(_client=client, **{f"_name__{way}": name})
        | Q(_client=client, _name=name, **{f"pk__{way}": pk})
    )


def _by_number(rows, descending):
    return Sections([Section("", rows.streams)])


def _by_id(rows, descending):
    return Sections([Section("", rows.all, "id")])


def _by_status(rows, descending):
    statuses = sorted(rows.statuses or st.LABELS, reverse=descending)
    sections = [Section(status, partial(rows.streams, statuses=[status])) for status in statuses]
    return Sections(sections, lambda: rows.filterset.exactly_by_status)


def _by_operator(rows, descending):
    operators = _turned(rows.operators(), descending)
    sections = [Section(str(pk), partial(rows.streams, operator=[pk])) for pk, _ in operators]
    return Sections(sections, lambda: {str(pk): n for pk, n in rows.counts("operator").items()})


def _by_reseller(rows, descending):
    groups = {}
    for operator, reseller in rows.operators():
        groups.setdefault(reseller, []).append(operator)
    resellers = Reseller.objects.filter(pk__in=groups).order_by(Lower("name"), "pk")
    keys = _turned(resellers.values_list("pk", flat=True), descending)
    sections = [Section(str(pk), partial(rows.streams, operator=groups[pk])) for pk in keys]

    def counts():
        found = rows.counts("operator")
        return {str(pk): sum(found.get(one, 0) for one in groups[pk]) for pk in groups}

    return Sections(sections, counts)


def _by_tag(rows, descending):
    sections = [
        Section(str(pk), partial(rows.streams, tag_set=[pk])) for pk in _turned(rows.tag_sets(), descending)
    ]
    if rows.filterset.tag_sets is None:
        sections.append(Section("", partial(rows.streams, where=Q(tag_set__isnull=True))))
    return Sections(sections, lambda: {str(pk or ""): n for pk, n in rows.counts("tag_set").items()})


def _by_notes(rows, descending):
    def noted(most, **beyond):
        # In this order: of two conditions that say from where on, SQLite begins at the first.
        return [rows.filterset.qs.filter(**beyond).filter(notes__gt="")]

    plain = partial(rows.streams, where=Q(notes=""))
    return NotesSections([Section("notes", noted, "notes"), Section("", plain)])


def _turned(things, descending):
    return list(things)[:: -1 if descending else 1]


SORTS = {
    "number": _by_number,
    "id": _by_id,
    "status": _by_status,
    "operator": _by_operator,
    "tag": _by_tag,
    "notes": _by_notes,
    "client": AccountSections,
    "reseller": _by_reseller,
}
