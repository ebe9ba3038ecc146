"""The log of seals: one line of JSON a seal, in a file outside of the database."""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from audit.models import Seal
from audit.seals.failures import IntegrityFailure


def entry(seal: Seal) -> dict[str, Any]:
    """Return what is delivered of a seal: its place in the chain, and which keys it covers."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for span in seal.spans:
        first[span["table"]] = min(span["first"], first.get(span["table"], span["first"]))
        last[span["table"]] = max(span["last"], last.get(span["table"], span["last"]))
    return {
        "number": seal.number,
        "day": seal.day.isoformat(),
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(),
        "rows": seal.rows,
        "first": first,
        "last": last,
        "previous": seal.previous,
        "digest": seal.digest,
        "signature": seal.signature,
    }


def as_lines(entries: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(one, sort_keys=True)}\n" for one in entries)


def append(path: Path, entries: list[dict[str, Any]]) -> None:
    """Append the entries that the file does not have yet, and sync it to disk; OSError if that fails.

    A line that a crash cut short is left as it is, and followed by the whole one.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "rb+", buffering=0) as file:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = file.read().decode(errors="replace")
        there = {one["digest"] for line in text.splitlines() if (one := _parsed(line))}
        new = [one for one in entries if one["digest"] not in there]
        if not new:
            return
        start = "" if not text or text.endswith("\n") else "\n"
        file.write((start + as_lines(new)).encode())
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # syncing a file does not cover its directory entry
    finally:
        os.close(folder)


@dataclass
class SealLog:
    """A log read from a file: {number: [(line, entry), …]}, and the lines that are no seals."""

    path: Path
    entries: dict[int, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "SealLog":
        """Read a file; OSError if it can't be read. A log has about one line a day."""
        log, cut_short = cls(path), ""
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if cut_short and not line.startswith(cut_short):
                log.unreadable.append(number - 1)
            cut_short = ""
            if (one := _parsed(line)) is None:
                cut_short = line
            else:
                log.entries.setdefault(one["number"], []).append((number, one))
        if cut_short:
            log.unreadable.append(number)
        return log

    def digests(self) -> set[str]:
        return {one["digest"] for found in self.entries.values() for _, one in found}

    def compare(self) -> Iterator[IntegrityFailure]:
        """Yield the ways in which the seals of the database differ from the log."""
        for number in self.unreadable:
            yield IntegrityFailure("", f"Line {number} of {self.path} is not a seal: the log was damaged.")
        digests = dict(Seal.objects.values_list("number", "digest"))
        for number, found in sorted(self.entries.items()):
            for line, one in found:
                if digests.get(number) != one["digest"]:
                    yield IntegrityFailure("", self._difference(line, one, is_there=number in digests))
        newest = max(self.entries, default=0)
        if missing := sorted(number for number in digests.keys() - self.entries.keys() if number < newest):
            names = ", ".join(str(number) for number in missing[:5]) + (", …" if len(missing) > 5 else "")
            sentence = (
                f"{len(missing):,} of the seals up to {newest} {'is' if len(missing) == 1 else 'are'} not in"
                f" {self.path} (seal {names}): lines were removed from it, or not delivered."
            )
            yield IntegrityFailure("", sentence)

    def _difference(self, line: int, one: dict[str, Any], *, is_there: bool) -> str:
        seal = f"Seal {one['number']} of {one.get('day', 'an unknown day')} (line {line} of {self.path})"
        covered = ", ".join(
            f"{table} {first:,} to {one['last'][table]:,}" for table, first in sorted(one["first"].items())
        )
        rows = f" It covered {covered}." if covered else ""
        if is_there:
            return (
                f"{seal} was delivered with another digest than it has now: history was sealed again since."
                f"{rows} Compare these rows with a backup."
            )
        return (
            f"{seal} was delivered but is not in the database: it was removed, or an older backup was"
            f" restored.{rows} Compare these rows with a backup."
        )


def _parsed(line: str) -> dict[str, Any] | None:
    """Return the entry of a line, None if it is no seal."""
    try:
        one = json.loads(line)
        valid = (
            isinstance(one["number"], int)
            and isinstance(one["digest"], str)
            and all(isinstance(one["last"][table], int) for table in one["first"])
            and all(isinstance(first, int) for first in one["first"].values())
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return one if valid else None
