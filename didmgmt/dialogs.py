"""Dialogs over a list: put into the page that asked, or a page of their own (bookmarks, no scripts)."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from didmgmt.addresses import fits_redirect, go_to, is_ours

view = require_http_methods(["GET", "HEAD", "POST"])  # what a dialog is asked with


def show(request, template, context, *, title, back_url, status=200):
    context = context | {"dialog_template": template, "dialog_title": title, "back_url": back_url}
    return render(request, template if request.htmx else "dialog_page.html", context, status=status)


def close(request, back_url):
    if not request.htmx:
        return go_to(back_url)
    # Too long for a header it is the address of the list itself, over which the dialog stands.
    return HttpResponseClientRedirect(back_url) if fits_redirect(back_url) else HttpResponseClientRefresh()


def back_to(request, listed, *others):
    """The list (its address without a filter) with the filter and page that the person came from.

    ``others``: further addresses that the dialog may have been opened on, and that it leads back to.

    A form carries it on as ``back``, since a page of its own is what its POST comes from.
    """
    came_from = request.POST.get("back") or request.htmx.current_url or request.headers.get("Referer", "")
    if not is_ours(request, came_from):
        return listed
    address = urlsplit(came_from)
    if address.path not in (listed, *others):
        return listed
    return f"{address.path}?{address.query}" if address.query else address.path


def record(request, make_form, instance, *, back_url, edit_url, title, done_url=None):
    """The form of a new ``instance`` or of an existing one. OK saves and closes, Apply saves and stays.

    ``make_form``: a form like ``screens.forms.RecordForm``. ``edit_url``, ``done_url``: make of what is
    saved the address where Apply goes on, and the one that a new one leads to (``back_url`` when None).
    ``title``: of a new one.
    """
    action_url, new = request.path, instance.pk is None
    form = make_form(request.POST if request.method == "POST" else None, instance=instance, by=request.user)
    saved_text = ""
    if form.is_valid() and form.record():
        saved_text = f"{instance._meta.verbose_name.capitalize()} {instance} is saved. {form.note}".strip()
        if "apply" not in request.POST:
            messages.success(request, saved_text)
            return close(request, done_url(instance) if new and done_url else back_url)
        form, action_url = make_form(instance=instance, by=request.user), edit_url(instance)
    title = title if form.instance.pk is None else form.initial["name"]
    context = {"form": form, "title": title, "action_url": action_url, "saved_text": saved_text}
    status = 422 if form.errors else 200
    return show(request, "_record.html", context, title=title, back_url=back_url, status=status)
