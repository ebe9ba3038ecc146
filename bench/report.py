"""``bench --plots``: the tables and plots of bench/README.md, made from the results that are kept beside it.

A result is a JSON line as ``bench --save`` writes it. A few lines on two axes need no library for plots.
"""

import json
import math
from html import escape
from pathlib import Path

BENCH = Path(__file__).parent
BEGINNING = "<!-- From here on made by `manage.py bench --plots`. -->\n"
ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
PLOTTED = {  # group of scenarios: title
    "page": "Pages of the whole list",
    "sort, first": "First page, sorted (dashed: downwards)",
    "sort, last": "Last page, sorted (dashed: downwards)",
    "sort, middle": "Middle page, sorted",
    "filter": "First page, by one filter",
    "two filters": "First page, by two filters",
    "search": "First page, by a search for numbers",
    "bound": "Of somebody bound to a reseller",
    "as of an hour ago": "As of an hour ago",
    "as of half way back": "As of half way back",
    "as of near the beginning": "As of near the beginning",
}
# Told apart by the colour-blind as well; the last ones only beside lines that end elsewhere.
COLOURS = "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #000000 #8c6d31 #7b4173 #999999".split()


def write(folder=BENCH):
    """Make the plots and what of README.md is made anew; what stands above its ``BEGINNING`` stays."""
    lines = [
        json.loads(line)
        for path in sorted((folder / "results").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    of = {kind: [line for line in lines if line.get("bench") == kind] for kind in _TABLES}
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    images = []
    for group, title in PLOTTED.items():
        if shown := [line for line in of["lists"] if line["group"] == group]:
            path = plots / f"{group.replace(', ', '-').replace(' ', '-')}.svg"
            path.write_text(plot(title, shown))
            images.append(f"![{title}](plots/{path.name})\n")
    readme = folder / "README.md"
    above, _, _ = readme.read_text().partition(BEGINNING)
    made = [table(of[kind]) for kind, table in _TABLES.items() if of[kind]]
    readme.write_text(above + BEGINNING + "\n" + "\n".join([*images, *made]))


# --- tables ---------------------------------------------------------------------------------------


def _lists(lines):
    """p50 by size, and of the largest p95 and how many times as long it takes as the first."""
    sizes = sorted({line["rows"] for line in lines})
    cells = {(line["scenario"], line["engine"], line["rows"]): line for line in lines}
    engines = [engine for engine in ENGINES if any(line["engine"] == engine for line in lines)]
    head = ["p50 in ms", "queries"]
    for engine in engines:
        head += [f"{ENGINES[engine]} {sizes[0]:,}", *(f"{size:,}" for size in sizes[1:]), "p95", "×"]
    rows = []
    for name in dict.fromkeys(line["scenario"] for line in lines):
        row = [name, ""]
        for engine in engines:
            found = [cells.get((name, engine, size)) for size in sizes]
            row += [f"{line['p50']:,}" if line else "" for line in found]
            last = next((line for line in reversed(found) if line), None)
            row[1] = row[1] or (f"{last['queries']}" if last else "")
            row += [f"{last['p95']:,}", _marked(last)] if last else ["", ""]
        rows.append(row)
    return _table(head, rows)


def _marked(line):
    return f"**{line['ratio']}**" if line["grows"] else f"{line['ratio']}"


def _mixed(lines):
    columns = ["times", "per_second", "p50", "p95", "p99", "max"]
    rows = []
    for line in lines:
        what = f"{ENGINES[line['engine']]}, {line['rows']:,} numbers, {line['clients']} at once"
        rows.append([what, line["scenario"], *(_number(line.get(column)) for column in columns)])
    return _table(["many at once, ms", "", *(name.replace("_", " ") for name in columns)], rows)


def _meanwhile(lines):
    columns = ["p50", "p95", "max", "idle", "ratio", "worker_begun", "worker_most"]
    head = ["ms during a job", "", *columns[:5], "worker MiB, begun", "most"]
    rows = []
    for line in lines:
        what = f"{ENGINES[line['engine']]}, {line['rows']:,} numbers"
        rows.append([what, line["scenario"], *(_number(line.get(column)) for column in columns)])
    return _table(head, rows)


_TABLES = {"lists": _lists, "mixed": _mixed, "meanwhile": _meanwhile}


def _number(value):
    return "" if value is None else f"{value:,}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


# --- plots ----------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, LEGEND = 320, 260, 70, 52, 290


def plot(title, lines):
    """An SVG of p50 by size, both logarithmic: a panel an engine, a line a scenario."""
    engines = [engine for engine in ENGINES if any(line["engine"] == engine for line in lines)]
    names = list(dict.fromkeys(line["scenario"] for line in lines))
    colours = dict(zip(dict.fromkeys(map(_plain, names)), COLOURS * 3, strict=False))
    low, high = (edge(line["rows"] for line in lines) for edge in (min, max))
    across = Axis(low, max(high, low * 10), LEFT, LEFT + WIDTH)
    times = [max(line["p50"], 1) for line in lines]
    up = Axis(_ten(min(times), math.floor), _ten(max(times) * 1.01, math.ceil), TOP + HEIGHT, TOP)
    full = len(engines) * (LEFT + WIDTH) + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {TOP + HEIGHT + 44}"'
        ' font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for index, engine in enumerate(engines):
        parts.append(f'<g transform="translate({index * (LEFT + WIDTH)})">')
        parts.append(f'<text x="{LEFT}" y="{TOP - 10}">{ENGINES[engine]}, p50 in ms by numbers</text>')
        for value in across.tens():
            x = across.at(value)
            parts.append(f'<path d="M{x} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
            parts.append(f'<text x="{x}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{value:,}</text>')
        for value in up.tens():
            y = up.at(value)
            parts.append(f'<path d="M{LEFT} {y}H{LEFT + WIDTH}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end">{value:,}</text>')
        for name in names:
            spots = sorted(
                (line["rows"], max(line["p50"], 1))
                for line in lines
                if (line["engine"], line["scenario"]) == (engine, name)
            )
            points = " ".join(f"{across.at(rows)},{up.at(ms)}" for rows, ms in spots)
            dash = ' stroke-dasharray="5 3"' if _plain(name) != name else ""
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colours[_plain(name)]}"'
                f' stroke-width="2"{dash}/>'
            )
        parts.append("</g>")
    for index, (name, colour) in enumerate(colours.items()):
        x, y = len(engines) * (LEFT + WIDTH) + 14, TOP + 8 + index * 17
        parts.append(f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _plain(name):
    """A sorted page's name without its way: both ways have one colour."""
    return name.replace(", down", "")


def _ten(value, to_whole):
    return 10 ** to_whole(math.log10(value))


class Axis:
    """Values from ``low`` to ``high``, by their logarithm, between two positions in pixels."""

    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def tens(self):
        """The powers of ten that lie on it."""
        power = _ten(self.low, math.ceil)
        while power <= self.high:
            yield power
            power *= 10
