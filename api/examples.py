"""Examples of JSON bodies for the document, made of the examples that their schemas have."""

from collections.abc import Iterator, Mapping
from typing import Any

_BY_FORMAT = {"date-time": "2026-03-02T14:31:07.240000Z", "uuid": "0197f3a2-5a64-7c3e-9d2b-6f1c2a4e8b90"}
_BY_TYPE = {"string": "…", "integer": 1, "number": 1.0, "boolean": False, "null": None}


def add_examples(one: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Give the body and the successful answers of an operation an example where they have none."""
    for content in _bodies(one):
        if "example" not in content and "schema" in content:
            content["example"] = example_of(content["schema"], schemas)


def _bodies(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    answers = [answer for status, answer in one["responses"].items() if status.startswith("2")]
    for part in filter(None, [one.get("requestBody"), *answers]):
        if content := part.get("content", {}).get("application/json"):
            yield content


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return an example of a schema: its own one, or one of its members.

    Members that can be left out are only in it if they have an example; what can be null is null without one.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("default") is not None:
        return schema["default"]
    if "anyOf" in schema:
        kinds = [one.get("type", "object") for one in schema["anyOf"]]
        return None if "null" in kinds and "object" not in kinds else example_of(schema["anyOf"][0], schemas)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = "null" if "null" in kind else kind[0]
    if kind == "array":
        return [example_of(schema["items"], schemas)] if schema.get("items") else []
    if kind == "object":
        required = schema.get("required", ())
        return {
            name: example_of(member, schemas)
            for name, member in schema.get("properties", {}).items()
            if name in required or "examples" in member
        }
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE[kind])
