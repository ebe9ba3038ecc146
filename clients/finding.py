"""Find records by the beginning of their name, then by the beginnings of its words.

An index has the names in lower case in the order of their characters, so those with the same beginning are
neighbours. Another one has their words, see ``audit.words``.
"""

import re

from django.db import connections
from django.db.models import CharField, Func, Q, Value
from django.db.models.functions import Concat

from audit.words import HasWords, words_query
from clients.names import clean_name
from didmgmt.statements import Statement

LAST = "\U0010ffff"  # sorts after every character
_WORD = re.compile(r"[^\W_]+")


class NameKey(Func):
    """A name in lower case, compared by its characters and not by the rules of a language."""

    function = "LOWER"
    output_field = CharField()

    def as_postgresql(self, compiler, connection, **context):
        template = '(%(function)s(%(expressions)s) COLLATE "C")'
        return self.as_sql(compiler, connection, template=template, **context)


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


class _Computed(Func):
    """A key in a form that no index has; without a parameter, so that it is the same in DISTINCT."""

    template = "(%(expressions)s + 0)"


class Names:
    """The names of the rows that ``visible(viewer)`` returns; their queries are compiled once.

    ``most``: how many results are found.
    """

    def __init__(self, visible, most):
        self._most = most
        self._beginning = Statement(lambda viewer, text: _beginning(visible(viewer), text, most))
        self._with_words = Statement(lambda viewer, query: _with_words(visible(viewer), query, most))

    def find(self, viewer, text):
        """Return the ids of the rows that ``text`` finds, see ``find_named``."""
        return _found(
            text,
            self._most,
            lambda text: self._beginning.rows(viewer=viewer, text=text),
            lambda query: self._with_words.rows(viewer=viewer, query=query),
        )


def find_named(rows, text, most):
    """Return the ids of up to ``most`` of ``rows`` that ``text`` finds.

    Those whose name begins with it come first, sorted by name, so one that is ``text`` is the first. Others
    have words that begin with those of ``text``, unless it is a number. One query or two.
    """
    return _found(
        text,
        most,
        lambda text: _beginning(rows, Value(text), most),
        lambda query: _with_words(rows, Value(query), most),
    )


def _found(text, most, beginning, with_words):
    text = clean_name(text)
    if not text:
        return []
    found = [row[0] for row in beginning(text)]
    if len(found) < most and any(map(str.isalpha, text)):
        found += [row[0] for row in with_words(words_query(words_of(text)))]
    return list(dict.fromkeys(found))[:most]


def _beginning(rows, text, most):
    rows, key = rows.order_by().alias(_key=NameKey("name")), NameKey(text)
    begins = Q(_key__gte=key, _key__lt=Concat(key, Value(LAST)))
    return rows.filter(begins).order_by("_key", "pk").values_list("pk")[:most]


def _with_words(rows, query, most):
    rows = rows.order_by().filter(HasWords("name", query))
    if connections[rows.db].vendor == "postgresql":
        # For a few rows in any order, or in that of an index, its planner would compare name after name.
        rows = rows.order_by(_Computed("pk"))
    return rows.values_list("pk")[:most]
