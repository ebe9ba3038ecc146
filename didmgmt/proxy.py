from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed


class ClientAddressMiddleware:
    """Set REMOTE_ADDR to the client's address behind trusted proxies.

    Each proxy appends its peer's address to X-Forwarded-For, so with n trusted proxies the n-th entry from
    the right was written by the outermost one. Everything left of it comes from the client and can't be
    trusted. Lockouts and the audit log read REMOTE_ADDR.
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
