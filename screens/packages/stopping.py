"""Stopping packages: the dialog previews the holds before anything is written."""

from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.urls import reverse

from didmgmt import dialogs
from didmgmt.filters import VALUES_MOST
from dids.lifecycle import statuses as st
from screens.answers import announce
from screens.forms import ConfirmCountForm

RETURN = (
    "If it is activated again before their holds end, its numbers return to what they are now, Active or"
    " Blocked. Numbers that a person has put on Hold stay there."
)

may_stop = permission_required("dids.change_clientpackage", raise_exception=True)


def stop(request, action, *, title, about, verb, back_url, **carried):
    """Answer the dialog of ``action``, a ``Stop``; a POST with step=apply runs it.

    ``title`` and ``about`` name what stops, ``verb`` labels the button ("Deactivate"). ``carried``: fields of
    the previous form, which the button sends again.
    """
    preview, is_applied = action.preview(request.user), request.POST.get("step") == "apply"
    form = ConfirmCountForm.when_needed(
        request.POST if is_applied else None, count=preview.count, fate="will be put on Hold"
    )
    if is_applied and (form is None or form.is_valid()):
        sentence, result = action.run(request.user, preview)
        if result is None:
            messages.info(request, sentence)
        else:
            announce(request, sentence)
        return dialogs.close(request, back_url)
    losses = _with_urls(preview.losses, action.packages)
    context = {"preview": preview, "losses": losses, "form": form, "title": title}
    context |= {"about": about, "verb": verb}
    context |= {"carried": carried, "action_url": request.path}
    status = 422 if form and form.errors else 200
    return dialogs.show(
        request, "packages/client_packages/_stop.html", context, title=title, back_url=back_url, status=status
    )


def _with_urls(losses, stopping):
    """Return the ``Losses`` with the addresses of the lists of their numbers; one query."""
    packages = {}
    clients = [loss.pk for loss in (*losses.first, *losses.others)]
    for client, pk in stopping.filter(client__in=clients).order_by("pk").values_list("client", "pk"):
        packages.setdefault(client, []).append(pk)

    def with_url(loss):
        given = packages.get(loss.pk, [])
        if not 0 < len(given) <= VALUES_MOST:
            return loss
        query = urlencode({"package": given, "status": st.IN_USE}, doseq=True)
        return replace(loss, url=f"{reverse('clients:dids', args=[loss.pk])}?{query}")

    return replace(losses, first=[*map(with_url, losses.first)], others=[*map(with_url, losses.others)])


def client_pages(client):
    """Return the addresses of a client's tabs, to which the dialogs opened there return."""
    return [reverse("clients:detail", args=[client.pk]), reverse("clients:dids", args=[client.pk])]
