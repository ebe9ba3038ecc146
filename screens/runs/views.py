"""Find a run: numbers in a row that are In Stock, to assign, to edit or to see on the list."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.views.decorators.http import require_safe

from didmgmt.replica import may_lag
from didmgmt.text import count_noun
from dids.forms.free_runs import FreeRunsForm
from dids.lifecycle import statuses as st
from dids.lists.blocks import place_of
from dids.numbering.search import range_text


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@may_lag
def find_run(request):
    """Show the form and, for an address with parameters, what was found."""
    form = FreeRunsForm(request.GET or None, by=request.user)
    if not form.is_bound:
        return render(request, "runs/find.html", {"form": form})
    if not form.is_valid():
        return render(request, "runs/find.html", {"form": form}, status=422)
    found, runs = form.find()
    count = form.cleaned_data["count"]
    widest = max((run.length + run.gaps for run in found.rows), default=1)
    context = {
        "form": form,
        "found": found,
        "count": count,
        "count_label": count_noun(count, "number"),
        "rows": [_row(run, widest) for run in found.rows],
        "less": None if found.rows else _less(runs.longest(), request.GET),
    }
    return render(request, "runs/find.html", context)


def _row(run, widest):
    """Return the context of a row; ``before``, ``taken`` and ``after`` are percents of the widest run."""
    parts = (run.before, run.length + run.gaps - run.before - run.after, run.after)
    before, taken, after = (round(100 * part / widest, 2) for part in parts)
    return {
        "run": run,
        "query": urlencode({"q": range_text(run.first, run.last), "status": st.INSTOCK}),
        "map_query": urlencode(place_of(run.first, run.last)),
        "left": " + ".join(f"{part:,}" for part in (run.before, run.after) if part) or "none",
        "before": before,
        "taken": taken,
        "after": after,
        "after_from": before + taken,
    }


def _less(longest, parameters):
    """Return what can be found instead: (first, last, how many, its query), or None when nothing is free."""
    if longest is None:
        return None
    first, last = longest
    count = int(last) - int(first) + 1
    changed = parameters.copy()
    changed["count"] = count
    changed.pop("multiple", None)
    return {"first": first, "last": last, "count": count, "query": changed.urlencode()}
