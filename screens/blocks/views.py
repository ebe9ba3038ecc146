"""The block map: where there is room in a prefix, down to each number, and a range to act on."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import clock
from didmgmt.parameters import takes
from didmgmt.replica import may_lag
from didmgmt.text import count_noun, parse_whole, shorten
from dids.forms.blocks import BlockRangeForm
from dids.lifecycle import statuses as st
from dids.lists.blocks import ORDER, BlockMap, ends_of
from dids.numbering.free_runs import TAIL
from dids.numbering.search import range_text

SHADES = (0, 0.25, 0.5, 0.8)  # above these shares of free numbers a part is a shade darker
MARKED = 5  # free numbers in a row from which a line says how many
REMEDY = "Choose one of the countries."
ROUNDED = 10_000  # free numbers of a part from which they are shown in thousands


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@takes("country", "prefix", "digits", "block", "select", "from", "to")
@may_lag
def block_map(request):
    """Show a prefix and one of its blocks; for htmx only what is selected in it."""
    blocks, given = BlockMap(request.user, clock.now()), request.GET
    error = ""
    try:
        place = _place(blocks, given)
    except LookupError as refusal:
        error, place = str(refusal), _place(blocks, {})
    selected = typed = None
    if place and given.get("select") and not error:
        try:
            selected = place.selected(*_ends(given["select"]))
        except LookupError:
            error = f"“{shorten(given['select'])}” is no range of numbers in {place.written(place.prefix)}."
            error += " Select numbers in its grid."
    if place:
        is_sent = bool(given.get("from") or given.get("to")) and not error
        typed = BlockRangeForm(given if is_sent else None, place=place, auto_id="typed_%s")
        if is_sent and typed.is_valid():
            return redirect(f"{reverse('blocks:map')}{_url_of_range(place, *typed.ends)}")
    context = {"error": error, "blocks": blocks, "place": place, "selected": selected, "typed": typed}
    if place:
        context |= _selection(place, selected)
    if place and not request.htmx:
        context |= _frame(blocks, place, selected) | _left(place, selected) | _right(place, selected)
    template = "blocks/_selection.html" if request.htmx else "blocks/map.html"
    return render(request, template, context, status=422 if error or (typed and typed.errors) else 200)


def _place(blocks, given):
    """Return the ``Place`` of an address, None without numbers; raise LookupError with a sentence."""
    if not blocks.countries:
        return None
    if not (given.get("prefix") or given.get("digits")):
        country = given.get("country")
        found = next((one for one in blocks.countries if country in (None, "", one.key)), None)
        if found is None:
            raise LookupError(f"There are no numbers of the country “{shorten(country)}”. {REMEDY}")
        best = max(found.ranges, key=lambda one: one.counts.free)
        return blocks.place(best.prefix, best.digits, given.get("block", ""))
    prefix = given.get("prefix", "").removeprefix("+")
    if prefix and not (prefix.isascii() and prefix.isdigit()):
        raise LookupError(f"“{shorten(prefix)}” is no beginning of a number. Enter digits, such as 4420.")
    count = given.get("digits")
    digits = parse_whole(count) if count else next(iter(blocks.digits_of(prefix)), None)
    if count and digits is None:
        raise LookupError(f"“{shorten(count)}” is no number of digits. Enter a whole number, such as 12.")
    try:
        return blocks.place(prefix, digits, given.get("block", ""))
    except LookupError:
        raise LookupError(f"{_none_with(prefix, count)} {REMEDY}") from None


def _none_with(prefix, digits):
    """Return that the person has no number that begins with ``prefix`` and has so many ``digits``."""
    if not prefix:
        return f"None of your numbers has {shorten(digits)} digits."
    long = f" with {shorten(digits)} digits" if digits else ""
    return f"None of your numbers{long} begins with “{shorten(prefix)}”."


def _ends(text):
    """Return the two numbers of a range such as 4420-4429; LookupError if it has no such form."""
    first, _, last = text.partition("-")
    if not (text.isascii() and first.isdigit() and last.isdigit()):
        raise LookupError(text)
    return first, last


def _url(place, selected=None, **changed):
    """Return the query of the map at ``place``; ``selected``: what stays selected as far as it is shown."""
    parameters = {"prefix": place.prefix, "digits": place.digits, "block": place.block} | changed
    if selected and all(end.startswith(parameters["prefix"]) for end in (selected.first, selected.last)):
        parameters |= {"select": f"{selected.first}-{selected.last}"}
    return f"?{urlencode({name: value for name, value in parameters.items() if value != ''})}"


def _url_of_range(place, first, last):
    return _url(place, block=place.block_with(first, last), select=f"{first}-{last}")


def _range(place, prefix):
    """Return the query of the list of numbers with a prefix."""
    return {"q": range_text(*ends_of(prefix, place.digits))}


def _selection(place, selected):
    """Return the context of the bar: the queries of all selected numbers and of those that can be taken."""
    if selected is None:
        return {"cleared_url": _url(place)}
    query = {"q": range_text(selected.first, selected.last)}
    counts = selected.counts
    if not counts:
        what = "none of them yours"
    elif counts.total == counts.free == selected.size:
        what = "all In Stock"
    else:
        what = _words(dict(sorted(counts.items(), key=lambda one: one[0] != st.INSTOCK)))
    run, rest = selected.run, ""
    if run and run.length > counts.free:
        left = " and ".join(f"{part:,}" for part in (selected.before, selected.after) if part)
        rest = f"; leaves {left} of a free run of {run.length:,}"
    initial = {"from": selected.first, "to": selected.last}
    return {
        "cleared_url": _url(place),
        "form": BlockRangeForm(place=place, initial=initial),
        "back": f"{reverse('blocks:map')}{_url(place, selected)}",
        "selected_count": count_noun(selected.size, "number"),
        "selected_text": f"{what}{rest}",
        "query": urlencode(query),
        "free_query": urlencode(query | {"status": st.INSTOCK}),
    }


def _frame(blocks, place, selected):
    """Return the countries, the way down to the block, and the lengths of numbers with the prefix."""
    here = next(one for one in blocks.countries if one.key == place.geography.country)
    current = next((one for one in here.ranges if one.holds(place)), None)
    way = [prefix for prefix in blocks.way(place.prefix, place.digits) if len(prefix) > len(here.code)]
    crumbs = [(_named(here), f"?country={here.key}")]
    crumbs += [(place.start(prefix), _url(place, selected, prefix=prefix, block="")) for prefix in way]
    if place.has_numbers and not place.is_thousand:
        thousand = place.block[:-1]
        crumbs.append((f"{thousand[-1]}xxx", _url(place, selected, block=thousand)))
    return {
        "here": _digits(place.block[len(place.prefix) :], place.digits - len(place.prefix)),
        "crumbs": crumbs,
        "lengths": [
            (digits, f"?{urlencode({'prefix': place.prefix, 'digits': digits})}")
            for digits in sorted(blocks.digits_of(place.prefix))
        ],
        "countries": [
            {
                "name": one.name,
                "code": one.code,
                "url": f"?country={one.key}",
                "free": one.counts.free,
                "share": _share(one.counts),
                "ranges": [_range_row(each, place, each is current) for each in one.ranges if one is here],
            }
            for one in blocks.countries
        ],
    }


def _named(country):
    return f"{country.name} +{country.code}" if country.code else country.name


def _range_row(one, place, is_current):
    return {
        "start": place.start(one.prefix) if one.digits == place.digits else one.prefix,
        "label": one.label or count_noun(one.digits, "digit"),
        "url": f"?{urlencode({'prefix': one.prefix, 'digits': one.digits})}",
        "free": one.counts.free,
        "share": _share(one.counts),
        "current": is_current,
    }


def _share(counts):
    """Return how many percent of the numbers are In Stock."""
    return round(100 * counts.free / counts.total, 1) if counts.total else 0


def _digits(some, count):
    """Return the first of so many digits, and what stands for the others."""
    return some.ljust(count, "x") if count <= TAIL else f"{some}…"


def _left(place, selected):
    """Return the grid of the parts of the prefix."""
    rest = place.digits - len(place.prefix)
    rows = []
    for n in range(10):
        parts = place.parts[10 * n : 10 * n + 10]
        rows.append(
            {
                "label": _digits(f"{n}", rest),
                "url": _url(place, selected, block=f"{place.prefix}{n}") if place.has_numbers else "",
                "current": place.block == f"{place.prefix}{n}",
                "cells": [
                    _cell(place, part, _url(place, selected, block=part.prefix), selected) for part in parts
                ],
                "free": sum(part.counts.free for part in parts),
            }
        )
    whole = sum(1 for part in place.parts if part.counts.free == part.size)
    return {
        "title": place.written(place.prefix),
        "rows": rows,
        "columns": [_digits(f"x{n}", rest) for n in range(10)],
        "numbers": place.counts.total,
        "free": place.counts.free,
        "whole": whole,
        "noun": "hundred" if place.has_numbers else "part",
    }


def _cell(place, part, url, selected):
    """Return what a part looks like."""
    counts = part.counts
    cell = {"label": part.prefix[-2:]} | _in_range(*ends_of(part.prefix, place.digits), selected)
    if not counts:
        return cell
    free = counts.free
    look = [f"shade-{sum(free > share * part.size for share in SHADES)}"]
    if free == part.size:
        look.append("is-whole")
    if counts.total == counts.get(st.ARCHIVE):
        look.append("is-archive")
    return cell | {
        "url": url,
        "free": f"{free // 1_000:,} k" if free >= ROUNDED else f"{free:,}",
        "look": " ".join(look),
        "current": part.prefix == place.block,
        "strip": _strip(counts, counts.total),
        "what": _words(counts),
    }


def _in_range(first, last, selected):
    """Return the range of a cell, and whether all or a part of it is selected."""
    inside = bool(selected) and selected.first <= first and last <= selected.last
    partly = bool(selected) and not inside and selected.first <= last and first <= selected.last
    return {"range": f"{first}-{last}", "selected": inside, "partly": partly}


def _strip(counts, total):
    """Return (status, begin, width) of each status in percent."""
    strip, begin = [], 0.0
    for status, numbers in counts.items():
        width = 100 * numbers / total
        strip.append((status, round(begin, 2), round(width, 2)))
        begin += width
    return strip


def _words(counts):
    return ", ".join(f"{numbers:,} {st.LABELS[status]}" for status, numbers in counts.items())


def _right(place, selected):
    """Return the grid of the block: its numbers, lines of a thousand, or its parts."""
    context = {
        "block_title": place.written(place.block),
        "block_query": urlencode(_range(place, place.block)),
        "counters": [
            (status, st.LABELS[status], numbers, urlencode(_range(place, place.block) | {"status": status}))
            for status in ORDER
            if (numbers := place.block_counts.get(status))
        ],
        "find_url": f"{reverse('runs:find')}?{urlencode({'count': 20, 'begins': place.block})}",
    }
    if not place.has_numbers:
        rest = place.digits - len(place.block)
        return context | {
            "part_rows": [
                {
                    "label": _digits(f"{n}", rest),
                    "cells": [
                        _cell(
                            place,
                            part,
                            _url(place, selected, prefix=place.block, block=part.prefix),
                            selected,
                        )
                        for part in place.block_parts[10 * n : 10 * n + 10]
                    ],
                    "free": sum(part.counts.free for part in place.block_parts[10 * n : 10 * n + 10]),
                }
                for n in range(10)
            ],
            "part_columns": [_digits(f"x{n}", rest) for n in range(10)],
        }
    if place.is_thousand:
        return context | {
            "lines": [_line(place, row, selected) for row in place.numbers],
            "longest": _longest(place),
        }
    runs = {number: run for run in place.runs for number in _numbers_of(run)}
    return context | {
        "number_rows": [
            {
                "label": f"{row[0][-4:-1]}x",
                "cells": [_number(place, number, runs, selected) for number in row],
            }
            for row in place.numbers
        ],
        "runs": [
            {
                "run": run,
                "label": f"{run.first[-2:]}–{run.last[-2:]}" if run.length > 1 else run.first[-2:],
                "url": _url(place, select=f"{run.first}-{run.last}"),
                "current": selected and selected.run == run,
            }
            for run in place.runs
        ],
    }


def _numbers_of(run):
    width = len(run.first)
    return (f"{number:0{width}}" for number in range(int(run.first), int(run.last) + 1))


def _number(place, number, runs, selected):
    """Return what a number looks like; ``edges``: where the outline of its free run is drawn."""
    run, at = runs.get(number), int(number[-2:])
    first, last = (int(run.first[-2:]), int(run.last[-2:])) if run else (0, 0)
    edges = {
        "has-top": at - 10 < first,
        "has-bottom": at + 10 > last,
        "has-left": at == first or at % 10 == 0,
        "has-right": at == last or at % 10 == 9,
    }
    status = place.statuses.get(number)
    look = "" if status else "is-unowned"
    if run:
        look = " ".join(["is-free", *(edge for edge, is_there in edges.items() if is_there)])
    return {
        "number": number,
        "label": number[-2:],
        "status": status,
        "words": st.LABELS[status] if status else "not owned",
        "run": f"{run.first}-{run.last}" if run else "",
        "look": look,
        "url": _url(place, select=f"{number}-{number}"),
    } | _in_range(number, number, selected)


def _line(place, row, selected):
    """Return a hundred as a line: a piece for each stretch of one status, free ones with their length."""
    pieces, begin = [], 0
    while begin < len(row):
        status, end = place.statuses.get(row[begin]), begin + 1
        while end < len(row) and place.statuses.get(row[end]) == status:
            end += 1
        length = end - begin
        is_marked = status == st.INSTOCK and length >= MARKED
        pieces.append(
            {
                "status": status,
                "begin": begin,
                "length": length,
                "middle": (begin + end) / 2,
                "is_marked": is_marked,
            }
        )
        begin = end
    free = [piece for piece in pieces if piece["status"] == st.INSTOCK]
    return _in_range(row[0], row[-1], selected) | {
        "label": f"{row[0][-4:-2]}xx",
        "url": _url(place, selected, block=row[0][:-2]),
        "pieces": pieces,
        "chosen": _chosen(row, selected),
        "free": sum(piece["length"] for piece in free),
        "words": ", ".join(
            f"{row[piece['begin']][-2:]}–{row[piece['begin'] + piece['length'] - 1][-2:]}" for piece in free
        ),
    }


def _chosen(row, selected):
    """Return from which number of a hundred on how many are selected."""
    if not selected or selected.last < row[0] or row[-1] < selected.first:
        return {"begin": 0, "length": 0}
    begin, end = (int(max(selected.first, row[0])[-2:]), int(min(selected.last, row[-1])[-2:]))
    return {"begin": begin, "length": end - begin + 1}


def _longest(place):
    return max(place.runs, key=lambda run: run.length, default=None)
