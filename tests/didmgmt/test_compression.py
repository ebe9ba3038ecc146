"""Responses over real HTTP, compressed and plain."""

import gzip
import re
import secrets
import urllib.request

import brotli
import pytest
from django.http import HttpResponse, StreamingHttpResponse

from audit import SYSTEM
from didmgmt.compression import CompressionMiddleware, compressed
from dids.exports.workbook import XLSX
from dids.models import DID
from tests.world import client_of, make_world, member


@pytest.fixture
def get(live_server):
    """Return ``get(path, **headers)``, which returns headers and body sent to a supervisor of 100 numbers."""
    world = make_world()
    DID.objects.create_numbers(
        [str(n) for n in range(37060000, 37060087)], operator=world.operator, by=SYSTEM
    )
    cookies = client_of(member("Supervisor")).cookies.values()

    def get(path, **headers):
        headers |= {"Cookie": "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in cookies)}
        request = urllib.request.Request(live_server.url + path, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return response.headers, response.read()

    return get


def stable(page):
    """Return the page without its random tokens and its server time."""
    return re.sub(rb'name="(csrfmiddlewaretoken|form_token)" value="[\w.-]+"|Served in [\d.]+ s', b"", page)


def test_a_page_of_rows_is_compressed_to_a_tenth_of_its_size(get):
    headers, plain = get("/dids/?per_page=100")
    assert "Content-Encoding" not in headers
    headers, compressed = get("/dids/?per_page=100", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in headers["Vary"]
    assert int(headers["Content-Length"]) == len(compressed) < len(plain) / 10
    page = gzip.decompress(compressed)
    assert page.count(b'name="ids" value="') >= 100
    assert re.search(rb"Served in \d+\.\d{3} s", page)
    assert stable(page) == stable(plain)


def test_a_page_of_rows_is_smaller_with_brotli(get):
    _, plain = get("/dids/?per_page=100")
    _, gzipped = get("/dids/?per_page=100", **{"Accept-Encoding": "gzip"})
    headers, small = get("/dids/?per_page=100", **{"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert headers["Content-Encoding"] == "br"
    assert "Accept-Encoding" in headers["Vary"]
    assert int(headers["Content-Length"]) == len(small) < len(gzipped) * 0.9
    assert stable(brotli.decompress(small)) == stable(plain)


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("br", "br"),
        ("gzip,br;q=0.5", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000", None),
        ("brotli, gzip", "gzip"),
        ("", None),
    ],
)
def test_brotli_is_sent_to_browsers_that_accept_it(rf, accepts, encoding):
    page = HttpResponse("<p>Numbers</p>" * 100, headers={"ETag": '"1"'})
    request = rf.get("/", headers={"Accept-Encoding": accepts})
    response = CompressionMiddleware(lambda _request: page)(request)
    assert response.headers.get("Content-Encoding") == encoding
    assert response.headers["ETag"] == ('W/"1"' if encoding else '"1"')


@pytest.mark.parametrize("most", [1, 4, 5, 100, 256])
def test_equal_pages_differ_in_length_with_brotli(most):
    page = b"<p>Numbers</p>" * 100
    streams = [compressed(page, most) for _ in range(300)]
    assert {brotli.decompress(stream) for stream in streams} == {page}
    lengths = {len(stream) for stream in streams}
    assert max(lengths) - min(lengths) < most
    assert len(lengths) > most / 2


def test_two_compressed_pages_have_different_tokens(get):
    tokens = set()
    for _ in range(2):
        page = gzip.decompress(get("/dids/", **{"Accept-Encoding": "gzip"})[1])
        tokens |= set(re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', page))
    assert len(tokens) == 2


def test_a_streamed_export_is_compressed_and_whole(get):
    _, plain = get("/dids/export/?format=csv")
    headers, compressed = get("/dids/export/?format=csv", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in headers
    assert gzip.decompress(compressed) == plain
    assert plain.count(b"\n") == 101


def test_a_workbook_is_not_compressed(get):
    headers, body = get("/dids/export/?format=xlsx", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in headers
    assert headers["Content-Type"] == XLSX
    assert int(headers["Content-Length"]) == len(body)
    assert body.startswith(b"PK")


def test_a_stream_is_compressed_as_it_is_generated_and_closed_at_the_end(rf, db):
    generated, closed = [], []

    def rows():
        try:
            for number in range(200):
                generated.append(number)
                yield secrets.token_bytes(10_000)
        finally:
            closed.append(True)

    request = rf.get("/", headers={"Accept-Encoding": "gzip"})
    response = CompressionMiddleware(lambda _request: StreamingHttpResponse(rows(), content_type="text/csv"))(
        request
    )
    chunks = iter(response)
    next(chunks)
    next(chunks)
    assert 0 < len(generated) < 20
    rest = list(chunks)
    assert len(generated) == 200
    assert max(map(len, rest)) < 100_000
    response.close()
    assert closed == [True]


def test_a_short_response_stays_plain(rf):
    request = rf.get("/", headers={"Accept-Encoding": "gzip"})
    response = CompressionMiddleware(lambda _request: HttpResponse("alive"))(request)
    assert response.content == b"alive"
