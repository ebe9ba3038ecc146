from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed


class ClientAddressMiddleware:
    """Put the visitor's address into REMOTE_ADDR when trusted proxies stand in front.

    Each proxy appends the address it was called from to X-Forwarded-For, so with n trusted proxies the
    n-th entry from the right was written by the outermost of them; everything left of it is the visitor's
    own claim. Throttling and the audit log then read one place.
    """

    def __init__(self, get_response):
        if not settings.TRUSTED_PROXIES:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request):
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= settings.TRUSTED_PROXIES and hops[-settings.TRUSTED_PROXIES]:
            request.META["REMOTE_ADDR"] = hops[-settings.TRUSTED_PROXIES]
        return self.get_response(request)
