"""What writes to numbers answer: counts, a sentence, and the refusals by their cause."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from ninja import Schema
from pydantic import Field

import audit
from api.dids import FIELDS, did_row
from api.fields import RECORD
from api.problems import ProblemError
from dids.lifecycle.result import Refusal, Result


class Counts(Schema):
    """How many numbers were written, had the values already, and were refused."""

    done: int = Field(examples=[1])
    unchanged: int = Field(examples=[0])
    refused: int = Field(examples=[0])


class RefusedFor(Schema):
    """The numbers that were refused for one reason."""

    code: str = Field(description="The reason, for programs", examples=["reserved>blocked"])
    why: str = Field(
        description="The reason and what to do, for people", examples=["Reserved, not used by any client"]
    )
    count: int
    numbers: list[str] = Field(
        description="All of them; of a job, and of existing ones in a rehearsal, the first",
        examples=[["442071838750"]],
    )


class RefusedRow(Schema):
    """A row that was refused."""

    line: int = Field(description="Where it begins in the body, from 1", examples=[17])
    pointer: str = Field(description="Its line and the column at fault", examples=["#/rows/17/operator"])
    number: str | None = Field(description="The number, if it could be read", examples=["442071838750"])
    column: str = Field(description="The column at fault, or nothing", examples=["operator"])
    value: str = Field(description="What the column has", examples=["Nordline"])
    code: str = Field(description="The reason, for programs", examples=["operator_unknown"])
    why: str = Field(
        description="The reason and what to do, for people",
        examples=["A new number needs an operator. Name it in the column operator."],
    )


class Written(Schema):
    """What a write did."""

    result: Counts
    sentence: str = Field(description="The result in words", examples=["1 number changed."])
    refusals: list[RefusedFor] = Field(examples=[[]])
    change: int | None = Field(
        description="The id of the recorded change; null if nothing was written", examples=[4711]
    )


class WrittenDID(Written):
    """What a write to one number did."""

    did: dict[str, Any] = Field(json_schema_extra={RECORD: FIELDS.noun}, examples=[dict(FIELDS.example())])


def counts(result: Result) -> dict[str, int]:
    return {"done": result.done, "unchanged": result.unchanged, "refused": result.refused}


def refusals(result: Result) -> list[dict[str, Any]]:
    """Return the refusals; ``numbers`` has all of them, unless a job has written them."""
    return [refusal(one) for one in result.refusals.values()]


def refusal(one: Refusal) -> dict[str, Any]:
    return {"code": one.code, "why": one.why, "count": one.count, "numbers": one.numbers}


def refused_row(row: Any) -> RefusedRow:
    """Return a refused row of ``dids.imports.rows`` for an answer."""
    pointer = f"#/rows/{row.line}/{row.column}" if row.column else f"#/rows/{row.line}"
    return RefusedRow.model_construct(**row._asdict(), pointer=pointer)


def written(result: Result, sentence: str) -> dict[str, Any]:
    """Return the answer to a write that has just been carried out, with the id of its change."""
    return {
        "result": counts(result),
        "sentence": sentence,
        "refusals": refusals(result),
        "change": audit.latest() if result.done else None,
    }


def state(pk: int, user: Any) -> tuple[Mapping[str, Any], int | None]:
    """Return a number as JSON, and its version."""
    row = did_row(f"id:{pk}", user)
    (record,) = FIELDS.objects([row], FIELDS.usual)
    return record, row.version


def refused(result: Result, sentence: str, dids: QuerySet[Any], user: Any) -> ProblemError:
    """Return the refusal of a write to one number: 403 if a right is missing, 409 because of its state."""
    (one,) = result.refusals.values()
    if one.code == "right" or one.code.endswith(":right"):
        return ProblemError(403, "forbidden", sentence, refusals=refusals(result))
    current = None
    for pk in dids.values_list("pk", flat=True)[:1]:
        current, _ = state(pk, user)
    return ProblemError(409, one.code, sentence, refusals=refusals(result), current=current)
