"""The check and the result of an import: what it will do, row by row, and what it did."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from didmgmt import dialogs
from didmgmt.parameters import takes
from didmgmt.text import count_noun, parse_whole
from dids.imports import effects
from dids.lists.changed import changed_url
from jobs.models import Job
from screens.downloads import download
from screens.imports.forms import file_note
from screens.imports.panel import RADIOS, slug
from screens.imports.wizard import ALREADY_RUNNING, current_step, may_import, owned_import

# What the check shows: address, label, and its class and icon in the table.
FILTERS = (
    (effects.SAMPLE, "One of each kind", "", ""),
    (effects.ALL, "All rows", "", ""),
    ("created", "Create", "plan-new", "plus"),
    ("updated", "Update", "plan-change", "edit"),
    ("unchanged", "Unchanged", "plan-same", "check"),
    ("refused", "Refuse", "plan-no", "x"),
    ("flagged", "Flagged", "plan-flag", "alert-triangle"),
)
NOTHING = {
    effects.SAMPLE: "The file has no rows to import.",
    effects.ALL: "The file has no rows to import.",
    "created": "No number will be created.",
    "updated": "No number will be updated.",
    "unchanged": "Every number in the file is new, changes or is refused.",
    "refused": "No row will be refused.",
    "flagged": "No row is doubtful.",
}
PLANS = {key: {"label": label, "tone": tone, "icon": icon} for key, label, tone, icon in FILTERS}
LEFT_OUT_SHOWN = 20
LINES_POSTED = max(settings.PAGE_SIZES)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
@never_cache
@takes(
    show=lambda value: value in PLANS,
    page=parse_whole,
    per_page=lambda value: parse_whole(value) in settings.PAGE_SIZES,
)
def import_check(request, pk):
    """Show what the check found; a POST applies it."""
    number_import = owned_import(request, pk)
    if number_import.is_erased and not number_import.is_applied:
        return current_step(number_import)
    if number_import.is_applied or number_import.job.state == Job.State.DONE:
        return redirect("dids:import_result", pk)
    if not number_import.phase:
        return redirect("dids:import_columns", pk)
    if number_import.job.is_unfinished:
        return _progress_page(request, number_import, "imports/running.html", 3)
    if number_import.phase == "check":  # it was cancelled or failed
        return _progress_page(request, number_import, "imports/stopped.html", 3)
    if request.method == "POST":
        if not number_import.apply(number_import.checked):
            messages.warning(request, ALREADY_RUNNING)
        return redirect("dids:import_result", pk)
    return _check_page(request, number_import)


def _check_page(request, number_import):
    job, counts, asked = number_import.job, number_import.counts, request.GET
    size = parse_whole(asked.get("per_page", ""))
    size = size if size in settings.PAGE_SIZES else settings.PAGE_SIZES[0]
    page = number_import.effects(asked.get("show", ""), parse_whole(asked.get("page", "")) or 1, size)
    to_write = counts["created"] + counts["updated"]
    refused_all = number_import.all_or_nothing and counts["refused"]
    context = _context(number_import) | {
        "forecast": number_import.forecast,
        "file_note": file_note(number_import.upload.format, job.params),
        "said": [
            *job.params["notes"],
            *job.params["damage"],
            *job.result.get("missing", []),
            *number_import.places,
        ],
        "page": page,
        "filters": _filters(page, size),
        "rows": [
            {
                "effect": effect,
                "plan": PLANS[effect.result],
                "question": _question_of(effect),
                "rest_url": _rest_url(effect, page),
            }
            for effect in page.rows
        ],
        "nothing": NOTHING[page.shown],
        "front": job.params.get("front", ""),
        "ticks": any(effect.tick for effect in page.rows),
        "urls": {"previous": page.page - 1, "next": page.page + 1, "last": page.pages},
        "refused_all": refused_all,
        "apply_label": f"Import {count_noun(to_write, 'number')}" if to_write and not refused_all else "",
        "columns_url": reverse("dids:import_columns", args=[job.pk]),
        "discard_url": reverse("dids:import_discard", args=[job.pk]),
        "flagged_url": reverse("dids:import_flagged", args=[job.pk]),
        "back_url": reverse("dids:list"),
    }
    return render(request, "imports/check.html", context)


def _question_of(effect):
    """Return the anchor of the question in step 2 that decides about a refused row, "" if none does."""
    kind = effect.refusal["kind"] if effect.refusal else ""
    return f"#question-{slug(kind)}" if kind in RADIOS else ""


def _rest_url(effect, page):
    """Return the page of all rows that shows what follows in a range of the sample, "" elsewhere."""
    if page.shown != effects.SAMPLE or not effect.rest or effect.nth == 1:
        return ""
    return _page_url(effects.ALL, page.size, -(-effect.position // page.size))


def _page_url(shown, size, page=1):
    query = {"show": shown}
    if size != settings.PAGE_SIZES[0]:
        query["per_page"] = size
    if page != 1:
        query["page"] = page
    return f"?{urlencode(query)}"


def _filters(page, size):
    """Return the links that show the rows of one result; those without rows are left out."""
    found = []
    for key, label, tone, _ in FILTERS:
        if page.counts[key] or key == page.shown or key == effects.ALL:
            count, current = page.counts[key], key == page.shown
            link = {"url": _page_url(key, size), "label": label, "tone": tone}
            found.append(link | {"count": count, "current": current})
    return found


@require_POST
@may_import
def import_flagged(request, pk):
    """Check again with the flagged rows that are ticked; ``shown`` are the lines whose ticks were posted."""
    number_import = owned_import(request, pk)
    shown, ticked = (
        {
            line
            for text in request.POST.getlist(name)[:LINES_POSTED]
            if (line := parse_whole(text)) is not None
        }
        for name in ("shown", "ticked")
    )
    if not number_import.write_flagged(shown=shown, ticked=ticked & shown):
        messages.warning(request, ALREADY_RUNNING)
        return current_step(number_import)
    query = QueryDict(mutable=True)
    query.update({key: request.POST[key] for key in ("show", "per_page") if request.POST.get(key)})
    return redirect(f"{reverse('dids:import_check', args=[pk])}?{query.urlencode()}")


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
@never_cache
def import_discard(request, pk):
    """Ask once, then delete the file and the staged rows of an import that has written nothing."""
    number_import = owned_import(request, pk)
    if not number_import.is_open:
        messages.warning(request, "This import can’t be discarded: it is running or has ended.")
        return dialogs.close(request, number_import.job.get_absolute_url())
    if request.method == "POST":
        number_import.discard()
        messages.success(request, f"The import of {number_import.upload.name} is discarded.")
        return dialogs.close(request, dialogs.back_to(request, reverse("dids:list"), reverse("jobs:list")))
    context = {
        "file_name": number_import.upload.name,
        "action_url": reverse("dids:import_discard", args=[pk]),
    }
    return dialogs.show(
        request,
        "imports/_discard.html",
        context,
        title=f"Discard the import of {number_import.upload.name}",
        back_url=number_import.job.url,
    )


@require_safe
@may_import
@never_cache
def import_result(request, pk):
    number_import = owned_import(request, pk)
    job = number_import.job
    if number_import.phase != "apply":
        return redirect("dids:import_check", pk)
    if job.is_unfinished:
        return _progress_page(request, number_import, "imports/running.html", 4)
    if not number_import.is_applied and job.state != Job.State.DONE:
        return redirect("dids:import_check", pk)
    counts = number_import.counts
    written = counts["created"] + counts["updated"]
    context = _context(number_import) | {
        "job": job,
        "headline": number_import.headline,
        "reasons": number_import.reasons,
        "more_reasons": job.result.get("more_reasons", 0),
        "left_out": number_import.explained(number_import.left_out[:LEFT_OUT_SHOWN]),
        "left_out_url": reverse("dids:import_left_out", args=[pk]),
        "kept_until": job.files_until,
        "statuses": number_import.statuses,
        "at": job.finished_at,
        "actor": job.requested_by,
        "list_url": changed_url(job.change_id) if written else "",
        "list_label": "Show the number" if written == 1 else f"Show the {written:,} numbers",
        "again_url": reverse("dids:import"),
        "back_url": reverse("dids:list"),
    }
    return render(request, "imports/result.html", context)


@require_safe
@may_import
@takes()
def import_refused(request, pk):
    """Download the refused rows with their reasons as CSV, to be corrected and imported again."""
    number_import = owned_import(request, pk)
    return _file_of(request, number_import, number_import.refused, "refused")


@require_safe
@may_import
@takes()
def import_left_out(request, pk):
    """Download the flagged rows that were not ticked, as CSV."""
    number_import = owned_import(request, pk)
    return _file_of(request, number_import, number_import.left_out, "left_out")


def _file_of(request, number_import, rows, fate):
    if number_import.is_erased:
        raise Http404("The rows of this import are deleted.")
    name = number_import.upload.name
    return download(request, number_import.file_of(rows), f"{name.rpartition('.')[0] or name}_{fate}")


def _progress_page(request, number_import, template, step):
    context = {
        "file_name": number_import.upload.name,
        "job": number_import.job,
        "step": step,
        "columns_url": reverse("dids:import_columns", args=[number_import.job.pk]),
    }
    return render(request, template, context)


def _context(number_import):
    counts, url = number_import.counts, reverse("dids:import_refused", args=[number_import.job.pk])
    return {
        "file_name": number_import.upload.name,
        "counts": counts,
        "refused_url": url if counts["refused"] and not number_import.is_erased else "",
        "error": number_import.job.result.get("error", ""),
    }
