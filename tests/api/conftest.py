"""Programs that send requests with a token."""

import json
from datetime import timedelta
from itertools import count

import pytest
from django.test import Client as Browser

from didmgmt import clock
from staff.models import Token, digest_of
from staff.scopes import SCOPES

ALL = " ".join(f"{resource}:{[*levels][-1]}" for resource, levels in SCOPES.items())
_keys = count(1)


class Answer:
    """A response; ``json`` is its body, None without one."""

    def __init__(self, response):
        self.response, self.status, self.headers = response, response.status_code, response.headers
        self.content = b"".join(response)
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        self.json = json.loads(self.content) if kind.endswith(("/json", "+json")) else None

    @property
    def items(self):
        return self.json["items"]

    @property
    def errors(self):
        """{pointer: sentence} of a refusal of invalid values."""
        return {one["pointer"]: one["sentence"] for one in self.json["errors"]}


class Program:
    """Send requests to the API with a token; addresses begin after /api/v1."""

    def __init__(self, token):
        self._browser = Browser(headers={"Authorization": f"Bearer {token}"} if token else {})

    def send(self, method, path, body=None, headers=None, **parameters):
        return Answer(self.response(method, path, body, headers, **parameters))

    def response(self, method, path, body=None, headers=None, **parameters):
        """Return Django's response, which may be a stream that has not been read."""
        path = path if path.startswith(("/api", "http")) else f"/api/v1{path}"
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        query = {"query_params": parameters} if parameters else {}
        response = self._browser.generic(method, path, **sent, headers=headers, **query)
        assert response.headers.get("Content-Type", "application/json").partition(";")[0] in (
            "application/json",
            "application/problem+json",
            "text/csv",
            "application/x-ndjson",
        )
        return response

    def get(self, path, headers=None, **parameters):
        return self.send("GET", path, headers=headers, **parameters)

    def post(self, path, body=None, headers=None, **parameters):
        return self.send("POST", path, body, headers, **parameters)

    def patch(self, path, body=None, headers=None, **parameters):
        return self.send("PATCH", path, body, headers, **parameters)

    def delete(self, path, body=None, headers=None, **parameters):
        return self.send("DELETE", path, body, headers, **parameters)


def token_of(user, scopes=ALL):
    """Return the text of a new token; nothing is checked, so a user without any right can have one."""
    key = f"key{next(_keys):07}"
    Token.objects.create(
        owner=user,
        name=key,
        key=key,
        digest=digest_of("s" * 43),
        scopes=scopes,
        expires_at=clock.now() + timedelta(days=1),
    )
    return f"did_{key}.{'s' * 43}"


@pytest.fixture
def api():
    """Return a function that returns the ``Program`` of a user, None for one without a token."""
    return lambda user, scopes=ALL: Program(token_of(user, scopes) if user else None)
