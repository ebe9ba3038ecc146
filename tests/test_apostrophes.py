"""What people read has the typographic apostrophe ’; code and its comments have the straight one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "api audit clients didmgmt dids events jobs notices operators screens sheets staff".split()
STRAIGHT = re.compile(r"(?<=[A-Za-z])'(?=(?:s|t|re|ve|ll|d|m)\b)|(?<=[a-z]s)'(?= [a-z])")
# Files are exchanged by the names of their columns.
COLUMN = "DID's count"

pytestmark = pytest.mark.without_database


def sentences_of_python(path):
    """Return the string literals that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone)
    return [node.value for node in strings if isinstance(node.value, str)]


def without(pattern):
    """Return a function that returns the text of a file without what matches."""
    return lambda path: [
        re.sub(pattern, "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    ]


KINDS = {
    "python": (
        sentences_of_python,
        [
            path
            for package in PACKAGES
            for path in ROOT.joinpath(package).rglob("*.py")
            if "migrations" not in path.parts
        ],
    ),
    "templates": (
        without(
            r"\{% comment %\}.*?\{% endcomment %\}|\{#.*?#\}|(?<=[ =:])'[^' \n]+'"
        ),  # comments, arguments
        [*ROOT.joinpath("templates").rglob("*.html")],
    ),
    "scripts": (without(r"//.*?$|/\*.*?\*/"), [*ROOT.joinpath("static/js").glob("*.js")]),
    "documents": (
        without(r"```.*?```|`[^`\n]*`|<[^>]*>"),
        [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.joinpath("docs").glob("*.md")],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_read_has_typographic_apostrophes(kind):
    read, paths = KINDS[kind]
    assert paths
    straight = {
        f"{path.relative_to(ROOT)}: …{text[max(0, found.start() - 30) : found.end() + 20]}…"
        for path in paths
        for text in read(path)
        for found in STRAIGHT.finditer(text.replace(COLUMN, ""))
    }
    assert straight == set()
