"""Refuse query parameters that nothing reads: a misspelt filter must not show or change everything."""

from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from didmgmt.text import shorten

NAMED = 5  # unknown parameters that sentences name
COMPARED = 40  # characters of a name that are compared with known ones

View = Callable[..., HttpResponse]


def unknown_parameters(given: Iterable[str], known: Collection[str], noun: str = "parameter") -> list[str]:
    """Return a sentence for each name in ``given`` that is not ``known``, with the nearest known one."""
    unknown = [name for name in given if name not in known]
    sentences = [_unknown(name, known, noun) for name in unknown[:NAMED]]
    if more := len(unknown) - NAMED:
        sentences += [f"{more:,} more {noun}s are unknown."] if more > 0 else []
    return sentences


def _unknown(name: str, known: Collection[str], noun: str) -> str:
    near = get_close_matches(name[:COMPARED].lower(), known, n=1)
    if near:
        return f"There is no {noun} “{shorten(name)}”; did you mean “{near[0]}”?"
    quoted = [f"“{one}”" for one in known]
    named = " or ".join([", ".join(quoted[:-1]), *quoted[-1:]] if len(quoted) > 1 else quoted)
    advice = f"Use {named}." if named else "This page takes none."
    return f"There is no {noun} “{shorten(name)}”. {advice}"


def takes(*names: str, **valid: Callable[[str], object]) -> Callable[[View], View]:
    """Let a view answer only addresses whose parameters are among ``names`` and ``valid``; else status 400.

    ``valid``: {name: a function that tells whether a value, unless it is blank, is valid}. For views without
    a ``Listing``, which refuses what is wrong by itself.
    """
    known = [*names, *valid]

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            errors = unknown_parameters(request.GET, known)
            values = {name: request.GET.get(name, "").strip() for name in valid}
            errors += [
                f"“{shorten(value)}” is not a valid value of “{name}”."
                for name, value in values.items()
                if value and not valid[name](value)
            ]
            if errors:
                return render(request, "unknown_parameters.html", {"errors": errors}, status=400)
            return view(request, *args, **kwargs)

        return guarded

    return guard
