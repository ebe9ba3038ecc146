"""What an operation says about itself for the document, besides its types."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from api.fields import Fields
from didmgmt.filters import FilterSet


@dataclass(frozen=True)
class Facts:
    """``fields``: of the records in the answer. The rest is of lists, see ``api.lists.list_answer``."""

    fields: Fields
    filterset: type[FilterSet] | None = None
    sorts: tuple[str, ...] = ()
    default: str = ""
    without: tuple[str, ...] = ()


def answers_with(fields: Fields) -> Callable[[Any], Any]:
    """Mark an operation that answers with one record."""
    return _marked(Facts(fields))


def answers_with_list(
    fields: Fields,
    filterset: type[FilterSet],
    sorts: Iterable[str],
    *,
    default: str = "",
    without: tuple[str, ...] = (),
) -> Callable[[Any], Any]:
    """Mark an operation that answers with a page of a list, or with all of it as a stream."""
    sorts = tuple(sorts)
    return _marked(Facts(fields, filterset, sorts, default or sorts[0], without))


def conditional(operation: Any) -> Any:
    """Mark an operation that writes on condition of ``If-Match``."""
    operation.conditional = True
    return operation


def parameters(**schemas: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """Return the addition to the document for query parameters: (JSON schema, description) of each."""
    return {
        "parameters": [
            {"in": "query", "name": name, "required": False, "schema": schema, "description": about}
            for name, (schema, about) in schemas.items()
        ]
    }


def _marked(facts: Facts) -> Callable[[Any], Any]:
    def mark(operation: Any) -> Any:
        operation.facts = facts
        return operation

    return mark
