"""The import wizard: file, columns, check, result. Each step has its own address and may be reloaded."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from dids.import_forms import ColumnsForm, UploadForm, file_note
from dids.importing import KIND, Import
from jobs.models import Job

SHOWN = 100  # refused rows on a page; the file has them all

may_import = permission_required("dids.import_did", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
def import_upload(request):
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*posted, by=request.user)
    if posted and form.is_valid():
        one = Import.start(
            request.user, form.cleaned_data["file"], format=form.format, rows=form.rows, **form.defaults()
        )
        return redirect("dids:import_columns", one.job.pk)
    context = {"form": form, "back_url": reverse("dids:list")}
    return render(request, "dids/import_upload.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
def import_columns(request, pk):
    one = _import(request, pk)
    if one.job.state != Job.State.DRAFT:
        return redirect("dids:import_result", pk)
    head = one.head()
    kept = one.job.params if "mapping" in one.job.params else None
    posted = request.POST if request.method == "POST" else None
    form = ColumnsForm(posted, head=head, width=one.format.width, kept=kept)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        one.check(
            mapping=form.mapping(), skip=form.skip(), existing=chosen["existing"], create=chosen["create"]
        )
        return redirect("dids:import_check", pk)
    context = {
        "file_name": one.name,
        "file_note": file_note(one.format, one.job.total),
        "columns": [{"field": form[f"column{i}"], "letter": i + 1} for i in range(one.format.width)],
        "rows": [
            {"line": row.line, "skip": form[f"skip{row.line}"], "cells": row.cells[: one.format.width]}
            for row in head
        ],
        "more_rows": max(0, one.job.total - len(head)),
        "form": form,
        "options": [form["existing"], form["create"]],
        "back_url": reverse("dids:import"),
    }
    return render(request, "dids/import_columns.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
def import_check(request, pk):
    """What all rows would become; a POST applies what was checked."""
    one = _import(request, pk)
    if one.job.state == Job.State.DONE:
        return redirect("dids:import_result", pk)
    if not one.checked:
        return redirect("dids:import_columns", pk)
    if request.method == "POST":
        return _apply(request, one)
    counts = one.counts
    written = counts["created"] + counts["updated"]
    context = _outcome(one) | {
        "missing": one.job.result.get("missing", []),
        "apply_label": f"Import {written:,} {'number' if written == 1 else 'numbers'}" if written else "",
        "columns_url": reverse("dids:import_columns", args=[pk]),
        "back_url": reverse("dids:list"),
    }
    return render(request, "dids/import_check.html", context)


def _apply(request, one):
    try:
        done = one.apply(one.checked)
    except IntegrityError:
        # A name that was to be created was made by somebody else this very moment; nothing of the
        # chunk was written, and the next try finds it.
        done = False
        messages.error(request, "Somebody changed the same things at this moment. Import once more.")
    else:
        if not done:
            messages.warning(request, "This import is under way already, in another window perhaps.")
    return redirect("dids:import_result" if done else "dids:import_check", one.job.pk)


@require_safe
@may_import
def import_result(request, pk):
    one = _import(request, pk)
    if one.job.state != Job.State.DONE:
        return redirect("dids:import_check", pk)
    counts = one.counts
    context = _outcome(one) | {
        "sentence": ", ".join(f"{count:,} {what}" for what, count in counts.items()) + ".",
        "at": one.job.finished_at,
        "actor": one.job.owner,
        "list_url": f"{reverse('dids:list')}?sort=-id",
        "again_url": reverse("dids:import"),
    }
    return render(request, "dids/import_result.html", context)


@require_safe
@may_import
def import_refused(request, pk):
    """The refused rows as CSV, with the reason; it imports again once corrected."""
    one = _import(request, pk)
    name = one.name.rpartition(".")[0] or one.name
    return StreamingHttpResponse(
        one.refused_file(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(True, f"{name}_refused.csv")},
    )


def _import(request, pk):
    jobs = Job.objects.visible_to(request.user).filter(kind=KIND)
    return Import(get_object_or_404(jobs, pk=pk, owner=request.user))


def _outcome(one):
    return {
        "file_name": one.name,
        "counts": one.counts,
        "refusals": one.refusals(SHOWN),
        "refused_url": reverse("dids:import_refused", args=[one.job.pk]),
    }
