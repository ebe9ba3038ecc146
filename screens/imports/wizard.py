"""The import wizard: file, columns, check, result. Each step has its own address and may be reloaded."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clients.models import counted
from dids.imports.wizard import KIND, Import
from jobs.models import Job
from screens.imports.forms import ColumnsForm, ReadingForm, UploadForm, file_note
from screens.numbers.export import download
from sheets import SheetError

SHOWN = 100  # refused rows on a page; the file has them all

may_import = permission_required("dids.import_did", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
def import_upload(request):
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*posted, by=request.user)
    if posted and form.is_valid():
        with form.loaded:
            one = Import.start(request.user, form.cleaned_data["file"], form.loaded, **form.defaults())
        return redirect("dids:import_columns", one.job.pk)
    context = {"form": form, "back_url": reverse("dids:list")}
    return render(request, "imports/upload.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
@never_cache
def import_columns(request, pk):
    one = _import(request, pk)
    if not one.is_open:
        return _to_step(one)
    head = one.head()
    posted = request.POST if request.method == "POST" else None
    form = ColumnsForm(posted, one=one, head=head)
    if request.method == "POST" and form.is_valid():
        if not one.check(**form.chosen()):
            messages.warning(request, "This import is under way already, in another window perhaps.")
        return _to_step(one)
    return _columns_page(request, one, head, form)


@require_POST
@may_import
def import_reading(request, pk):
    """Read the file by another delimiter, encoding or sheet; the head is shown anew."""
    one = _import(request, pk)
    if not one.is_open:
        return _to_step(one)
    form = ReadingForm(request.POST, format=one.format)
    if form.is_valid():
        try:
            one.read_otherwise(**form.chosen())
            return redirect("dids:import_columns", pk)
        except SheetError as error:
            form.add_error(None, str(error))
    head = one.head()
    return _columns_page(request, one, head, ColumnsForm(one=one, head=head), reading=form, status=422)


def _columns_page(request, one, head, form, *, reading=None, status=200):
    params, width = one.job.params, one.format.width
    context = {
        "file_name": one.name,
        "file_note": file_note(one.format, params["rows"]),
        "reading": reading or ReadingForm(format=one.format),
        "reading_url": reverse("dids:import_reading", args=[one.job.pk]),
        "notes": params["notes"],
        "damage": params["damage"],
        "columns": [{"field": form[f"column{i}"], "letter": i + 1} for i in range(width)],
        "rows": [
            {"line": row.line, "skip": form[f"skip{row.line}"], "cells": row.cells[:width]} for row in head
        ],
        "more_rows": max(0, params["rows"] - len(head)),
        "form": form,
        "options": [form["existing"], form["errors_policy"], form["create"]],
        "back_url": reverse("dids:import"),
    }
    status = 422 if form.errors else status
    return render(request, "imports/columns.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
@never_cache
def import_check(request, pk):
    """What all rows would become; a POST applies what was checked."""
    one = _import(request, pk)
    if one.is_erased and not one.is_applied:
        return _to_step(one)
    if one.is_applied or one.job.state == Job.State.DONE:
        return redirect("dids:import_result", pk)
    if not one.phase:
        return redirect("dids:import_columns", pk)
    if one.job.is_under_way:
        return _between_pages(request, one, "running", 3)
    if one.phase == "check":  # it was cancelled or failed
        return _between_pages(request, one, "stopped", 3)
    if request.method == "POST":
        if not one.apply(one.checked):
            messages.warning(request, "This import is under way already, in another window perhaps.")
        return redirect("dids:import_result", pk)
    counts = one.counts
    written = counts["created"] + counts["updated"]
    nothing = one.all_or_nothing and counts["refused"]
    context = _outcome(one) | {
        "missing": one.job.result.get("missing", []),
        "error": one.job.result.get("error", ""),
        "refused_all": nothing,
        "apply_label": f"Import {counted(written, 'number')}" if written and not nothing else "",
        "columns_url": reverse("dids:import_columns", args=[pk]),
        "back_url": reverse("dids:list"),
    }
    return render(request, "imports/check.html", context)


@require_safe
@may_import
@never_cache
def import_result(request, pk):
    one = _import(request, pk)
    if one.phase != "apply":
        return redirect("dids:import_check", pk)
    if one.job.is_under_way:
        return _between_pages(request, one, "running", 4)
    if not one.is_applied and one.job.state != Job.State.DONE:
        return redirect("dids:import_check", pk)
    counts = one.counts
    context = _outcome(one) | {
        "job": one.job,
        "sentence": ", ".join(f"{count:,} {what}" for what, count in counts.items()) + ".",
        "error": one.job.result.get("error", ""),
        "at": one.job.finished_at,
        "actor": one.job.owner,
        "list_url": f"{reverse('dids:list')}?sort=-id",
        "again_url": reverse("dids:import"),
    }
    return render(request, "imports/result.html", context)


def _between_pages(request, one, what, step):
    """While a worker is at it, or after it stopped: ``what`` is "running" or "stopped"."""
    columns_url = reverse("dids:import_columns", args=[one.job.pk])
    context = {"file_name": one.name, "job": one.job, "step": step, "columns_url": columns_url}
    return render(request, _BETWEEN[what], context)


_BETWEEN = {"running": "imports/running.html", "stopped": "imports/stopped.html"}


@require_safe
@may_import
def import_refused(request, pk):
    """The refused rows as CSV, with the reason; it imports again once corrected."""
    one = _import(request, pk)
    if one.is_erased:
        raise Http404("The rows of this import are deleted.")
    name = one.name.rpartition(".")[0] or one.name
    return download(one.refused_rows(), f"{name}_refused")


def _to_step(one):
    """To where it is; of one whose files are deleted only the job can be told."""
    return redirect(one.job if one.is_erased else one.job.url)


def _import(request, pk):
    jobs = Job.objects.visible_to(request.user).select_related("owner", "change").filter(kind=KIND.name)
    return Import(get_object_or_404(jobs, pk=pk, owner=request.user))


def _outcome(one):
    return {
        "file_name": one.name,
        "counts": one.counts,
        "refusals": one.refusals(SHOWN),
        "refused_url": "" if one.is_erased else reverse("dids:import_refused", args=[one.job.pk]),
    }
