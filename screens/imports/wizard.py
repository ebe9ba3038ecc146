"""The import wizard: file, columns, check, result. Each step has its own address and can be reloaded."""

from contextlib import nullcontext

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from didmgmt.limits import reading_file
from didmgmt.text import count_noun
from dids.imports.wizard import KIND, Import
from jobs.models import Job
from screens.imports.columns import ColumnsForm
from screens.imports.forms import ReadingForm, UploadForm, file_note
from screens.imports.panel import Panel
from sheets import SheetError

ALREADY_RUNNING = "This import is already running, perhaps from another window."

may_import = permission_required("dids.import_did", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
def import_upload(request):
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*posted, by=request.user)
    with reading_file(request.user) if posted else nullcontext():
        valid = form.is_valid()
    if valid:
        with form.loaded:
            file = form.cleaned_data["file"]
            number_import = Import.start(request.user, file, form.loaded, **form.defaults())
        return redirect("dids:import_columns", number_import.job.pk)
    context = {"form": form, "back_url": reverse("dids:list")}
    return render(request, "imports/upload.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@may_import
@never_cache
def import_columns(request, pk):
    """Choose columns and answer questions; a POST starts the check unless a question is open.

    A script posts the form after each change, and a button of a question posts ``use_…``: these keep the
    answers and show the page again.
    """
    number_import = owned_import(request, pk)
    if not number_import.is_open:
        return current_step(number_import)
    posted = request.POST if request.method == "POST" else None
    page = _Columns(number_import, request, posted)
    if posted is None:
        return page.render()
    uses = any(name.startswith("use_") for name in posted)
    only_answers = "HX-Request" in request.headers or uses or bool(page.form.layout_note)
    valid = page.form.is_valid()
    if only_answers or not valid or page.survey.open:
        if valid and not number_import.choose(**page.form.choices()):
            return current_step(number_import)
        return page.render(status=200 if only_answers else 422)
    typical = page.survey.typical and list(page.survey.typical)
    if not number_import.check(**page.form.choices() | {"typical": typical}):
        messages.warning(request, ALREADY_RUNNING)
    return current_step(number_import)


@require_POST
@may_import
def import_reading(request, pk):
    """Read the file with another delimiter, encoding or sheet."""
    number_import = owned_import(request, pk)
    if not number_import.is_open:
        return current_step(number_import)
    reading = ReadingForm(request.POST, file_format=number_import.upload.format)
    if reading.is_valid():
        try:
            with reading_file(request.user):
                number_import.read_again(**reading.options())
            return redirect("dids:import_columns", pk)
        except SheetError as error:
            reading.add_error(None, str(error))
    return _Columns(number_import, request).render(reading=reading, status=422)


def _said(questions):
    """Say how many of the questions are open."""
    still = sum(item.is_open for item in questions)
    if not questions:
        return "Nothing to decide"
    return f"{still} of {len(questions)} open" if still else f"all {len(questions)} decided"


class _Columns:
    """The page of step 2: the form with the survey of the choices that it holds."""

    def __init__(self, number_import, request, posted=None):
        self.number_import, self.request = number_import, request
        self.head = number_import.upload.head()
        self.width = number_import.upload.format.width
        self.form = ColumnsForm(
            posted,
            number_import=number_import,
            head=self.head,
            guess=number_import.guess(self.head, number_import.job.params.get("layout", "")),
            by=request.user,
            changed=request.headers.get("HX-Trigger-Name", ""),
        )
        self.survey = number_import.survey(self.form.guess, **self.form.choices())

    def render(self, *, reading=None, status=200):
        partial = "HX-Request" in self.request.headers
        template = "imports/_columns.html" if partial else "imports/columns.html"
        context = self._context(reading, refused=status == 422) | {"partial": partial}
        return render(self.request, template, context, status=status)

    def _context(self, reading, *, refused):
        upload, params = self.number_import.upload, self.number_import.job.params
        form, survey = self.form, self.survey
        panel = Panel(survey, form, self.head, self.width)
        questions = panel.items()
        rows, rest = panel.rows()
        asked = {item.kind for item in questions}
        shown = {row["line"] for row in rows}
        return {
            "columns_url": reverse("dids:import_columns", args=[self.number_import.job.pk]),
            "file_name": upload.name,
            "file_note": file_note(upload.format, params),
            "reading": reading or ReadingForm(file_format=upload.format),
            "reading_url": reverse("dids:import_reading", args=[self.number_import.job.pk]),
            "notes": params["notes"],
            "damage": params["damage"],
            "questions": questions,
            "open": sum(item.is_open for item in questions),
            "first_open": next((item.slug for item in questions if item.is_open), ""),
            "said": _said(questions),
            "refused": refused,
            "surveyed": survey.rows if survey.is_cut else 0,
            "columns": panel.columns(),
            "rows": rows,
            "rest": rest,
            "hidden_skips": [form[f"skip{line}"] for line in panel.choices["skip"] if line not in shown],
            "lines": count_noun(params["rows"], "line") if params.get("complete", True) else "lines",
            "form": form,
            "settings": [form[name] for name in form.SETTINGS],
            "defaults": [form[name] for name in form.DEFAULTS if not (name == "operator" and name in asked)],
            "back_url": reverse("dids:import"),
            "discard_url": reverse("dids:import_discard", args=[self.number_import.job.pk]),
        }


def owned_import(request, pk):
    """Return the import of that job; 404 unless it is the user's own."""
    jobs = (
        Job.objects.visible_to(request.user).select_related("owner", "token", "change").filter(kind=KIND.name)
    )
    return Import(get_object_or_404(jobs, pk=pk, owner=request.user))


def current_step(number_import):
    """Redirect to the current step, or to the job if the files of the import are deleted."""
    return redirect(number_import.job if number_import.is_erased else number_import.job.url)
