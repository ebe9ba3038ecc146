"""Find records by the beginning of their name, then by the beginnings of its words.

An index has the names in lower case in the order of their characters, so those with the same beginning are
neighbours. For words PostgreSQL has another one (migration 0002); SQLite compares every name, which takes
about 10 ms for 100,000.
"""

import re
from functools import reduce
from operator import and_, or_

from django.db import connections
from django.db.models import BooleanField, CharField, F, Func, Q, Value
from django.db.models.functions import Concat

from clients.names import clean_name

LAST = "\U0010ffff"  # sorts after every character
_WORD = re.compile(r"[^\W_]+")
_BETWEEN = " _-./&(@"  # what separates words
# The expression of PostgreSQL's index.
_WORDS = "to_tsvector('simple', translate({}, '_-./&(@', '       '))"


class NameKey(Func):
    """A name in lower case, compared by its characters and not by the rules of a language."""

    function = "LOWER"
    output_field = CharField()

    def as_postgresql(self, compiler, connection, **context):
        template = '(%(function)s(%(expressions)s) COLLATE "C")'
        return self.as_sql(compiler, connection, template=template, **context)


class _HasWords(Func):
    """Whether the words of a name begin with those of a PostgreSQL query."""

    template = "%(expressions)s)"
    function = ""
    arg_joiner = " @@ to_tsquery('simple', "
    output_field = BooleanField()


class _Words(Func):
    template = _WORDS.format("%(expressions)s")


def words_of(text):
    """Return the words of ``text``, in lower case."""
    return _WORD.findall(text.lower())


def mark_words(name, words):
    """Return [(piece of ``name``, whether it is the beginning of a word that is searched for)]."""
    if not words:
        return [(name, False)]
    longest = sorted(map(re.escape, words), key=len, reverse=True)
    pieces = re.split(rf"(?<![^\W_])({'|'.join(longest)})", name, flags=re.IGNORECASE)
    return [(piece, bool(index % 2)) for index, piece in enumerate(pieces) if piece]


def has_words(name, words):
    """Return whether each of ``words`` begins a word of ``name``."""
    own = words_of(name)
    return all(any(one.startswith(word) for one in own) for word in words)


def find_named(rows, text, most):
    """Return the ids of up to ``most`` of ``rows`` that ``text`` finds.

    Those whose name begins with it come first, sorted by name, so one that is ``text`` is the first. Others
    have words that begin with those of ``text``, unless it is a number. One query or two.
    """
    text = clean_name(text)
    if not text:
        return []
    rows, key = rows.order_by().alias(_key=NameKey("name")), NameKey(Value(text))
    begins = Q(_key__gte=key, _key__lt=Concat(key, Value(LAST)))
    named = rows.filter(begins).order_by("_key", "pk")
    found = list(named.values_list("pk", flat=True)[:most])
    words = words_of(text)
    if len(found) < most and any(map(str.isalpha, text)):
        others = _with_words(rows, words).values_list("pk", flat=True)
        known = set(found)
        found += [pk for pk in others[: most + len(found)] if pk not in known]
    return found[:most]


def _with_words(rows, words):
    """Return the rows whose names have words that begin with each of ``words``."""
    if connections[rows.db].vendor != "postgresql":
        return rows.filter(reduce(and_, map(_word_begins, words)))
    query = " & ".join(f"'{word}':*" for word in words)
    # For a few rows in any order, or in that of an index, the planner would compare name after name.
    return rows.filter(Q(_HasWords(_Words("name"), Value(query)))).order_by(F("pk") + 0)


def _word_begins(word):
    inside = (Q(_key__contains=f"{before}{word}") for before in _BETWEEN)
    # Few names contain the word at all, and only these are compared with the rest.
    return Q(name__contains=word) & reduce(or_, inside, Q(_key__startswith=word))
