"""Compress responses for browsers that accept Brotli or gzip.

The length of a compressed page reveals whether it repeats text that an attacker put into the request (the
BREACH attack). The secret in our pages is the CSRF token, which Django masks with a new random key in every
response. Session cookies are SameSite=Lax, so another site can't load a user's pages in the background to
guess at their content; for guesses by opening windows, up to 100 random bytes are added to every response:
by Django to gzip, here to Brotli.
"""

import re
import secrets

import brotli
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

COMPRESSED_ALREADY = ("application/zip", "application/gzip", "application/vnd.openxmlformats-officedocument")


ACCEPTS_BROTLI = re.compile(r"(?:^|,)\s*br\s*(?:,|$|;(?!\s*q=0(?:\.0*)?\s*(?:,|$)))")
QUALITY = 2  # a page of 500 numbers has 55 % of the size of gzip's and takes less than a third of the time
SHORT = 200  # bytes that are not worth it, as in GZipMiddleware


class CompressionMiddleware(GZipMiddleware):
    """Compress pages and text files; a stream stays a stream, compressed by gzip chunk by chunk.

    Must be first in MIDDLEWARE, so that the others see responses before they are compressed.
    """

    def process_response(self, request, response):
        if response.headers.get("Content-Type", "").startswith(COMPRESSED_ALREADY):
            return response
        if (
            response.streaming
            or response.has_header("Content-Encoding")
            or len(response.content) < SHORT
            or not ACCEPTS_BROTLI.search(request.headers.get("Accept-Encoding", ""))
        ):
            return super().process_response(request, response)
        patch_vary_headers(response, ("Accept-Encoding",))
        response.content = compressed(response.content, self.max_random_bytes)
        response.headers["Content-Encoding"] = "br"
        response.headers["Content-Length"] = str(len(response.content))
        if response.headers.get("ETag", "").startswith('"'):
            response.headers["ETag"] = "W/" + response.headers["ETag"]  # RFC 9110, 8.8.1
        return response


def compressed(content, max_random_bytes):
    """Return a Brotli stream with 1 to ``max_random_bytes`` (at most 256) random bytes added."""
    compressor = brotli.Compressor(mode=brotli.MODE_TEXT, quality=QUALITY)
    # Flushed, so that the next block begins with a byte.
    blocks = compressor.process(content) + compressor.flush()
    random = secrets.token_bytes(secrets.randbelow(max_random_bytes) + 1)
    # Decoders skip a block of metadata (RFC 7932, 9.2): 6 bits of type, 8 of its length less 1, 2 unused.
    metadata = (0b010110 | (len(random) - 1) << 6).to_bytes(2, "little") + random
    return blocks + metadata + compressor.finish()
