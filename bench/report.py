"""Write the tables and plots of bench/README.md from the results in bench/results (``bench --plots``).

A result is a JSON line as written by ``bench --save``. A few lines on two axes need no plotting library.
"""

import json
import math
from html import escape
from pathlib import Path

BENCH = Path(__file__).parent
MARKER = "<!-- Generated below by `manage.py bench --plots`. -->\n"
ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
PLOTTED = {  # group of scenarios: title
    "page": "Pages of the whole list",
    "sort, first": "First page, sorted (dashed: descending)",
    "sort, last": "Last page, sorted (dashed: descending)",
    "sort, middle": "Middle page, sorted",
    "filter": "First page, with one filter",
    "two filters": "First page, with two filters",
    "search": "First page, with a number search",
    "bound": "As a user bound to a reseller",
    "as of an hour ago": "As of an hour ago",
    "as of half way back": "As of halfway back",
    "as of near the beginning": "As of near the start",
}
# Distinguishable by the colour-blind; the last ones only for lines that end elsewhere.
COLOURS = "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #000000 #8c6d31 #7b4173 #999999".split()


def write(folder=BENCH):
    """Write the plots and the part of README.md after its ``MARKER``."""
    lines = [
        json.loads(line)
        for path in sorted((folder / "results").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    by_kind = {kind: [line for line in lines if line.get("bench") == kind] for kind in _TABLES}
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    images = []
    for group, title in PLOTTED.items():
        if shown := [line for line in by_kind["lists"] if line["group"] == group]:
            path = plots / f"{group.replace(', ', '-').replace(' ', '-')}.svg"
            path.write_text(plot(title, shown))
            images.append(f"![{title}](plots/{path.name})\n")
    readme = folder / "README.md"
    kept, _, _ = readme.read_text().partition(MARKER)
    tables = [table(by_kind[kind]) for kind, table in _TABLES.items() if by_kind[kind]]
    readme.write_text(kept + MARKER + "\n" + "\n".join([*images, *tables]))


# --- tables ---------------------------------------------------------------------------------------


def _lists(lines):
    """Return the p50 by size, and for the largest size the p95 and the ratio to the first size."""
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
        about = f"{ENGINES[line['engine']]}, {line['rows']:,} numbers, {line['clients']} at once"
        rows.append([about, line["scenario"], *(_number(line.get(column)) for column in columns)])
    return _table(["concurrent users, ms", "", *(name.replace("_", " ") for name in columns)], rows)


def _meanwhile(lines):
    columns = ["p50", "p95", "max", "idle", "ratio", "worker_begun", "worker_most"]
    head = ["ms during a job", "", *columns[:5], "worker MiB, started", "most"]
    rows = []
    for line in lines:
        about = f"{ENGINES[line['engine']]}, {line['rows']:,} numbers"
        rows.append([about, line["scenario"], *(_number(line.get(column)) for column in columns)])
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
    """Return an SVG of p50 by size on logarithmic axes, with a panel per engine and a line per scenario."""
    engines = [engine for engine in ENGINES if any(line["engine"] == engine for line in lines)]
    names = list(dict.fromkeys(line["scenario"] for line in lines))
    colours = dict(zip(dict.fromkeys(map(_plain, names)), COLOURS * 3, strict=False))
    low, high = (edge(line["rows"] for line in lines) for edge in (min, max))
    across = Axis(low, max(high, low * 10), LEFT, LEFT + WIDTH)
    times = [max(line["p50"], 1) for line in lines]
    up = Axis(_ten(min(times), math.floor), _ten(max(times) * 1.01, math.ceil), TOP + HEIGHT, TOP)
    full = len(engines) * (LEFT + WIDTH) + LEGEND
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {TOP + HEIGHT + 44}"'
            ' font-family="sans-serif" font-size="11">'
        ),
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
    """Return the name of a sorted page without its direction; both directions have one colour."""
    return name.replace(", down", "")


def _ten(value, to_whole):
    return 10 ** to_whole(math.log10(value))


class Axis:
    """Map values from ``low`` to ``high`` logarithmically to positions in pixels."""

    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def tens(self):
        """Yield the powers of ten on the axis."""
        power = _ten(self.low, math.ceil)
        while power <= self.high:
            yield power
            power *= 10
