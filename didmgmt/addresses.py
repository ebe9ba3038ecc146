"""Redirect to URLs of any length.

The URL of a list is as long as the text pasted into its search: a thousand numbers are 16,000 characters.
Browsers and this product's server accept that, but redirects do not.
"""

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.encoding import iri_to_uri
from django.utils.http import MAX_URL_REDIRECT_LENGTH, url_has_allowed_host_and_scheme


def is_ours(request, address):
    """Return whether ``address``, of any length, belongs to this site."""
    path, _, _ = address.partition("?")
    return url_has_allowed_host_and_scheme(path, {request.get_host()}, request.is_secure())


def fits_redirect(address):
    return len(address) <= MAX_URL_REDIRECT_LENGTH


def go_to(address):
    """Redirect to an address of this site; if it is too long, answer with a page that forwards to it."""
    if fits_redirect(address):
        return HttpResponseRedirect(address)
    return HttpResponse(render_to_string("go_on.html", {"address": iri_to_uri(address)}))
