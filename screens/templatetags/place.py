"""Template tags that say where one is: the section of a page, and its title."""

from django import template
from django.utils.safestring import mark_safe

register = template.Library()

PRODUCT = "DID Management"
# {namespace of URLs, or table of an import: section}; other pages belong to none
SECTIONS = {
    "dids": "DIDs",
    "operators": "DIDs",
    "start": "DIDs",
    "clients": "Clients",
    "accounts": "Clients",
    "client_packages": "Clients",
    "resellers": "Clients",
    "packages": "Packages",
    "audit": "Audit log",
    "jobs": "Jobs",
    "people": "People",
    "roles": "People",
}


@register.simple_tag(takes_context=True)
def section(context):
    """Return the section that the page belongs to, or "". Import pages belong to that of their table."""
    match = getattr(context.get("request"), "resolver_match", None)
    if match is None:
        return ""
    return SECTIONS.get(match.kwargs.get("table") or match.app_name, "")


@register.simple_block_tag(takes_context=True)
def page_title(context, content):
    """Return the text of <title>: what the page shows, its section and the product."""
    shown = [part for part in " ".join(content.split()).split(" · ") if part]
    for part in (section(context), PRODUCT):
        if part and part not in shown[-1:]:
            shown.append(part)
    return mark_safe(" · ".join(shown))  # the content has been rendered and escaped
