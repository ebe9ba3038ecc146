"""Dialogs over a list: a fragment for htmx, or a page of its own for bookmarks and without scripts."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from didmgmt.addresses import fits_redirect, go_to, is_ours

view = require_http_methods(["GET", "HEAD", "POST"])


def show(request, template, context, *, title, back_url, status=200):
    """Render the dialog; on its own page when htmx did not ask for it."""
    context = context | {"dialog_template": template, "dialog_title": title, "back_url": back_url}
    return render(request, template if request.htmx else "dialog_page.html", context, status=status)


def show_form(request, form, title, verb, *, back_url, template="_dialog_form.html"):
    """Render a dialog with a form that is sent to its own address; ``verb``: the words of its button."""
    context = {"form": form, "title": title, "verb": verb, "action_url": request.path}
    status = 422 if form.errors else 200
    return show(request, template, context, title=title, back_url=back_url, status=status)


def posted(request):
    """Return the data of a form, None if it is only asked for."""
    return request.POST if request.method == "POST" else None


def show_secret(request, template, context, *, title, secret, label, noun, then_url, back_url):
    """Show a secret once; ``template`` extends ``_secret_dialog.html``.

    ``label`` and ``noun``: what the secret is called above its field and in sentences. ``then_url``: the
    page that follows.
    """
    context |= {"title": title, "secret": secret, "secret_label": label, "secret_noun": noun}
    response = show(request, template, context | {"then_url": then_url}, title=title, back_url=back_url)
    response.headers["Content-Location"] = back_url  # where the same form leads when it is sent again
    return response


def done(request, sentence, list_url):
    """Say what was done, and go back to the list or to where the dialog was opened on it."""
    messages.success(request, sentence)
    return close(request, back_to(request, list_url))


def close(request, back_url):
    """Go to ``back_url``.

    One that is too long for a header is the address of the list under the dialog, which is then reloaded.
    """
    if not request.htmx:
        return go_to(back_url)
    return HttpResponseClientRedirect(back_url) if fits_redirect(back_url) else HttpResponseClientRefresh()


def back_to(request, list_url, *others):
    """Return the address that the dialog was opened on, with its filter and page.

    Only when its path is ``list_url`` or one of ``others``, else ``list_url``. The form sends it as
    ``back``: a dialog on a page of its own would otherwise return to itself.
    """
    came_from = request.POST.get("back") or request.htmx.current_url or request.headers.get("Referer", "")
    if not is_ours(request, came_from):
        return list_url
    address = urlsplit(came_from)
    if address.path not in (list_url, *others):
        return list_url
    return f"{address.path}?{address.query}" if address.query else address.path
