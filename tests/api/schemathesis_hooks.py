"""What schemathesis is told about the document, see test_schemathesis.py.

Answers must not have members that the document lacks, although clients should expect new ones. The schema of
an answer in NDJSON is that of each of its lines. No key is sent twice: the answer to the first request would
name a record that may have been deleted since.
"""

import json
from itertools import count

import schemathesis

NDJSON, KEY = "application/x-ndjson", "Idempotency-Key"
LONGEST = 200  # characters of a key that is made longer
keys = count(1)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for schema in raw_schema["components"]["schemas"].values():
        forbid_others(schema)
    for content in contents_of(raw_schema):
        if NDJSON in content:
            content[NDJSON] = {"schema": {"type": "array", "items": content[NDJSON]["schema"]}}


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    if isinstance(key := headers.get(KEY), str) and len(key) < LONGEST and key:
        headers[KEY] = f"{key}{next(keys)}"


def forbid_others(schema):
    """Forbid members that an object doesn't name, unless it is open on purpose."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
        for one in schema.values():
            forbid_others(one)
    elif isinstance(schema, list):
        for one in schema:
            forbid_others(one)


def contents_of(document):
    """Yield the content of each answer."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                yield answer.get("content", {})


@schemathesis.deserializer(NDJSON)
def lines_of(_context, response):
    return [json.loads(line) for line in response.content.decode().splitlines()]


@schemathesis.serializer(NDJSON)
def text_of(_context, value):
    """Return a body in NDJSON, which the document has as text."""
    return (value if isinstance(value, str) else json.dumps(value)).encode()
