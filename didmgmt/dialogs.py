"""Dialogs over a list: put into the page that asked, or a page of their own (bookmarks, no scripts)."""

from urllib.parse import urlsplit

from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect


def show(request, template, context, *, title, back_url, status=200):
    context = context | {"dialog_template": template, "dialog_title": title, "back_url": back_url}
    return render(request, template if request.htmx else "dialog_page.html", context, status=status)


def close(request, back_url):
    return HttpResponseClientRedirect(back_url) if request.htmx else redirect(back_url)


def back_to(request, listed):
    """The list (its address without a filter) with the filter and page that the person came from.

    A form carries it on as ``back``, since a page of its own is what its POST comes from.
    """
    came_from = request.POST.get("back") or request.htmx.current_url or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(came_from, {request.get_host()}, request.is_secure()):
        return listed
    address = urlsplit(came_from)
    return f"{listed}?{address.query}" if address.path == listed and address.query else listed
