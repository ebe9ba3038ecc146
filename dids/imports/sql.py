"""SQL fragments shared by the statements that validate staged rows."""

from django.db import connection

from didmgmt.statements import embed
from dids.models import ClientPackage


class Expression(str):
    """A code that SQL computes; a plain ``str`` is a literal code."""


def case(codes, otherwise="NULL"):
    """Return a CASE over (condition, code) pairs; the first true condition wins."""
    whens = [
        f"WHEN {condition} THEN {code if isinstance(code, Expression) else quote(code)}"
        for condition, code in codes
    ]
    return f"CASE {' '.join(whens)} ELSE {otherwise} END" if whens else otherwise


def quote(word):
    return f"'{word}'"


def in_list(words):
    """Return the right-hand side of IN; no words give a list that matches no code."""
    return f"({', '.join(map(quote, words)) or quote('')})"


def is_distinct(one, other):
    """Return the condition that two columns differ, NULL being a value."""
    return f"{one} {'IS DISTINCT FROM' if connection.vendor == 'postgresql' else 'IS NOT'} {other}"


def running_packages(now, params):
    """Return a subquery of the client packages that run at ``now``; see ``embed``."""
    return embed(ClientPackage.objects.running(now).values("id", "client_id", "package_id"), params)


def execute(sql, params):
    """Execute a statement and return how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def select(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
