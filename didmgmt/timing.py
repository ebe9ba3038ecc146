"""Report how long the server took, on the page and in the Server-Timing header."""

import time

PLACEHOLDER = b"<!--server-time-->"


class ServerTimeMiddleware:
    """Replace the footer's placeholder with the seconds from request to finished page.

    It comes before every middleware but compression, so that their time is included. A streamed response (an
    export) has only the header, with the time to its first byte.
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
