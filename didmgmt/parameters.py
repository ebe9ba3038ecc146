"""Refuse query parameters that nothing reads, or of which only one value would be read.

A misspelt filter must not show or change everything, and no value of a repeated one may be dropped.
"""

from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from didmgmt.text import shorten

NAMED = 5  # unknown parameters that sentences name
COMPARED = 40  # characters of a name that are compared with known ones
OF_LIST = ("sort", "per_page")  # parameters of all pages of a list, besides those of its filter
OF_PAGE = ("page", "after", "before", "count")  # parameters of one page
OF_LISTS = (*OF_LIST, *OF_PAGE, "advanced")  # all of every list; the last opens Advanced Search

View = Callable[..., HttpResponse]


def parameter_errors(
    given: QueryDict, known: Collection[str], noun: str = "parameter", *, many: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each name in ``given`` that is not ``known``, with the nearest known one.

    One, too, for each known name with several values, unless it is one of ``many``. Blank and equal values
    contradict nothing.
    """
    return [sentence for _, sentence in named_parameter_errors(given, known, noun, many=many)]


def named_parameter_errors(
    given: QueryDict, known: Collection[str], noun: str = "parameter", *, many: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return the (name, sentence) of each of ``parameter_errors``; the name is "" for those not named."""
    unknown = [name for name in given if name not in known]
    found = [(name, unknown_name(name, known, noun)) for name in unknown[:NAMED]]
    if (more := len(unknown) - NAMED) > 0:
        found.append(("", f"{more:,} more {noun}s are unknown."))
    for name in given:
        if name in known and name not in many and len(given.getlist(name)) > 1:
            values = list(dict.fromkeys(value for value in given.getlist(name) if value.strip()))
            if len(values) > 1:
                found.append((name, _several(name, values, noun)))
    return found


def _several(name: str, values: list[str], noun: str) -> str:
    named = " and ".join(f"“{shorten(value)}”" for value in values[:2])
    named += f" and {len(values) - 2:,} more" if len(values) > 2 else ""
    return f"The {noun} “{name}” takes one value, and has {named}. Keep one of them."


def unknown_name(name: str, known: Collection[str], noun: str) -> str:
    """Return the sentence about a name that is not ``known``, with the nearest known one."""
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
            errors = parameter_errors(request.GET, known)
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
