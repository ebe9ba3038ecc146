"""Operators, clients, accounts and packages from files and as files. Each table has two addresses."""

from functools import wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.db import IntegrityError, OperationalError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from didmgmt.addresses import go_to
from dids.reference_files.tables import TABLES, Differs
from screens.clients.clients import client_listing
from screens.imports.reference_forms import ReferenceUploadForm, seal, unseal
from screens.numbers.export import download, file_name, format_of
from screens.operators.operators import operator_listing
from screens.packages.packages import package_listing

SHOWN = 100  # rows of a table on the page of the check
LISTINGS = {"operators": operator_listing, "clients": client_listing, "packages": package_listing}


def _may(user, table, *actions):
    meta = TABLES[table]._meta.model._meta
    return user.has_perms([f"{meta.app_label}.{action}_{meta.model_name}" for action in actions])


def needs_rights(*actions):
    """Let those in who have these rights to the model of ``table``."""

    def guard(view):
        @wraps(view)
        def guarded(request, table):
            if not _may(request.user, table, *actions):
                raise PermissionDenied
            return view(request, table)

        return guarded

    return guard


# --- import ---------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@needs_rights("add", "change")
def reference_import(request, table):
    """A POST with a file checks it; one with the ``sealed`` rows of a check applies them."""
    resource = TABLES[table](request.user)
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ReferenceUploadForm(*posted, resource=resource)
    try:
        if "sealed" in request.POST:
            return _apply(request, table, resource)
        if posted and form.is_valid():
            return _show_check(request, table, form.sheet, resource.check(form.sheet))
    except (IntegrityError, OperationalError):
        # The same name made in another transaction under way, or a deadlock with it.
        messages.error(request, "Somebody changed the same things at this moment. Check the file again.")
        return redirect(f"reference:{table}_import")
    context = _frame(request, table) | {
        "form": form,
        "about": resource.about,
        "note": resource.note,
        "export_url": reverse(f"reference:{table}_export") if _may(request.user, table, "view") else "",
    }
    return render(request, "imports/reference/import.html", context, status=422 if form.errors else 200)


def _show_check(request, table, sheet, outcome, **more):
    refused = outcome.counts["refused"]
    ready = outcome.written and not refused
    context = _frame(request, table) | {
        "sheet": sheet,
        "outcome": outcome,
        "counts": outcome.counts,
        "refused_text": f"{refused:,} {'row is' if refused == 1 else 'rows are'} refused",
        "refusals": outcome.refusals[:SHOWN],
        "more_refusals": len(outcome.refusals[SHOWN:]),
        "steps": outcome.steps[:SHOWN],
        "more_steps": len(outcome.steps[SHOWN:]),
        "apply_label": f"Import {outcome.count(outcome.written)}" if ready else "",
        "sealed": seal(sheet, outcome, table=table, user=request.user) if ready else "",
    }
    return render(request, "imports/reference/import_check.html", context | more, status=409 if more else 200)


def _apply(request, table, resource):
    try:
        sheet, expected = unseal(request.POST["sealed"], table=table, user=request.user)
        outcome = resource.apply(sheet, expected)
    except BadSignature:
        messages.error(
            request,
            "These are not the rows that were checked, or the check is over a day old. Check the file again.",
        )
        return redirect(f"reference:{table}_import")
    except Differs as now:
        return _show_check(request, table, sheet, now.outcome, differs=True)
    messages.success(request, outcome.sentence)
    return redirect(_home(request.user, table))


def _frame(request, table):
    """What both pages show around: the table's names, and the tables that this person may import."""
    return {
        "table": table,
        "noun": TABLES[table].nouns()[0],
        "tables": [
            {"name": name, "label": name.capitalize(), "url": reverse(f"reference:{name}_import")}
            for name in TABLES
            if _may(request.user, name, "add", "change")
        ],
        "back_url": _home(request.user, "clients" if table == "accounts" else table),
        "import_url": reverse(f"reference:{table}_import"),
    }


def _home(user, table):
    """Where somebody goes on: the table's list, or the page that stands in for it."""
    if table in LISTINGS and _may(user, table, "view"):
        return reverse(f"{table}:list")
    return reverse(f"reference:{table}_import" if _may(user, table, "add", "change") else "home")


# --- export ---------------------------------------------------------------------------------------


@require_safe
@needs_rights("view")
def reference_export(request, table):
    """All rows, of tables that have a list those of its address; ``format`` is csv (the default) or xlsx."""
    resource = TABLES[table](request.user)
    if (format := format_of(request)) is None:
        return redirect(_home(request.user, table))
    if table in LISTINGS:
        listing = LISTINGS[table](request)
        if not listing.valid:
            # where the errors are shown
            return go_to(f"{reverse(f'{table}:list')}?{request.GET.urlencode()}")
        filterset, found = listing.filterset, listing.ordered.select_related(resource.related)
    else:
        filterset, found = None, resource.listed()
    return download(resource.rows(found), file_name(table, filterset, timezone.now()), format)
