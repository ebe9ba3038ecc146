"""Stock levels: the list, and the dialogs that set and delete them.

Whoever sees numbers sees the levels of the branch, and whoever edits numbers sets them.
"""

from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import dialogs
from dids.forms.stock_levels import LevelForm, NewLevelForm
from dids.lists.records import STOCK_LEVELS
from dids.models import StockLevel
from screens.people.people import confirm

may_view = permission_required("dids.view_did", raise_exception=True)
may_set = permission_required("dids.change_did", raise_exception=True)


def _get(request, pk):
    return get_object_or_404(STOCK_LEVELS.visible_to(request.user), pk=pk)


@require_safe
@may_view
def level_list(request):
    listing = STOCK_LEVELS.listing(request.GET, request.user, request.path)
    return render(request, "stock/list.html", {"listing": listing})


@dialogs.view
@may_set
def level_new(request):
    form = NewLevelForm(dialogs.posted(request), instance=StockLevel(), by=request.user)
    if form.is_valid() and (sentence := form.save_level()):
        return _done(request, sentence)
    return _show(request, form, "New level", "Set the level")


@dialogs.view
@may_set
def level_edit(request, pk):
    level = _get(request, pk)
    form = LevelForm(dialogs.posted(request), instance=level, by=request.user)
    if form.is_valid() and (sentence := form.save_level()):
        return _done(request, sentence)
    return _show(request, form, f"Level of {level}", "Save")


@dialogs.view
@may_set
def level_delete(request, pk):
    level = _get(request, pk)
    return confirm(
        request,
        lambda: level.remove(by=request.user),
        list_url=reverse("stock_levels:list"),
        title=f"Delete the level of {level}?",
        says=["Nobody is told any more when its stock runs low. Its numbers stay as they are."],
        button="Delete the level",
        done=level.deleted_sentence,
        danger=True,
    )


def _done(request, sentence):
    return dialogs.done(request, sentence, reverse("stock_levels:list"))


def _show(request, form, title, verb):
    back_url = dialogs.back_to(request, reverse("stock_levels:list"))
    return dialogs.show_form(request, form, title, verb, back_url=back_url, template="stock/_level.html")
