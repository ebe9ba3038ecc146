"""Rules of the whole code base: which module imports which, and which one writes what."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.template.loader import get_template

from audit.history import TRACKED
from clients.models import Reseller

ROOT = Path(settings.BASE_DIR)

# Every package and module, lowest first. A module imports only what comes before it in the list of the
# package that both are in. Names joined by "|" are equals and do not import each other. ``__init__`` stands
# for what a package exports.
RANKS = {
    "": "didmgmt sheets|audit clients staff operators jobs dids events notices screens|api",
    "api": "__init__ problems rates examples access fields facts streams lists records receiving idempotency"
    " inputs resources dids past results moves bulk rows jobs writes stops operators clients packages"
    " reservations tags stock_levels free_runs calendar"
    " overview minimum_holds pattern_rules"
    " changes webhooks links document reference",
    "audit": "history changes __init__ models middleware triggers words roles seals pruning checks apps",
    "audit.seals": "__init__ hashing spans failures chain verifying touched writing log delivery",
    "clients": "__init__ classes names finding tags models filters apps",
    "didmgmt": "__init__ first_process sqlite3 children windows server hosts clock measures requests patience"
    " postgresql streams problems faults logs models keys forms addresses compression dialogs form_tokens"
    " kept_forms headers messages text parameters dates templatetags fields operations proxy replica limits"
    " downloads choices statements filters listing keyset timing",
    "didmgmt.postgresql": "__init__ driver base",
    "didmgmt.sqlite3": "__init__ waiting base",
    "didmgmt.templatetags": "__init__ look",
    "dids": "__init__ lifecycle numbering forecast models packages reservations upcoming labels lists"
    " overview past_overview history forms imports exports reference_files marks job_kinds periodic demo"
    " apps",
    "dids.demo": "__init__ names world",
    "dids.exports": "__init__ columns copying rows ownership reservations breaches upcoming stock workbook",
    "dids.forms": "__init__ records clients operators packages numbers reservations past free_runs blocks"
    " stock_levels ageing marks overview upcoming",
    "dids.history": "__init__ explain ownership breaches minimums timeline rows audit_log external_writes"
    " undo",
    "dids.history.undo": "__init__ result chunk verdicts uses writes undo job",
    "dids.imports": "__init__ limits synonyms names content layouts mapping options cells bodies parse"
    " reasons refused sql by_id capacity resolve lookalikes create_missing existing upload survey validate"
    " tally apply check effects wizard rows",
    "dids.lifecycle": "__init__ statuses holds result",
    "dids.lists": "__init__ client_packages prefix_rows free_runs keyset row_counts reservations records"
    " sqlite_stats substring places marks tried blocks changed missing filters picks as_of columns listing"
    " finding first_steps",
    "dids.models": "locks prefixes ageing package_classes number_previews client_packages reservations"
    " hold_days lookups head_geography head_stock staging tags number_merge number_plans number_reads"
    " number_writes numbers counters free_numbers stock_levels stock_days marks views __init__",
    "dids.numbering": "__init__ countries free_runs geography patterns normalise not_numbers reading ranges"
    " search",
    "dids.reference_files": "__init__ result fields parsed_file resource packages clients operators accounts"
    " tables",
    "events": "__init__ catalogue payloads models publishing recording addresses sending"
    " delivery replaying job_kinds forms endpoints periodic apps",
    "jobs": "__init__ periodic kinds companions statistics files leases models waking filters apps",
    "notices": "__init__ models reading writing mailing periodic apps",
    "operators": "__init__ models filters apps",
    "screens": "__init__ frame forms answers downloads records templatetags start packages operators jobs"
    " staff people stock rules overview programs blocks webhooks notices calendar numbers runs history"
    " clients reservations imports find",
    "screens.blocks": "__init__ views",
    "screens.calendar": "__init__ feed views",
    "screens.clients": "__init__ clients accounts assign_forms assign client dids",
    "screens.find": "__init__ actions views",
    "screens.history": "__init__ links audit undo who_had_it",
    "screens.imports": "__init__ forms columns panel reference_forms reference wizard check",
    "screens.jobs": "__init__ views",
    "screens.notices": "__init__ views",
    "screens.numbers": "__init__ export views inventory new moves ownership_bar number addresses mass_edit",
    "screens.operators": "__init__ operators resellers",
    "screens.overview": "__init__ plots views",
    "screens.packages": "__init__ stopping client_packages packages",
    "screens.people": "__init__ forms people roles",
    "screens.programs": "__init__ forms tokens",
    "screens.reservations": "__init__ views",
    "screens.start": "__init__ views",
    "screens.runs": "__init__ views",
    "screens.staff": "__init__ forms views",
    "screens.webhooks": "__init__ views",
    "screens.stock": "__init__ views",
    "screens.rules": "__init__ marks views",
    "screens.templatetags": "__init__ did_rows changes place plots",
    "sheets": "damage table content code_pages encoding text process workbooks loading writing __init__",
    "sheets.process": "__init__ cells binary marks markup main",
    "staff": "__init__ passwords scopes records models rights tokens people middleware throttle sessions"
    " backends apps",
}
APPS = ["audit", "clients", "staff", "operators", "jobs", "dids", "events", "notices", "screens", "api"]
ROOMS = ["didmgmt", "sheets", *APPS]
# These see everything, and only Django and the command line load them.
ENTRY_POINTS = re.compile(
    r"didmgmt\.(settings|wsgi|health|metrics)|.*\.urls|.*\.management(\..*)?|.*\.migrations(\..*)?"
)


def modules(*folders):
    """Yield the dotted name and the syntax tree of every module of ours in these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, parsed(path)


@cache
def parsed(path):
    return ast.parse(path.read_text(), str(path))


def imported(tree, app=""):
    """Yield every import, also inside functions, and the models of other apps that are loaded by name.

    Imports for type checkers are left out: they do not happen.
    """
    unused = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in unused:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_model":
            label = getattr(node.args[0], "value", "unknown")
            if label != app:
                yield f"{label}.models"


def path_of(name):
    """Return the ranked parts of a module, of a package as its ``__init__``, or of a name in one of them."""
    package, parts = "", []
    for part in [*name.split("."), "__init__"]:
        if package not in RANKS:
            break
        ranked = part if part in re.split(r"[ |]", RANKS[package]) else "__init__"
        parts.append(ranked)
        package = f"{package}.{ranked}" if package else ranked
    return parts


def may_import(name, target):
    """Whether the ranks allow module ``name`` to import ``target``, a module or a name in it."""
    one, other = path_of(name), path_of(target)
    depth = next((d for d, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if depth is None:
        return True
    order = [entry.split("|") for entry in RANKS[".".join(one[:depth])].split()]
    own, its = (
        next(rank for rank, names in enumerate(order) if parts[depth] in names) for parts in (one, other)
    )
    return its < own


def test_every_package_and_module_has_a_rank():
    found = {name for name, _ in modules(*ROOMS) if not ENTRY_POINTS.fullmatch(name)}
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
        if not ENTRY_POINTS.fullmatch(".".join(path.parent.relative_to(ROOT).parts))
    }
    ranked = {
        f"{package}.{part}".removesuffix(".__init__") if package else part
        for package, order in RANKS.items()
        for part in re.split(r"[ |]", order)
    }
    assert ranked == found
    assert {package for package in RANKS if package} == packages


def test_imports_point_one_way():
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules(*ROOMS)
        if not ENTRY_POINTS.fullmatch(name)
        for target in imported(tree, name.split(".")[0])
        if target.split(".")[0] in ROOMS and not may_import(name, target)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("dids.models", "dids.history.undo"),
        ("dids.imports.validate", "dids.imports.wizard.Import"),
        ("dids.lists.filters", "dids.job_kinds"),
        ("dids.lists.as_of", "dids.history.ownership.who_had"),
        ("clients.models", "operators.models.Operator"),
        ("didmgmt.listing", "dids.models.DID"),
        ("audit.models", "sheets.read"),
        ("sheets.table", "audit.changes"),
        ("dids.job_kinds", "screens.answers"),
    ],
)
def test_an_import_that_points_back_would_be_found(name, target):
    assert not may_import(name, target)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("dids.history.undo.undo", "dids.models.DID"),
        ("dids.imports.wizard", "dids.imports.validate.KEEP"),
        ("screens.numbers.export", "didmgmt.listing.Selection"),
        ("dids.models", "audit.history"),
        ("dids.apps", "dids.job_kinds"),
    ],
)
def test_an_import_of_what_is_below_is_allowed(name, target):
    assert may_import(name, target)


def test_rows_are_streamed_in_one_place():
    """Outside a transaction a cursor is lost behind a pooler, see ``didmgmt.streams``."""
    found = {
        name
        for name, tree in modules(*ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("iterator", "aiterator")
    }
    assert found == {"didmgmt.streams"}


def test_nothing_imports_the_entry_points():
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules(*ROOMS)
        if not ENTRY_POINTS.fullmatch(name)
        for target in imported(tree)
        if target.split(".")[0] in ROOMS and ENTRY_POINTS.fullmatch(target)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("sheets", ("django.db", "django.contrib", "import_export")),
        ("dids/numbering", ("django.db", "django.contrib", "import_export")),
        ("dids/lifecycle", ("django.contrib", "clients.models", "operators.models", "jobs.models", "staff")),
        ("dids", ("django.shortcuts", "django.template", "django.contrib.messages", "django.http.HttpRe")),
    ],
)
def test_a_room_does_not_import_what_it_must_not_know(room, forbidden):
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules(room)
        if not ENTRY_POINTS.fullmatch(name)
        for target in imported(tree)
        if target.startswith(forbidden)
    ]
    assert wrong == []


def test_the_domain_acts_with_the_rights_of_a_job_and_not_of_its_owner():
    """A job of an API token has fewer rights than its owner, see ``Job.actor``."""
    found = {
        name
        for name, tree in modules("dids", "events", "api")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "owner" and "job" in ast.dump(node.value)
    }
    assert found == set()


# --- the status of a number -------------------------------------------------------------------------

# An undo restores a status from the history of the number, which is not a move.
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
    """Yield the lines that assign a status: to an attribute, by a writing method, or by SQL."""
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


def test_only_the_models_and_undo_write_the_status_of_a_number():
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


# --- time ----------------------------------------------------------------------------------------

# What the last two do is compared with no other host, and works without a database.
READS_HOST_CLOCK = {"didmgmt.clock", "didmgmt.headers", "didmgmt.server"}


def host_times(tree):
    """Yield the line of each read of the host's clock; elapsed time is measured otherwise."""
    read = {("timezone", "now"), ("datetime", "now"), ("time", "time"), ("date", "today")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) in read:
            yield node.lineno
        without_value = isinstance(node, ast.Call) and not node.args
        if without_value and getattr(node.func, "attr", "") in ("localtime", "localdate"):
            yield node.lineno


def test_only_the_clock_reads_the_time_of_the_host():
    wrong = [
        f"{name}:{line}"
        for name, tree in modules("didmgmt", *APPS)
        if name not in READS_HOST_CLOCK and ".migrations." not in name
        for line in host_times(tree)
    ]
    assert wrong == []


@pytest.mark.parametrize("code", ["x = timezone.now()", "f(default=timezone.now)", "timezone.localtime()"])
def test_a_read_of_the_clock_elsewhere_would_be_found(code):
    assert list(host_times(ast.parse(code))) == [1]


# --- visibility ----------------------------------------------------------------------------------


def branch_models():
    """Return our models whose rows belong to a reseller, through any chain of foreign keys.

    Models without permissions (counters, staging) are only reached through others.
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
def test_rows_of_a_reseller_can_be_limited_to_what_a_user_may_see(model):
    assert callable(getattr(model._default_manager.all(), "visible_to", None)), model


# --- templates --------------------------------------------------------------------------------------

# Django loads these by name.
BY_NAME = re.compile(r"(403|404|500)\.html")
NAME = re.compile(r"[\w/]+\.html")


def existing_templates():
    return {str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html")}


def templates_mentioned():
    for _, tree in modules("didmgmt", *APPS):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
                yield node.value
    for path in (ROOT / "templates").rglob("*.html"):
        for tag in re.findall(r"{%\s*(?:include|extends)\s.*?%}", path.read_text()):
            yield from re.findall(rf"\"({NAME.pattern})\"", tag)


def test_every_named_template_exists_and_compiles():
    for name in sorted(existing_templates() | set(templates_mentioned())):
        get_template(name)


def test_every_template_is_used():
    assert {name for name in existing_templates() if not BY_NAME.fullmatch(name)} <= set(
        templates_mentioned()
    )
