"""Indexes of the words of names and labels, which find rows by the beginnings of words.

PostgreSQL has a GIN index over the words, created by a migration of the table. SQLite has a full-text table
(FTS5) next to it, which triggers keep up to date. It is filled again whenever these are installed, because
migrations run without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, connections
from django.db.models import BooleanField, F, Func

from audit import triggers
from audit.models import Change
from audit.triggers import Trigger

# The expression of PostgreSQL's indexes. Some signs separate words like blanks.
_WORDS = "to_tsvector('simple', translate({}, '_-./&(@', '       '))"
# Prefixes of one and two letters have an index of their own. No diacritic is removed, as on PostgreSQL.
_OPTIONS = "prefix = '1 2', columnsize = 0, tokenize = 'unicode61 remove_diacritics 0'"


class _Indexed(NamedTuple):
    """A table with indexed words: their columns, of which the first with text counts, and its key.

    A key that is not a whole number can't be the id of a row of the full-text table, so it is a word there.
    """

    table: str
    columns: Sequence[str]
    has_integer_key: bool


_INDEXED: list[_Indexed] = []


def index_words(table: str, *columns: str, has_integer_key: bool = True) -> None:
    """Index the words of the first of ``columns`` that is not empty, in the rows of ``table``."""
    _INDEXED.append(_Indexed(table, columns, has_integer_key))


def words_query(words: Iterable[str]) -> str:
    """Return the query of ``HasWords`` for the beginnings of ``words``, which are letters and digits."""
    if connection.vendor == "postgresql":
        return " & ".join(f"'{word}':*" for word in words)
    return "words : ({})".format(" AND ".join(f'"{word}"*' for word in words))


class HasWords(Func):
    """Whether the words of a row's ``column``, which is indexed, begin with those of a ``words_query``."""

    output_field = BooleanField()

    def __init__(self, column: str, query: Any) -> None:
        super().__init__(F("pk"), F(column), query)

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        _key, text, query = map(compiler.compile, self.get_source_expressions())
        sql = f"{_WORDS.format(text[0])} @@ to_tsquery('simple', {query[0]})"
        return sql, (*text[1], *query[1])

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column: Any = self.get_source_expressions()[0]
        key, _text, query = map(compiler.compile, self.get_source_expressions())
        words = f"{column.target.model._meta.db_table}_words"
        sql = f"{key[0]} IN (SELECT rowid FROM {words} WHERE {words} MATCH {query[0]})"
        return sql, (*key[1], *query[1])


def keys_with_words(table: str, query: str, most: int, newest: str, *, using: str) -> list[Any]:
    """Return the keys of up to ``most`` rows of ``table`` with these words, by ``newest``, the last first.

    Of more than ``most`` SQLite finds the newest, and PostgreSQL those in the first pages of the table. The
    planner has no say, since to PostgreSQL all beginnings of words look equally frequent.
    """
    indexed = next(one for one in _INDEXED if one.table == table)
    words, key = f"{table}_words", "rowid" if indexed.has_integer_key else "key"
    if connections[using].vendor == "postgresql":
        text = _WORDS.format(_text(indexed, ""))
        found = f"SELECT id, {newest} AS newest FROM {table} WHERE {text} @@ to_tsquery('simple', %s)"
        first = "SELECT * FROM found LIMIT %s"
        sql = f"WITH found AS MATERIALIZED ({found}) SELECT id FROM ({first}) AS f ORDER BY newest DESC"
    else:
        sql = f"SELECT {key} FROM {words} WHERE {words} MATCH %s ORDER BY rowid DESC LIMIT %s"
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [query, most])
        return [key for (key,) in cursor.fetchall()]


@triggers.register
def word_triggers(vendor: str) -> list[Trigger]:
    return [] if vendor == "postgresql" else list(chain.from_iterable(map(_sqlite, _INDEXED)))


def _sqlite(indexed: _Indexed) -> Iterator[Trigger]:
    table, words = indexed.table, f"{indexed.table}_words"
    keys = "rowid" if indexed.has_integer_key else "key"
    columns = "words" if indexed.has_integer_key else "words, key"
    # A key that is a word is looked up as one: the full-text table has no other index.
    found = "rowid = OLD.id"
    if not indexed.has_integer_key:
        found = f"rowid IN (SELECT rowid FROM {words} WHERE {words} MATCH 'key : ' || OLD.id)"
    insert = f"INSERT INTO {words} ({keys}, words)"
    yield Trigger(
        f"{words}_insert",
        table,
        f"CREATE TRIGGER {words}_insert AFTER INSERT ON {table} FOR EACH ROW BEGIN"
        f" {insert} VALUES (NEW.id, {_text(indexed, 'NEW.')}); END",
        before=(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {words} USING fts5 ({columns}, {_OPTIONS})",
            f"DELETE FROM {words}",
            f"{insert} SELECT id, {_text(indexed, '')} FROM {table} ORDER BY rowid",
        ),
    )
    yield Trigger(
        f"{words}_update",
        table,
        f"CREATE TRIGGER {words}_update AFTER UPDATE OF {', '.join(indexed.columns)} ON {table} FOR EACH ROW"
        f" BEGIN UPDATE {words} SET words = {_text(indexed, 'NEW.')} WHERE {found}; END",
    )
    yield Trigger(
        f"{words}_delete",
        table,
        f"CREATE TRIGGER {words}_delete AFTER DELETE ON {table} FOR EACH ROW"
        f" BEGIN DELETE FROM {words} WHERE {found}; END",
    )


def _text(indexed: _Indexed, row: str) -> str:
    *columns, last = (f"{row}{column}" for column in indexed.columns)
    nonempty = [f"nullif({column}, '')" for column in columns]
    return f"coalesce({', '.join([*nonempty, last])})" if nonempty else last


index_words(Change._meta.db_table, "label", "kind")
