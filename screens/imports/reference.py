"""Import and export of reference tables: operators, clients, accounts and packages."""

from contextlib import nullcontext
from functools import wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.db import IntegrityError, OperationalError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from didmgmt import clock
from didmgmt.addresses import go_to
from didmgmt.limits import reading_file
from didmgmt.parameters import parameter_errors
from dids.reference_files.result import ChangedSinceCheckError
from dids.reference_files.tables import TABLES
from screens.answers import announce
from screens.clients.clients import CLIENTS
from screens.downloads import download, file_name, format_of, list_query
from screens.imports.reference_forms import ReferenceUploadForm, sign, unsign
from screens.operators.operators import OPERATORS
from screens.packages.packages import PACKAGES

SHOWN = 100  # rows of each table on the page of a check
RECORDS = {"operators": OPERATORS, "clients": CLIENTS, "packages": PACKAGES}


def _may(user, table, *actions):
    meta = TABLES[table]._meta.model._meta
    return user.has_perms([f"{meta.app_label}.{action}_{meta.model_name}" for action in actions])


def needs_rights(*actions):
    """Require these permissions for the model of ``table``."""

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
    """Check the file that is posted, or apply the ``signed`` rows of a check."""
    resource = TABLES[table](request.user)
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ReferenceUploadForm(*posted, resource=resource)
    try:
        if "signed" in request.POST:
            return _apply(request, table, resource)
        with reading_file(request.user) if posted else nullcontext():
            valid = form.is_valid()
        if valid:
            return _show_check(request, table, form.parsed_file, resource.check(form.parsed_file))
    except (IntegrityError, OperationalError):
        # A concurrent transaction created the same name, or there was a deadlock with it.
        messages.error(request, "Someone else changed the same records just now. Check the file again.")
        return redirect(f"reference:{table}_import")
    context = _frame(request, table) | {
        "form": form,
        "about": resource.about,
        "note": resource.note,
        "export_url": reverse(f"reference:{table}_export") if _may(request.user, table, "view") else "",
    }
    return render(request, "imports/reference/import.html", context, status=422 if form.errors else 200)


def _show_check(request, table, file, result, **more):
    refused = result.counts["refused"]
    ready = result.written and not refused
    context = _frame(request, table) | {
        "file": file,
        "counts": result.counts,
        "refused_text": f"{refused:,} {'row is' if refused == 1 else 'rows are'} refused",
        "refusals": result.refusals[:SHOWN],
        "more_refusals": len(result.refusals[SHOWN:]),
        "row_changes": result.row_changes[:SHOWN],
        "more_row_changes": len(result.row_changes[SHOWN:]),
        "apply_label": f"Import {result.count(result.written)}" if ready else "",
        "signed": sign(file, result, table=table, user=request.user) if ready else "",
    }
    return render(request, "imports/reference/import_check.html", context | more, status=409 if more else 200)


def _apply(request, table, resource):
    try:
        file, expected = unsign(request.POST["signed"], table=table, user=request.user)
        result = resource.apply(file, expected)
    except BadSignature:
        messages.error(
            request,
            "These rows are not the ones that were checked, or the check is more than a day old."
            " Check the file again.",
        )
        return redirect(f"reference:{table}_import")
    except ChangedSinceCheckError as error:
        return _show_check(request, table, file, error.result, changed=True)
    announce(request, result.sentence)
    return redirect(_home(request.user, table))


def _frame(request, table):
    """Return the context that both pages share, with the tables that the user may import."""
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
    """Return the URL of the table's list, or of the page to use if there is none for the user."""
    if table in RECORDS and _may(user, table, "view"):
        return reverse(f"{table}:list")
    return reverse(f"reference:{table}_import" if _may(user, table, "add", "change") else "home")


# --- export ---------------------------------------------------------------------------------------


@require_safe
@needs_rights("view")
def reference_export(request, table):
    """Export the filtered list, or all rows of a table without a list, as CSV or XLSX."""
    resource = TABLES[table](request.user)
    if (file_format := format_of(request)) is None:
        return redirect(_home(request.user, table))
    if table in RECORDS:
        listing = RECORDS[table].listing(request, besides=["format"])
        if not listing.valid:
            # The list shows the errors.
            return go_to(f"{reverse(f'{table}:list')}?{list_query(request)}")
        filterset, found = listing.filterset, listing.ordered.select_related(resource.related)
    else:
        if errors := parameter_errors(request.GET, ["format"]):
            messages.error(request, " ".join(errors))
            return redirect(_home(request.user, table))
        filterset, found = None, resource.listed()
    return download(request, resource.rows(found), file_name(table, filterset, clock.now()), file_format)
