"""What takes numbers out of use is rehearsed first: which go on Hold, until when, and what they become."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.urls import reverse

from didmgmt import dialogs
from screens.clients.forms import StopForm
from screens.numbers.mass_edit import TYPED_ABOVE

may_stop = permission_required("dids.change_clientpackage", raise_exception=True)


def stop(request, dids, do, *, title, about, verb, done, back_url, **carried):
    """Show what becomes of ``dids`` when their package stops; a POST with step=apply does it.

    ``do``: does it and returns the Result, None when it was so already. ``title`` and ``about`` say what
    stops, ``verb`` the button ("Deactivate"), ``done`` what is told then. ``carried``: fields of the form
    before, which the button sends again.
    """
    rest, applied = dids.rehearse_hold(), request.POST.get("step") == "apply"
    form = StopForm(request.POST if applied else None, count=rest.count) if rest.count > TYPED_ABOVE else None
    if applied and (form is None or form.is_valid()):
        result = do()
        if result is None:
            messages.info(request, f"{done} That was so already.")
        else:
            fate = "put on Hold" if any(group.days for group in rest.groups) else "given back, without a rest"
            messages.success(request, f"{done} {result.sentence(fate)}")
        return dialogs.close(request, back_url)
    context = {"rest": rest, "form": form, "title": title, "about": about, "verb": verb, "carried": carried}
    context["action_url"] = request.path
    status = 422 if form and form.errors else 200
    return dialogs.show(
        request, "packages/client_packages/_stop.html", context, title=title, back_url=back_url, status=status
    )


def delete(request, thing, *, listed, advice):
    """Ask, then delete ``thing`` unless something needs it. ``advice``: what to do in that case."""
    uses, posted = thing.uses(), request.method == "POST"
    if posted:
        uses = thing.delete_unused(by=request.user)
        if not uses:
            messages.success(request, f"{thing._meta.verbose_name.capitalize()} {thing} is deleted.")
            return dialogs.close(request, dialogs.back_to(request, listed))
    back_url = dialogs.back_to(request, listed, request.path.removesuffix("delete/"))
    refusal = uses and f"It has {_enumerated(uses)}. {advice}"
    context = {"thing": thing, "refusal": refusal, "action_url": request.path}
    status = 422 if refusal and posted else 200
    title = f"Delete {thing}"
    return dialogs.show(
        request, "clients/_delete.html", context, title=title, back_url=back_url, status=status
    )


def _enumerated(phrases):
    *most, last = phrases
    return f"{', '.join(most)} and {last}" if most else last


def client_pages(client):
    """The addresses of a client's tabs."""
    page = reverse("clients:detail", args=[client.pk])
    return [page, f"{page}dids/"]
