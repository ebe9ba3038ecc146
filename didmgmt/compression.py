"""Compress responses for browsers that accept gzip.

The length of a compressed page reveals whether it repeats text that an attacker put into the request (the
BREACH attack). The secret in our pages is the CSRF token, which Django masks with a new random key in every
response. Session cookies are SameSite=Lax, so another site can't load a user's pages in the background to
guess at their content; for guesses by opening windows, Django adds up to 100 random bytes to every response.
"""

from django.middleware.gzip import GZipMiddleware

COMPRESSED_ALREADY = ("application/zip", "application/gzip", "application/vnd.openxmlformats-officedocument")


class CompressionMiddleware(GZipMiddleware):
    """Compress pages and text files; a stream stays a stream, compressed chunk by chunk.

    Must be first in MIDDLEWARE, so that the others see responses before they are compressed.
    """

    def process_response(self, request, response):
        if response.headers.get("Content-Type", "").startswith(COMPRESSED_ALREADY):
            return response
        return super().process_response(request, response)
