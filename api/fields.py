"""The fields of records, which lists and single records share, and the document lists."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.http import HttpResponse
from ninja import Schema
from pydantic import ConfigDict
from pydantic import Field as Member

from clients.tags import split_tags
from didmgmt.dates import for_programs
from didmgmt.text import BIGGEST, shorten

RECORD = "x-record"  # marks a member of an answer that is, or lists, ``Fields`` with this noun
TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
UUID_TEXT = {"type": "string", "format": "uuid"}
WHOLE = {"type": "integer"}
ID = {"type": "integer", "minimum": 1, "maximum": BIGGEST}
MAYBE_WHOLE = {"type": ["integer", "null"]}
MOMENT = {"type": "string", "format": "date-time"}
MAYBE_MOMENT = {"type": ["string", "null"], "format": "date-time"}
TAGS = {"type": "array", "items": TEXT}


class Field(NamedTuple):
    """A field of a record; ``value(row)`` reads it, ``schema`` and ``example`` document it.

    ``usual``: it is in answers to requests without ``fields``.
    """

    name: str
    value: Callable[[Any], Any]
    schema: Mapping[str, Any]
    about: str
    example: Any
    usual: bool = True


class Fields:
    """The fields of a kind of record, in the order of the JSON."""

    def __init__(self, noun: str, fields: Iterable[Field]) -> None:
        self.noun = noun
        self.all = {field.name: field for field in fields}
        self.usual = tuple(field.name for field in self.all.values() if field.usual)

    def read(self, text: str) -> tuple[str, ...]:
        """Return the names in ``fields=a,b``; raise LookupError with a sentence for an unknown one."""
        names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
        for name in names:
            if name not in self.all:
                known = ", ".join(self.all)
                raise LookupError(f"There is no field “{shorten(name)}”. Use some of {known}.")
        return tuple(names) or self.usual

    def objects(self, rows: Iterable[Any], names: Sequence[str]) -> list[dict[str, Any]]:
        """Return each row as the JSON object with these fields."""
        values = [(name, self.all[name].value) for name in names]
        return [{name: value(row) for name, value in values} for row in rows]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of an object."""
        return {
            "type": "object",
            "title": self.noun,
            "properties": {one.name: {**one.schema, "description": one.about} for one in self.all.values()},
            "example": self.example(),
        }

    def example(self) -> dict[str, Any]:
        return {one.name: one.example for one in self.all.values() if one.usual}


class Named(Schema):
    """A related record."""

    model_config = ConfigDict(extra="forbid")

    id: int
    name: str = Member(examples=["Jarrow Dental"])


def reference(*, maybe: bool = False) -> dict[str, Any]:
    """Return the schema of a related record: its id and its name."""
    one = component_reference(Named.__name__)
    return {"anyOf": [one, {"type": "null"}]} if maybe else one


def component_reference(name: str) -> dict[str, Any]:
    """Return the reference to a schema among the components of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def named(pk: Any, name: Any) -> dict[str, Any] | None:
    """Return a related record as JSON, None without one."""
    return None if pk is None else {"id": pk, "name": name}


def moment(at: datetime | None) -> str | None:
    """Return a time as programs get it, see ``for_programs``."""
    return None if at is None else for_programs(at)


@lru_cache(maxsize=10_000)
def tags_of(label: str) -> list[str]:
    """Return the tags of a set by its label."""
    return split_tags(label)


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON response: rendered at once, since validating rows against a schema costs more."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(text, content_type="application/json", status=status, headers=headers)
