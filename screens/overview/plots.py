"""The geometry of the plots, for templates that draw SVG without a viewBox, so that text never scales.

x is in percent of the width and y in pixels from the top. Curves are in an inner SVG that is stretched: there
x is in thousandths of the width.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from dids.lifecycle import statuses as st
from dids.overview import STATUSES

RETURN_ORDER = (st.INSTOCK, st.RESERVED, st.ARCHIVE)  # from the bottom
NICE = (1, 2, 5)
FLOWS = 96.5  # percent of the width; right of them are the values of the grid


@dataclass
class Segment:
    """A part of a bar: from ``x``, ``width`` wide, both in percent."""

    status: str
    count: int
    x: float
    width: float

    @property
    def label(self):
        return st.LABELS[self.status]

    @property
    def end(self):
        return round(self.x + self.width, 2)


@dataclass
class Box:
    """A rectangle: ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels; ``tip``: its meaning."""

    x: float
    width: float
    y: float
    height: float
    tip: str
    kind: str = ""


@dataclass
class Tick:
    """A day or a value of an axis, ``at`` percent of the width or pixels. ``minor``: not shown on phones."""

    at: float
    label: str
    minor: bool = False


def segments(counts, most):
    """Return the Segments of one stacked bar; ``most``: how many numbers the whole width is."""
    found, x = [], 0.0
    for status in STATUSES:
        if count := counts[status]:
            width = 100 * count / most
            found.append(Segment(status, count, round(x, 2), round(width, 2)))
            x += width
    return found


def nice_below(value):
    """Return the largest of 1, 2, 5, 10, 20, 50 … that is not above ``value``, 0 below 1."""
    found, power = 0, 1
    while power <= value:
        found = max(step * power for step in NICE if step * power <= value)
        power *= 10
    return found


def grid(most, pixels, lines=2):
    """Return up to two Ticks for values from 0 to ``most``, which is ``pixels`` high; ``at``: upwards."""
    step = nice_below(most / lines) or nice_below(most)
    if not step:
        return []
    return [Tick(pixels * n * step / most, f"{n * step:,}") for n in range(1, lines + 1) if n * step <= most]


def months(first, last):
    """Return a Tick at the first day of each month from ``first`` to ``last``."""
    span, found = max(1, (last - first).days), []
    day = first.replace(day=1)
    while day <= last:
        if day >= first:
            label = f"{day:%b} {day.year}" if day.month == 1 else f"{day:%b}"
            found.append(Tick(round(100 * (day - first).days / span, 2), label, len(found) % 2 == 1))
        day = (day + timedelta(days=32)).replace(day=1)
    return found


def path(points, *, first, last, most, top, bottom):
    """Return the ``d`` of a path through (day, value): days ``first`` to ``last`` are 0 to 1000.

    A day that is not next to the one before it begins a new line: between them nothing is known. ``most`` is
    drawn at ``top``, 0 at ``bottom``, both in pixels.
    """
    parts, expected = [], None
    wide, high = 1000 / max(1, last - first), (bottom - top) / most
    for day, value in points:
        x, y = (day - first) * wide, bottom - high * (value if value < most else most)
        parts.append(f"{'L' if day == expected else 'M'}{x:.1f} {y:.1f}")
        expected = day + 1
    return "".join(parts)


# --- assigned and released a day


@dataclass
class Peak:
    """The label of the highest bar, beside its end: at ``x`` percent and ``y`` pixels."""

    x: float
    y: float
    label: str
    left: bool  # whether it stands to the left of the bar


@dataclass
class FlowPlot:
    """Bars of 90 days: upwards from ``zero`` what was assigned, downwards what was released."""

    boxes: list
    grid_up: list
    grid_down: list
    ticks: list
    assigned: float  # a day
    released: float
    known: int  # days
    most_assigned: object  # the FlowDay
    most_released: object
    peaks: list
    weeks: list
    missing: int  # days without a count
    zero: int = 112
    bottom: int = 208
    height: int = 236


def flow_plot(days):
    """Return the FlowPlot of a list of FlowDay, None if nothing was assigned or released."""
    known = [day for day in days if day.assigned is not None]
    most = max((max(day.assigned, day.released) for day in known), default=0)
    if not most:
        return None
    zero = FlowPlot.zero
    width, up, down = FLOWS / len(days), zero - 22, FlowPlot.bottom - zero - 1
    boxes = []
    for n, day in enumerate(days):
        x, name = round(n * width + width * 0.12, 3), f"{day.day:%a} {day.day.day} {day.day:%b}"
        bar = round(width * 0.76, 3)
        if day.assigned is None:
            boxes.append(Box(x, bar, zero - 4, 8, f"{name}: not counted", "gap"))
            continue
        if day.assigned:
            height = round(up * day.assigned / most, 1)
            boxes.append(Box(x, bar, zero - height, height, f"{name}: {day.assigned:,} assigned", "assigned"))
        if day.released:
            height = round(down * day.released / most, 1)
            boxes.append(Box(x, bar, zero + 1, height, f"{name}: {day.released:,} released", "released"))
    first, last = days[0].day, days[-1].day
    whole = [day for day in known if day.day != last] or known
    return FlowPlot(
        boxes=boxes,
        grid_up=[Tick(round(zero - tick.at, 1), tick.label) for tick in grid(most, up, 1)],
        grid_down=[Tick(round(zero + 1 + tick.at, 1), tick.label) for tick in grid(most, down, 1)],
        ticks=[
            Tick(round(tick.at / 100 * width * (len(days) - 1), 2), f"1 {tick.label}")
            for tick in months(first, last)
        ],
        assigned=sum(day.assigned for day in whole) / len(whole),
        released=sum(day.released for day in whole) / len(whole),
        known=len(known),
        most_assigned=max(known, key=lambda day: day.assigned),
        most_released=max(known, key=lambda day: day.released),
        peaks=_peaks(days, most, up, down),
        weeks=_weeks(days),
        missing=len(days) - len(known),
    )


def _peaks(days, most, up, down):
    """Return the Peaks of what was assigned and released, unless it is an everyday number."""
    found, width = [], FLOWS / len(days)
    for name, edge, pixels in (("assigned", FlowPlot.zero + 8, -up), ("released", FlowPlot.zero + 1, down)):
        counts = [getattr(day, name) or 0 for day in days]
        top = max(counts)
        if top * 2 < most or top < 2 * sorted(counts)[-2]:
            continue
        at = counts.index(top)
        left, day = at > len(days) / 2, days[at].day
        label = f"{top:,} on {day.day} {day:%b}"
        x = at * width + (0 if left else width)
        found.append(Peak(round(x, 2), round(edge + pixels * top / most, 1), label, left))
    return found


def _weeks(days):
    """Return the sums of seven days each, the newest first."""
    found = []
    for end in range(len(days), 0, -7):
        some = days[max(0, end - 7) : end]
        assigned = sum(day.assigned or 0 for day in some)
        released = sum(day.released or 0 for day in some)
        missing = sum(day.assigned is None for day in some)
        found.append(
            {
                "first": some[0].day,
                "last": some[-1].day,
                "assigned": assigned,
                "released": released,
                "net": assigned - released,
                "missing": missing,
            }
        )
    return found


# --- returns from Hold


@dataclass
class ReturnPlot:
    """Stacked bars of days, upwards from ``bottom``."""

    boxes: list
    grid: list
    ticks: list
    sums: dict  # {status: numbers}
    total: int
    peak: date
    peak_total: int
    peak_x: float
    peak_left: bool  # whether the labels of the highest bar stand to its left
    peak_labels: list  # Ticks with ``kind``
    rows: list  # (day, {status: numbers}, sum) of days with returns
    bottom: int = 206
    height: int = 232


def return_plot(days):
    """Return the ReturnPlot of (day, {status: numbers}), None if nothing returns."""
    sums = {status: sum(counts[status] for _, counts in days) for status in RETURN_ORDER}
    total = sum(sums.values())
    if not total:
        return None
    bottom, top = ReturnPlot.bottom, 24
    most = max(sum(counts.values()) for _, counts in days)
    width, boxes, rows = 100 / len(days), [], []
    for n, (day, counts) in enumerate(days):
        y = bottom
        for status in RETURN_ORDER:
            if count := counts[status]:
                height = round((bottom - top) * count / most, 1)
                y = round(y - height, 1)
                tip = f"{day:%a} {day.day} {day:%b}: {count:,} become {st.LABELS[status]}"
                boxes.append(
                    Box(round(n * width + width * 0.14, 3), round(width * 0.72, 3), y, height, tip, status)
                )
        if any(counts.values()):
            rows.append((day, counts, sum(counts.values())))
    at = max(range(len(days)), key=lambda n: sum(days[n][1].values()))
    peak, counts = days[at]
    left = at > len(days) / 2
    labels = [
        (status, f"{st.LABELS[status]} {counts[status]:,}", 30 + 18 * n)
        for n, status in enumerate(status for status in reversed(RETURN_ORDER) if counts[status])
    ]
    return ReturnPlot(
        boxes=boxes,
        grid=[Tick(round(bottom - tick.at, 1), tick.label) for tick in grid(most, bottom - top)],
        ticks=[
            Tick(round(n * width + width / 2, 2), f"{day.day} {day:%b}", n // 7 % 2 == 1)
            for n, (day, _) in enumerate(days)
            if n % 7 == 2 and n < len(days) - 2
        ],
        sums=sums,
        total=total,
        peak=peak,
        peak_total=sum(counts.values()),
        peak_x=round(at * width + (0 if left else width), 2),
        peak_left=left,
        peak_labels=labels,
        rows=rows,
    )


# --- forecasts


@dataclass
class Curve:
    """The stock of a subject: ``past`` solid, ``ahead`` dashed, and ``long``, at the rate of 90 days, dotted.

    Paths are in thousandths of the width. ``today``, ``dry``, ``long_dry`` and ``low``: percent of the width,
    None if not within it. ``level_y``: pixels, None without a level. ``most``: the value that is at ``top``.
    """

    past: str
    ahead: str
    long: str
    today: float
    today_y: float
    dry: float | None
    long_dry: float | None
    low: float | None
    level_y: float | None
    first: date
    last: date
    most: float
    height: int
    bottom: float
    top: float

    @property
    def grid(self):
        ticks = grid(self.most, self.bottom - self.top, 1)
        return [Tick(round(self.bottom - tick.at, 1), tick.label) for tick in ticks]

    @property
    def ticks(self):
        return months(self.first, self.last)


def curve(subject, past, base, *, back, ahead, height, bottom, top, long=False):
    """Return the Curve of a Subject; ``past``: [(day from ``base``, stock)], ``back`` and ``ahead``: days."""
    found, other = subject.forecast(), subject.forecast(90) if long else None
    most = max([1, subject.level, subject.in_stock, *(stock for _, stock in past)]) * 1.05
    shape = {"first": -back, "last": ahead, "most": most, "top": top, "bottom": bottom}

    def x(day):
        return round(100 * (day + back) / (back + ahead), 2) if day is not None and day <= ahead else None

    def y(stock):
        return round(bottom - (bottom - top) * stock / most, 1)

    def forward(one):
        return path(one.curve(ahead), **shape)

    return Curve(
        past=path(past, **shape),
        ahead=forward(found),
        long=forward(other) if other else "",
        today=x(0),
        today_y=y(subject.in_stock),
        dry=x(found.dry),
        long_dry=x(other.dry) if other else None,
        low=x(found.low) if found.low else None,
        level_y=y(subject.level) if subject.level else None,
        first=base - timedelta(days=back),
        last=base + timedelta(days=ahead),
        most=most,
        height=height,
        bottom=bottom,
        top=top,
    )
