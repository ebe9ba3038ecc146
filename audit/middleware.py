from audit.changes import origin


class OriginMiddleware:
    """Changes made while a request is served say which screen and address they came from."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with origin(request.path, request.META.get("REMOTE_ADDR", "")):
            return self.get_response(request)
