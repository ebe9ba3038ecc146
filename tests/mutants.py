"""Mutate the code of some rooms and report the mutants that their tests do not notice.

    python -m tests.mutants [dids/lifecycle] [dids/numbering] …

mutmut changes a copy of the checkout, never the checkout itself. It mutates functions, not tables of
constants. The exit status is 1 when a mutant survives or has no test.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {  # room: its tests
    "dids/lifecycle": ["tests/dids/lifecycle"],
    "dids/numbering": ["tests/dids/numbering"],
    "dids/imports": ["tests/dids/imports", "tests/screens/imports/test_import_wizard.py"],
    "dids/history": ["tests/dids/history", "tests/screens/history"],
    "dids/lists": ["tests/dids/lists", "tests/screens/numbers/test_did_list.py"],
    "audit/seals": ["tests/audit/test_seals.py"],
}
UNNOTICED = ("survived", "no tests", "timeout", "suspicious")


def main(wanted):
    if unknown := set(wanted) - set(ROOMS):
        sys.exit(
            f"Error: there are no mutants of {', '.join(sorted(unknown))}. Choose from {', '.join(ROOMS)}."
        )
    return max([report(room) for room in wanted or ROOMS])


def report(room):
    """Run mutmut on one room and list every unnoticed mutant; return 1 if there is one."""
    with tempfile.TemporaryDirectory(prefix="did-mutants-") as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        configure(Path(folder), room)
        log = Path(folder) / "log"
        with log.open("w") as output:
            mutmut(folder, "run", stdout=output, stderr=output)
        results = mutmut(folder, "results", "--all", "true", stdout=subprocess.PIPE).stdout
        found = dict(line.strip().split(": ") for line in results.splitlines() if ": " in line)
        if not found:
            print(log.read_text()[-2000:])
            sys.exit(f"Error: mutmut found nothing to mutate in {room}; its last output is above.")
        unnoticed = [name for name, state in found.items() if state in UNNOTICED]
        share = len(unnoticed) / len(found)
        print(f"{room}: {len(found)} mutants, {len(unnoticed)} not noticed ({share:.1%})", flush=True)
        for name in unnoticed:
            print(f"\n{name}: {found[name]}", flush=True)
            print(mutmut(folder, "show", name, stdout=subprocess.PIPE).stdout)
    return int(bool(unnoticed))


def configure(folder, room):
    tracked = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True)
    copied = sorted({path.split("/")[0] for path in tracked.stdout.splitlines()} - {"pyproject.toml"})
    with (folder / "pyproject.toml").open("a") as settings:
        settings.write(
            "\n[tool.mutmut]\n"
            f'source_paths = ["{room}/"]\n'
            f"also_copy = {copied}\n"
            f"pytest_add_cli_args_test_selection = {ROOMS[room]}\n"
        )


def mutmut(folder, *arguments, **options):
    program = Path(sys.executable).with_name("mutmut")
    environment = os.environ | {"VAR_DIR": f"{folder}/var", "EXAMPLES": "0.1"}
    return subprocess.run([program, *arguments], cwd=folder, env=environment, text=True, **options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
