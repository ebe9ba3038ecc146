"""Plots as SVG; their geometry is made by ``screens.overview.plots``."""

from html import escape

from django import template
from django.utils.safestring import mark_safe

from dids.lifecycle import statuses as st
from dids.overview import STATUSES

register = template.Library()

_FLOWS = ("assigned", "released", "gap")


@register.simple_tag
def boxes(found):
    """Render Boxes; in Python, because a plot has two hundred."""
    return mark_safe(
        "".join(
            f'<rect class="{_classes(box.kind)}" x="{box.x}%" y="{box.y}" width="{box.width}%"'
            f' height="{box.height}"><title>{escape(box.tip)}</title></rect>'
            for box in found
        )
    )


@register.simple_tag
def segment_boxes(segments):
    """Render the Segments of a bar."""
    return mark_safe(
        "".join(
            f'<rect class="{_classes(one.status)}" x="{one.x}%" y=".5" width="{one.width}%" height="13">'
            f"<title>{one.label}: {one.count:,}</title></rect>"
            for one in segments
        )
    )


@register.simple_tag
def group_rows(groups):
    """Render the rows of the table of Groups; in Python, because there may be a hundred."""
    return mark_safe("".join(f"<tr><td>{escape(group.name)}</td>{_counts(group)}</tr>" for group in groups))


@register.simple_tag
def return_rows(rows, hold_url):
    """Render the rows of a ReturnPlot; ``hold_url``: the list of the numbers on Hold."""
    return mark_safe(
        "".join(_return_row(day, counts, total, escape(hold_url)) for day, counts, total in rows)
    )


def _return_row(day, counts, total, hold_url):
    numbers = (total, *(counts[status] for status in (st.INSTOCK, st.RESERVED, st.ARCHIVE)))
    cells = "".join(f'<td class="num">{count:,}</td>' for count in numbers)
    named = f"{day:%a} {day.day} {day:%b %Y}"
    return f'<tr><td><a href="{hold_url}&amp;ends_on={day}">{named}</a></td>{cells}</tr>'


def _counts(group):
    counts = [*(group.counts[status] for status in STATUSES), group.total]
    return "".join(f'<td class="num">{count:,}</td>' for count in counts)


def _classes(kind):
    return f"flow-{kind}" if kind in _FLOWS else f"fill-{kind} edge-{kind}"


@register.filter
def add_px(value, pixels):
    return round(value + pixels, 1)


@register.filter
def percent_of(count, most):
    return round(100 * count / most, 2) if most else 0


@register.filter
def signed(count):
    """Format 877 as +877 and -11 as −11."""
    return f"{'+' if count > 0 else '−' if count < 0 else ''}{abs(count):,}"
