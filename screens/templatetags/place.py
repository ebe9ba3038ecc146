"""Template tags that say where one is: the section of a page, and its title."""

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe

register = template.Library()

PRODUCT = "DID Management"
# {namespace of URLs, or table of an import: section}; other pages belong to none
SECTIONS = {
    "overview": "Overview",
    "calendar": "Overview",
    "dids": "DIDs",
    "blocks": "DIDs",
    "operators": "DIDs",
    "reservations": "DIDs",
    "runs": "DIDs",
    "start": "DIDs",
    "stock_levels": "DIDs",
    "rules": "DIDs",
    "clients": "Clients",
    "accounts": "Clients",
    "client_packages": "Clients",
    "resellers": "Clients",
    "packages": "Packages",
    "audit": "Audit log",
    "jobs": "Jobs",
    "notices": "Notifications",
    "people": "People",
    "roles": "People",
    "webhooks": "API",
    "tokens": "API",
    "api_reference": "API",
}


@register.simple_tag(takes_context=True)
def section(context):
    """Return the section that the page belongs to, or "". Import pages belong to that of their table."""
    return SECTIONS.get(_place(context)[0], "")


@register.inclusion_tag("_tab.html", takes_context=True)
def tab(context, name, label, *places):
    """Render a tab that leads to the URL ``name``.

    It is the current one on pages of ``places``: namespaces of URLs, tables of imports or names of URLs.
    """
    current = any(place in places for place in _place(context))
    return {"url": reverse(name), "label": label, "current": current, "total": context.get("total")}


def _place(context):
    """Return the namespace or table of the page and its URL name, "" for a page without them."""
    match = getattr(context.get("request"), "resolver_match", None)
    return (match.kwargs.get("table") or match.app_name, match.view_name) if match else ("", "")


@register.simple_block_tag(takes_context=True)
def page_title(context, content):
    """Return the text of <title>: what the page shows, its section and the product."""
    shown = [part for part in " ".join(content.split()).split(" · ") if part]
    for part in (section(context), PRODUCT):
        if part and part not in shown[-1:]:
            shown.append(part)
    return mark_safe(" · ".join(shown))  # the content has been rendered and escaped
