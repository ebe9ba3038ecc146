"""Template tags for a consistent look: icons, status, numbers, times, form controls, sorting."""

import secrets
from datetime import timedelta
from functools import cache
from html import escape

from django import forms, template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from didmgmt import form_tokens
from didmgmt.text import show_invisible

register = template.Library()


@register.simple_tag
@cache
def icon(name, label=""):
    """Render an icon of the sprite; without a label it is decorative and hidden from screen readers."""
    href = f"{static('vendor/tabler-icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"/></svg>', label, href)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>', href)


@register.tag
def once(parser, _token):
    """Render what is the same on every page, for everybody, only once in each process.

    It is rendered without the page's context, so nothing of a user or a request can get into it.
    """
    nodelist = parser.parse(["endonce"])
    parser.delete_first_token()
    return _Once(nodelist)


class _Once(template.Node):
    def __init__(self, nodelist):
        self.nodelist, self.html = nodelist, None

    def render(self, context):
        if self.html is None:
            empty = template.Context()
            with empty.bind_template(context.template):
                self.html = self.nodelist.render(empty)
        return self.html


@register.simple_tag
def status(key, label, days_left=None):
    """Render the badge of a status; ``days_left`` is only for Hold."""
    days = "" if days_left is None else f'<span class="did-status-days"> · {days_left} d</span>'
    # escape instead of format_html, for speed: a page shows hundreds
    return mark_safe(f'<span class="did-status did-status-{escape(key)}">{escape(label)}{days}</span>')


@register.filter
def thousands(value):
    """Format 6402 as 6,402. Never for DID numbers."""
    return f"{value:,}" if isinstance(value, int) else value


@register.simple_tag
def moment(value):
    """Render `<time>` as "3 Nov 2026, 14:05" in the current zone, with seconds and zone on hover.

    An empty value gives an empty string.
    """
    if not value:
        return ""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),  # HTML knows no microseconds
        f"{date_format(local, 'j M Y, H:i:s')} {timezone.get_current_timezone_name()}",
        date_format(local, "j M Y, H:i"),
    )


@register.inclusion_tag("_sort_header.html", takes_context=True)
def sort_header(context, key, label):
    """Render a column header that sorts by ``key``, or reverses that order."""
    current = context["listing"].sort
    direction = {key: "ascending", f"-{key}": "descending"}.get(current)
    return {
        "key": key,
        "label": label,
        "direction": direction,
        "next_sort": f"-{key}" if direction == "ascending" else key,
    }


@register.filter
def control(field, described_by=""):
    """Render the control of a form field with our CSS classes."""
    widget = field.field.widget
    attrs = {"class": f"{widget.attrs.get('class', '')} {_control_class(widget)}".strip()}
    if described_by:
        attrs["aria-describedby"] = described_by
    return field.as_widget(attrs=attrs)


@register.filter
def required_control(field, control_id):
    """Render a required control for a form field that the page shows elsewhere as an optional one."""
    attrs = {"id": control_id, "class": _control_class(field.field.widget), "required": True}
    return field.as_widget(attrs=attrs)


def _control_class(widget):
    if isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
        return "form-check-input"
    if isinstance(widget, forms.Select):
        return "form-select"
    return "form-control"


@register.filter
def kind_of(field):
    """Return "check", "group" or "text": how _field.html lays the field out."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
        return "group"
    return "check" if isinstance(widget, forms.CheckboxInput) else "text"


@register.simple_tag
def form_token():
    """Render the field with which a form is carried out once, however often it is sent."""
    token = secrets.token_urlsafe(16)
    return format_html('<input type="hidden" name="{}" value="{}">', form_tokens.FIELD, token)


@register.simple_tag
def page_sizes():
    return settings.PAGE_SIZES


@register.filter
def undo_of(message):
    """Return {word, change} for a message with the tag "undo-17" or "redo-17", else None."""
    for tag in message.tags.split():
        word, _, change = tag.partition("-")
        if word in ("undo", "redo"):
            return {"word": word.capitalize(), "change": change}
    return None


@register.filter
def refused_url_of(message):
    """Return the address of the refused numbers from a message's tag "refused-/dids/?…", else ""."""
    tags = (tag.partition("refused-") for tag in message.tags.split())
    return next((url for before, tag, url in tags if tag and not before), "")


@register.filter
def visible(value):
    """Show invisible signs of a text, see ``show_invisible``."""
    return show_invisible(value) if isinstance(value, str) else value


@register.filter
def digits(value):
    return len(str(value))


@register.filter
def roughly(duration):
    """Format a timedelta as "40 s", "2 min 5 s" or "1 h 12 min"."""
    seconds = max(1, round(duration.total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


@register.filter
def in_words(duration):
    """Format a timedelta as "15 minutes", rounded up."""
    minutes = -(-duration // timedelta(minutes=1))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
