"""How long the server took, on the page itself and for the browser's tools."""

import time

PLACEHOLDER = b"<!--server-time-->"


class ServerTimeMiddleware:
    """Writes the seconds from request to finished page in place of the footer's placeholder.

    Stands before all but compression, so that everything else is inside the time. A streamed answer
    (an export) has only the header, with the time until its first byte.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        response.headers["Server-Timing"] = f"app;dur={seconds * 1000:.1f}"
        if not response.streaming and PLACEHOLDER in response.content:
            response.content = response.content.replace(PLACEHOLDER, f"{seconds:.3f}".encode(), 1)
            if "Content-Length" in response.headers:
                response.headers["Content-Length"] = str(len(response.content))
        return response
