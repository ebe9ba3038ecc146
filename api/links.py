"""Links of the document: from an answer to the operations that the record in it can be the subject of."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from didmgmt.problems import PREFIX

JOBS, CHANGES = f"{PREFIX}v1/jobs", f"{PREFIX}v1/changes"


def add_links(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    """Add links to the successful answers of all operations.

    A list leads to what can be done with its first record, a new record to what can be done with it, an
    answer with a job to its state, and one with a change to the change.
    """
    for path, methods in paths.items():
        for one in methods.values():
            for status, answer in one["responses"].items():
                links = dict(_links(paths, path, one, status, _members(answer, schemas)))
                if links:
                    answer["links"] = links


def _links(
    paths: Mapping[str, Any], path: str, one: Mapping[str, Any], status: str, members: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, link) of an answer with these ``members``."""
    if {"items", "next"} <= members:
        yield from _to_record(paths, path, "/items/0")
    if status == "201":
        yield from _to_record(paths, path, f"/{one['operationId'].removeprefix('create_')}")
    if "job" in members:
        yield from _to_record(paths, JOBS, "/job")
    if "change" in members:
        for key, parameter in _of_records(paths, CHANGES):
            yield key, _link(key, parameter, "/change")


def _to_record(paths: Mapping[str, Any], path: str, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield links to the operations with the record, which is at ``pointer`` in the body of the answer."""
    for key, parameter in _of_records(paths, path):
        yield key, _link(key, parameter, f"{pointer}/{'number' if parameter == 'number' else 'id'}")


def _of_records(paths: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield (operation id, name of the parameter) of the operations at addresses of one record of a list."""
    of_one = re.compile(rf"{path}/{{(\w+)}}(/\w[\w-]*)?")
    for other, methods in paths.items():
        if found := of_one.fullmatch(other):
            for one in methods.values():
                yield one["operationId"], found[1]


def _link(key: str, parameter: str, pointer: str) -> dict[str, Any]:
    return {"operationId": key, "parameters": {parameter: f"$response.body#{pointer}"}}


def _members(answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> set[str]:
    """Return the members of a JSON answer, those of all if it has one of several schemas."""
    schema = _resolved(answer.get("content", {}).get("application/json", {}).get("schema", {}), schemas)
    kinds = [_resolved(one, schemas) for one in schema.get("anyOf", [schema])]
    return {name for one in kinds for name in one.get("properties", ())}


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
