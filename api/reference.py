"""The document as a page for people."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from api.document import anchor


def page(request: HttpRequest, document: Mapping[str, Any]) -> HttpResponse:
    """Render all operations, by their groups."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            groups.setdefault(one["tags"][0], []).append(_operation(document, path, method, one))
    server = request.build_absolute_uri("/").rstrip("/")
    return render(request, "api/reference.html", {"groups": groups, "server": server})


def _operation(document: Mapping[str, Any], path: str, method: str, one: Mapping[str, Any]) -> dict[str, Any]:
    answers = {status: _resolved(document, answer) for status, answer in one["responses"].items()}
    body = next(iter(one.get("requestBody", {}).get("content", {}).values()), {})
    schema = _resolved(document, body.get("schema", {}))
    return {
        "id": anchor(path, method),
        "method": method.upper(),
        "path": path,
        "summary": one["summary"],
        "about": [_marked(text) for text in one.get("description", "").split("\n\n") if text.strip()],
        "parameters": [
            {
                "name": parameter["name"],
                "where": parameter["in"],
                "required": parameter.get("required"),
                "type": _words(document, parameter["schema"]),
                "about": _marked(parameter.get("description", "")),
            }
            for parameter in one["parameters"]
        ],
        "members": [
            {
                "name": name,
                "required": name in schema.get("required", ()),
                "type": _words(document, member),
                "about": _marked(member.get("description", "")),
            }
            for name, member in schema.get("properties", {}).items()
        ],
        "answers": [(status, _marked(answer["description"])) for status, answer in answers.items()],
        "request": _json(body["example"]) if "example" in body else "",
        "example": _example(answers),
    }


def _marked(text: str) -> SafeString:
    """Return text as HTML, with code between backticks, and the items of a list on lines of their own."""
    html = re.sub(r"`+(.+?)`+", r"<code>\1</code>", escape(text))
    return mark_safe(html.replace("\n- ", "<br>– "))


def _resolved(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference refers to, any other value as it is."""
    if "$ref" not in value:
        return value
    found: Any = document
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(document, found)


def _words(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the type of a value in a few words."""
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(document, one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " · ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list: {_words(document, schema.get('items', {}))}"
    types = schema.get("type", "any value")
    types = types if isinstance(types, list) else [types]
    return " or ".join(schema.get("format", one) if one == "string" else one for one in types)


def _example(answers: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the status and the example, as indented JSON, of the first successful answer that has one."""
    for status, answer in answers.items():
        for content in answer.get("content", {}).values():
            if status.startswith("2") and "example" in content:
                return status, _json(content["example"])
    return None


def _json(value: Any) -> str:
    """Return an example as indented JSON; one that is text, such as a line of a stream, as it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)
