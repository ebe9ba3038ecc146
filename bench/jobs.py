"""Compare jobs and exports with plain SQL, on databases that are created for it and dropped afterwards."""

from django.db import connection

from dids.models import DID, DIDHistory


def prepare(scratch, rows):
    """Create a file of ``rows`` numbers and a database with the names in it but no numbers."""
    empty = scratch.new()
    scratch.run("prepare", empty, rows=rows, file=_file(scratch))
    return empty


def measure(scratch, empty, rows, edits):
    """Yield a dict for each job.

    Imports, creates and exports ``rows`` numbers; changes ``edits`` and writes them to a workbook. Times are
    in seconds, memory in MiB. ``raw`` is measured in the same run, from the same state of the database.
    """
    plain = scratch.copy(empty)
    raw = scratch.run("import_raw", plain, rows=rows, file=_file(scratch))
    scratch.drop(plain)
    full = scratch.copy(empty)
    ours = scratch.run("import_ours", full, rows=rows, file=_file(scratch))
    yield _row("import: check", rows, [ours["check"]], [raw["stage"]])
    yield _row("import: apply", rows, [ours["apply"]], [raw["merge"]])
    yield _row("import", rows, [ours["check"], ours["apply"]], raw.values())
    program = scratch.copy(empty)
    ours = scratch.run("rows_ours", program, rows=rows, file=_file(scratch))
    scratch.drop(program)
    yield _row("rows of a program", rows, ours.values(), raw.values())
    yield from _undo("import", rows, *(scratch.copy(full) for _ in range(2)), scratch)

    one, other = scratch.copy(empty), scratch.copy(empty)
    ours, raw = scratch.run("range_ours", one, rows=rows), scratch.run("range_raw", other, rows=rows)
    yield _row("create a range", rows, ours.values(), raw.values())
    scratch.drop(one)
    scratch.drop(other)

    scratch.run("settle", full)
    ours, raw = scratch.run("csv_ours", full), scratch.run("csv_raw", full)
    first = {name: ours["csv"][name] for name in ("first_byte", "first_rows")}
    yield _row("export CSV", rows, ours.values(), raw.values()) | first
    ours, raw = scratch.run("xlsx_ours", full, edits=edits), scratch.run("xlsx_raw", full, edits=edits)
    yield _row("export XLSX", edits, ours.values(), raw.values())
    ours, raw = scratch.run("edit_ours", full, edits=edits), scratch.run("edit_raw", full, edits=edits)
    for name in ours:
        yield _row(f"mass edit: {name}", edits, [ours[name]], [raw[name]])
    yield from _undo("edit", edits, *(scratch.copy(full) for _ in range(2)), scratch, edits=edits)
    scratch.run("give", full, edits=edits)
    other = scratch.copy(full)
    ours, raw = scratch.run("end_ours", full, edits=edits), scratch.run("end_raw", other, edits=edits)
    yield _row("end a package", edits, ours.values(), raw.values())
    scratch.drop(full)
    scratch.drop(other)


def minimal(scratch, empty, rows, edits):
    """Yield a dict for the import and for mass edits, compared with a schema of two tables and their keys."""
    other, full = scratch.copy(empty), scratch.copy(empty)
    raw = scratch.run("import_minimal", other, rows=rows, file=_file(scratch))
    ours = scratch.run("import_ours", full, rows=rows, file=_file(scratch))
    yield _row("import", rows, [ours["check"], ours["apply"]], raw.values())
    scratch.run("settle", other)
    scratch.run("settle", full)
    raw = scratch.run("edit_raw", other, edits=edits, table="bench_did")
    ours = scratch.run("edit_ours", full, edits=edits)
    for name in ours:
        yield _row(f"mass edit: {name}", edits, [ours[name]], [raw[name]])
    scratch.drop(full)
    scratch.drop(other)


def index_names():
    """Return the names of the indexes of numbers and of their history."""
    return [index.name for model in (DID, DIDHistory) for index in model._meta.indexes]


def indexes(scratch, empty, rows, names):
    """Yield a dict for each of these indexes: seconds of a raw merge with and without it.

    ``cost`` is the additional time with the index in percent. The merge with all indexes is measured first
    and last; the others are compared with their mean, and ``spread`` is their difference in percent.
    """

    def merge(index):
        url = scratch.copy(empty)
        result = scratch.run("import_without", url, index=index, rows=rows, file=_file(scratch))
        scratch.drop(url)
        return result["merge"]["seconds"]

    first = merge("")
    without = {name: merge(name) for name in names}
    last = merge("")
    every = (first + last) / 2
    for name, seconds in without.items():
        yield {
            "scenario": name,
            "rows": rows,
            "engine": connection.vendor,
            "with_all": round(every, 4),
            "without": round(seconds, 4),
            "cost": round(100 * (every - seconds) / seconds, 1),
            "spread": round(100 * abs(first - last) / every, 1),
        }


def marks(scratch, empty, rows, times):
    """Yield a dict for each of ``times`` pairs of imports: with marks and geography, and without.

    ``cpu``: seconds of an import with the suggested rules, ``without``: of one without the triggers of
    marks, ``cost``: the difference in percent. ``geography``: seconds that a new worker then takes to find
    the geography of all prefixes, most of them to load the library.
    """
    scratch.run("suggest_rules", empty)
    for _ in range(times):
        marked, plain = scratch.copy(empty), scratch.copy(empty)
        scratch.run("drop_mark_triggers", plain)
        cpu, without = (_import_cpu(scratch, url, rows) for url in (marked, plain))
        geography = scratch.run("find_geography", marked)
        scratch.drop(marked)
        scratch.drop(plain)
        yield {
            "scenario": "import",
            "rows": rows,
            "engine": connection.vendor,
            "cpu": round(cpu, 2),
            "without": round(without, 2),
            "cost": round(100 * (cpu - without) / without, 1),
            "geography": round(geography["cpu"], 2),
            "heads": geography["heads"],
        }


def _import_cpu(scratch, url, rows):
    parts = scratch.run("import_ours", url, rows=rows, file=_file(scratch))
    return sum(part["cpu"] for part in parts.values())


def _undo(kind, rows, one, other, scratch, **arguments):
    """Yield the row for undoing that on two databases in the same state, and drop them."""
    ours, raw = (
        scratch.run(f"undo_{kind}_ours", one, **arguments),
        scratch.run(f"undo_{kind}_raw", other, **arguments),
    )
    preview = {"preview": round(ours["preview"]["seconds"], 4)}
    yield _row(f"undo: {kind}", rows, [ours["undo"]], raw.values()) | preview
    scratch.drop(one)
    scratch.drop(other)


def _row(name, rows, ours, raw):
    ours, raw = list(ours), list(raw)
    ours_took, raw_took = (sum(part["seconds"] for part in parts) for parts in (ours, raw))
    ours_cpu, raw_cpu = (sum(part["cpu"] for part in parts) for parts in (ours, raw))
    return {
        "scenario": name,
        "rows": rows,
        "engine": connection.vendor,
        "ours": round(ours_took, 4),
        "raw": round(raw_took, 4),
        "ratio": round(ours_took / raw_took, 2),
        "cpu": round(ours_cpu, 4),
        "raw_cpu": round(raw_cpu, 4),
        "cpu_ratio": round(ours_cpu / raw_cpu, 2),
        "memory": max(part["memory"] for part in ours),
    }


def meanwhile(scratch, empty, rows):
    """Yield a dict for each job: milliseconds of a list page and of an edit while a worker runs the job.

    ``idle`` is the p50 of the same after the job, and ``ratio`` compares with it. ``worker_begun`` and
    ``worker_most`` are the memory of the worker in MiB after it started, and at most.
    """
    url = scratch.copy(empty)
    for kind, name in (("import", "an import"), ("range", "making a range"), ("edit", "a mass edit of all")):
        result = scratch.run("meanwhile", url, rows=rows, file=_file(scratch), kind=kind)
        begun, most = result["memory"]
        for key, label in (("page", "page of the list"), ("edit", "edit of one number")):
            yield {
                "bench": "meanwhile",
                "scenario": f"{label} during {name}",
                "rows": rows,
                "engine": connection.vendor,
                "seconds": result["seconds"],
                **result[key],
                "worker_begun": begun,
                "worker_most": most,
            }
    scratch.drop(url)


def _file(scratch):
    return str(scratch.path / "numbers.csv")
