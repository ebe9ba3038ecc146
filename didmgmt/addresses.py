"""Where to go on. The address of a list is as long as what somebody pasted into its search: a thousand
numbers are 16,000 characters. Browsers and this product's server take that, redirects do not."""

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.encoding import iri_to_uri
from django.utils.http import MAX_URL_REDIRECT_LENGTH, url_has_allowed_host_and_scheme


def is_ours(request, address):
    """Whether ``address``, which somebody has sent, is one of this site; of any length."""
    place, _, _ = address.partition("?")
    return url_has_allowed_host_and_scheme(place, {request.get_host()}, request.is_secure())


def fits_redirect(address):
    return len(address) <= MAX_URL_REDIRECT_LENGTH


def go_to(address):
    """To an address of this site: by a redirect, or for one too long by a page that goes on by itself."""
    if fits_redirect(address):
        return HttpResponseRedirect(address)
    return HttpResponse(render_to_string("go_on.html", {"address": iri_to_uri(address)}))
