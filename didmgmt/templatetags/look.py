"""Template tags for a consistent look: icons, status, numbers, times, form controls, sorting."""

import secrets
from datetime import timedelta
from functools import cache, lru_cache
from html import escape
from types import NoneType

from django import forms, template
from django.conf import settings
from django.http import QueryDict
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from didmgmt import form_tokens
from didmgmt.dates import show_minute
from didmgmt.parameters import OF_PAGE
from didmgmt.text import show_invisible

register = template.Library()

FRAGMENTS_MOST = 200  # texts that a fragment keeps
_HOLE = f"hole-{secrets.token_hex(16)}-"  # nobody can write it into a name or a note
_FORM_TOKEN = "new_form_token"  # noqa: S105 - a name


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


@register.tag
def fragment(parser, token):
    """Render what depends on a few values once for each combination of them, in each process.

    ``{% fragment dense=user.is_dense holes name=user.get_full_name %}…{% endfragment %}``: the content sees
    the values in front of ``holes``, which are the key under which its text is kept, and nothing else of the
    page; so no other user's text can get into it. They are texts, numbers, booleans, None, or tuples of them.
    Values after ``holes`` are filled into each copy, escaped, where the content has ``{{ name }}``; it can do
    nothing else with them. ``name`` alone stands for ``name=name``. CSRF tokens and form tokens are such
    holes of every fragment. The content must not show times, whose zone is the user's.
    """
    _, *bits = token.split_contents()
    at = bits.index("holes") if "holes" in bits else len(bits)
    key, holes = (_values(some, parser) for some in (bits[:at], bits[at + 1 :]))
    nodelist = parser.parse(["endfragment"])
    parser.delete_first_token()
    return _Fragment(nodelist, key, holes)


def _values(bits, parser):
    """Return {name: expression} of ``name=expression`` or ``name``, for the variable of that name."""
    named = (bit.partition("=") for bit in bits)
    return {name: parser.compile_filter(expression or name) for name, _, expression in named}


class _Fragment(template.Node):
    def __init__(self, nodelist, key, holes):
        self.nodelist, self.key, self.holes = nodelist, key, holes
        self.kept = {}  # {key: [text, name of a hole, text, …]}

    def render(self, context):
        values = {name: value.resolve(context) for name, value in self.key.items()}
        key = tuple([_typed(value) for value in values.values()])
        if (parts := self.kept.get(key)) is None:
            parts = self._parts(context, values)
            if len(self.kept) >= FRAGMENTS_MOST:
                self.kept.clear()
            self.kept[key] = parts
        if len(parts) == 1:
            return parts[0]
        filled = {name: value.resolve(context) for name, value in self.holes.items()}
        texts = parts[:]
        for place in range(1, len(parts), 2):
            name = parts[place]
            if name in filled:
                texts[place] = conditional_escape(filled[name])
            else:
                texts[place] = new_token() if name == _FORM_TOKEN else str(context.get("csrf_token", ""))
        return "".join(texts)

    def _parts(self, context, values):
        holes = [*self.holes, "csrf_token", _FORM_TOKEN]
        inner = template.Context(values | {name: mark_safe(f"{_HOLE}{name};") for name in holes})
        with inner.bind_template(context.template):
            html = self.nodelist.render(inner)
        first, *others = html.split(_HOLE)
        parts = [first]
        for other in others:
            name, _, text = other.partition(";")
            if name not in holes:
                raise ValueError(f"a fragment uses its hole “{name}” as something else than text")
            parts += [name, text]
        return parts


def _typed(value):
    """Return a key that differs for values that are rendered differently, such as "<" and a safe "<"."""
    if isinstance(value, tuple):
        return type(value), tuple([_typed(one) for one in value])
    if type(value) not in (str, SafeString, int, bool, NoneType):
        raise TypeError(f"a fragment can’t be kept by {value!r}")
    return type(value), value


@register.simple_tag
def status(key, label, days_left=None):
    """Render the badge of a status; ``days_left`` is only for Hold."""
    days = "" if days_left is None else f'<span class="did-status-days"> · {days_left} d</span>'
    # escape instead of format_html, for speed: a page shows hundreds
    return mark_safe(f'<span class="did-status did-status-{escape(key)}">{escape(label)}{days}</span>')


@register.filter
def thousands(value):
    """Format 6402 as 6,402, a ``listing.Count`` by its label such as 10,000+. Never for DID numbers."""
    return getattr(value, "label", f"{value:,}") if isinstance(value, int) else value


@register.simple_tag
def moment(value, seconds=False):
    """Render `<time>` as "3 Nov 2026, 14:05" in the current zone, with seconds and zone on hover.

    ``seconds``: whether they are shown as well. An empty value gives an empty string.
    """
    if not value:
        return ""
    local = timezone.localtime(value)
    minute = show_minute(local)
    second = f"{minute}:{local:%S}"
    iso = value.isoformat(timespec="seconds")  # HTML knows no microseconds
    zone = escape(timezone.get_current_timezone_name())
    return mark_safe(f'<time datetime="{iso}" title="{second} {zone}">{second if seconds else minute}</time>')


@register.simple_tag(takes_context=True)
def sort_header(context, key, label):
    """Render a column header that sorts by ``key``, or reverses that order."""
    direction = {key: "ascending", f"-{key}": "descending"}.get(context["listing"].sort)
    aria = f' aria-sort="{direction}"' if direction else ""
    order = f"-{key}" if direction == "ascending" else key
    query = escape(_query_without(context["request"].META["QUERY_STRING"], "sort", *OF_PAGE))
    arrow = icon({"ascending": "arrow-up", "descending": "arrow-down"}.get(direction, "selector"))
    return mark_safe(
        f'<th scope="col" class="col-{escape(key)}"{aria}>'
        f'<a class="sort" href="{query}sort={escape(order)}">{conditional_escape(label)} {arrow}</a></th>'
    )


@register.simple_tag(takes_context=True)
def query_without(context, *names):
    """Return the query string of the page without some parameters, to which another one can be added.

    It begins with "?" and ends with "?" or "&".
    """
    return _query_without(context["request"].META["QUERY_STRING"], *names)


@lru_cache(maxsize=500)
def _query_without(query_string, *names):
    data = QueryDict(query_string, mutable=True)
    for name in names:
        data.pop(name, None)
    query = data.urlencode()
    return f"?{query}&" if query else "?"


@register.filter
def as_hidden_fields(parameters, left_out=""):
    """Render (name, value) pairs as hidden fields, without those of one name."""
    return mark_safe(
        "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(str(value))}">'
            for name, value in parameters
            if name != left_out
        )
    )


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


@register.simple_tag(takes_context=True)
def form_token(context):
    """Render the field with which a form is carried out once, however often it is sent."""
    token = context.get(_FORM_TOKEN) or new_token()
    return mark_safe(f'<input type="hidden" name="{form_tokens.FIELD}" value="{token}">')


def new_token():
    return secrets.token_urlsafe(16)


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
def refused_lists_of(message):
    """Return [(label, address)] of the refused numbers from a message's tags "refused-12-/dids/?…"."""
    tags = [tag.split("-", 2) for tag in message.tags.split() if tag.startswith("refused-")]
    several = len(tags) > 1
    return [(f"Show the {count} refused" if several else "Show the refused", url) for _, count, url in tags]


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
