"""The house's rules that no single screen or model could test: who imports whom, who may write what."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.template.loader import get_template

from audit.history import TRACKED
from clients.models import Reseller

ROOT = Path(settings.BASE_DIR)
# Each imports from those before it and from itself, never from those after it.
APPS = ["audit", "clients", "staff", "operators", "jobs", "dids", "screens"]
# These see every app, and nobody imports them.
ABOVE_ALL = {"settings", "urls", "wsgi", "health", "management"}
# The inside of dids: what is of a later row is not imported by an earlier one.
FLOORS = [
    {"status", "numbers", "sheets", "outcome"},
    {"models"},
    {"filters", "forms", "resources"},
    {"views"},
    {"urls"},
]


def modules(*folders):
    """(dotted name, syntax tree) of every module of ours in these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(), str(path))


def imported(tree):
    """Dotted names of all that a module imports, inside functions as well, and of models it gets by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written out, never relative"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_model":
            first = node.args[0]
            yield f"{first.value}.models" if isinstance(first, ast.Constant) else "unknown.models"


def test_imports_point_one_way():
    wrong = [
        f"{name} imports {target}"
        for place, app in enumerate(APPS)
        for name, tree in modules(app)
        for target in imported(tree)
        if target.split(".")[0] in APPS[place + 1 :]
    ]
    assert wrong == []


def test_what_all_apps_share_imports_none_of_them():
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules("didmgmt")
        for target in imported(tree)
        if name.split(".")[1:2] and name.split(".")[1] not in ABOVE_ALL and target.split(".")[0] in APPS
    ]
    assert wrong == []


def test_nobody_imports_settings_and_addresses():
    # The settings of tests are made of the settings, and pytest reads them.
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules("didmgmt", *APPS)
        for target in imported(tree)
        if target.split(".")[0] == "didmgmt" and {*target.split(".")[1:2]} & ABOVE_ALL
        if not (name == "didmgmt.urls" and target == "didmgmt.health")
    ]
    assert wrong == []


def test_statuses_numbers_and_sheets_know_no_database():
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules("dids")
        if name.split(".")[1:2] and name.split(".")[1] in FLOORS[0]
        for target in imported(tree)
        if target.startswith(("django.db", "django.contrib", *(f"{app}." for app in APPS)))
        if target.split(".")[0:2] not in [["dids", module] for module in FLOORS[0]]
        if not target.startswith("clients.tags")
    ]
    assert wrong == []


def test_inside_dids_views_come_last():
    floor = {module: place for place, names in enumerate(FLOORS) for module in names}
    wrong = []
    for name, tree in modules("dids"):
        own = name.split(".")[1] if "." in name else ""
        for target in imported(tree):
            parts = target.split(".")
            if parts[0] == "dids" and floor.get(parts[1], 0) > floor.get(own, len(FLOORS) - 3):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


# --- the status of a number -------------------------------------------------------------------------

# An undo writes a status back from the number's own history, whatever it was, so that it makes no move.
WRITES_STATUS = {
    "dids.models.number_writes",
    "dids.models.number_merge",
    "dids.imports.wizard",
    "dids.history.undo.writes",
}
WRITERS = {
    "update",
    "create",
    "bulk_create",
    "bulk_update",
    "get_or_create",
    "update_or_create",
    "setattr",
    "DID",
}


WRITING_SQL = re.compile(r"(?i)\b(update|insert\s+into)\s+\"?dids_did\b")


def status_writes(tree):
    """Lines that assign a status: to an attribute, by a writing method, or by SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr == "status":
            yield node.lineno
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            named = any(keyword.arg == "status" for keyword in node.keywords)
            quoted = any(
                isinstance(inner, ast.Constant) and inner.value == "status"
                for argument in node.args
                for inner in ast.walk(argument)
            )
            if called in WRITERS and (named or (quoted and called in {"setattr", "bulk_update"})):
                yield node.lineno
        if isinstance(node, ast.Constant) and WRITING_SQL.search(str(node.value)):
            yield node.lineno


def test_the_status_of_a_number_is_written_by_its_model_and_the_import_alone():
    wrong = [
        f"{name}:{line}"
        for name, tree in modules("didmgmt", *APPS)
        if name not in WRITES_STATUS and ".migrations." not in name
        for line in status_writes(tree)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "code",
    [
        "did.status = 'active'",
        "dids.update(notes='', status=x)",
        "DID(number='1', status='hold')",
        "setattr(did, 'status', x)",
        "DID.objects.bulk_update(dids, ['status'])",
        "cursor.execute('UPDATE dids_did SET status = 1')",
    ],
)
def test_a_status_written_elsewhere_would_be_found(code):
    assert list(status_writes(ast.parse(code))) == [1]


# --- who sees what ----------------------------------------------------------------------------------


def branch_models():
    """Our models whose rows belong to a reseller, by whatever way of foreign keys.

    Those that nobody can be given a right to (counters, staging) are reached through others alone.
    """
    ours = [m for app in APPS for m in apps.get_app_config(app).get_models() if m not in TRACKED.values()]
    found = {Reseller}
    while more := {
        model
        for model in ours
        if model not in found
        and any(field.many_to_one and field.related_model in found for field in model._meta.get_fields())
    }:
        found |= more
    return sorted((m for m in found if m._meta.default_permissions), key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", branch_models(), ids=lambda model: model._meta.label)
def test_what_belongs_to_a_reseller_can_be_cut_down_to_what_a_person_sees(model):
    assert callable(getattr(model._default_manager.all(), "visible_to", None)), model


# --- templates --------------------------------------------------------------------------------------

# Django finds these by their names.
BY_NAME = re.compile(r"(403|404|500)\.html|admin/.*")


def templates_there():
    return {str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html")}


def templates_mentioned():
    for _, tree in modules("didmgmt", *APPS):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.endswith(".html")
            ):
                yield node.value
    for path in (ROOT / "templates").rglob("*.html"):
        yield from re.findall(r"{%\s*(?:include|extends)\s+\"([^\"]+)\"", path.read_text())


def test_every_template_that_is_mentioned_exists_and_can_be_read():
    for name in sorted(templates_there() | set(templates_mentioned())):
        get_template(name)


def test_every_template_is_used():
    assert {name for name in templates_there() if not BY_NAME.fullmatch(name)} <= set(templates_mentioned())
