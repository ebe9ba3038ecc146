"""The limit of requests of a token."""

import re

import pytest

from api import rates
from didmgmt.windows import Windows

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 3
    windows = Windows(rates.WINDOW)
    monkeypatch.setattr(rates, "_windows", lambda: windows)


def test_a_token_is_told_what_is_left_and_when_to_come_again(api, owner, three):
    program = api(owner)
    for left in (2, 1, 0):
        answer = program.get("/dids", limit=1)
        assert answer.status == 200
        assert answer.headers["RateLimit-Policy"] == '"token";q=3;w=60'
        assert re.fullmatch(rf'"token";r={left};t=(60|5\d)', answer.headers["RateLimit"])
    refused = program.get("/dids", limit=1)
    assert (refused.status, refused.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json["detail"].startswith("This token has sent more than 3 requests within a minute")
    assert refused.headers["RateLimit"].startswith('"token";r=0;')


def test_each_token_has_a_limit_of_its_own_and_refusals_count(api, owner, three):
    first, second = api(owner), api(owner)
    for _ in range(3):
        assert first.get("/dids/998").status == 404
    assert first.get("/dids/998").status == 429
    assert second.get("/dids/998").headers["RateLimit"].startswith('"token";r=2;')


def test_no_limit_sends_no_headers(api, owner):
    assert "RateLimit" not in api(owner).get("/dids", limit=1).headers


def test_an_address_without_a_token_is_limited_like_any_other(api, settings, client, monkeypatch):
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 2
    client.handler.load_middleware()
    statuses = [client.get("/api/v1/dids").status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    answer = client.get("/api/v1/dids", headers={"Authorization": "Basic eA=="})
    assert answer.status_code == 429 and answer.json()["code"] == "too_many_requests"
