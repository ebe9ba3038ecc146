from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit.changes import origin


class OriginMiddleware:
    """Record the path and IP address of a request with the changes that it makes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with origin(request.path, request.META.get("REMOTE_ADDR", "")):
            return self.get_response(request)
