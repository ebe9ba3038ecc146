"""The screens of named records: one list, and the dialogs that create, edit and delete them.

Resellers, operators, clients, accounts and packages each describe themselves by a ``Records``; their views
check the user's rights and call one of its methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from django.urls import reverse

from audit.history import deleted_records
from clients.names import clean_name
from didmgmt import dialogs
from didmgmt.choices import choices
from dids.forms.records import saved_sentence
from dids.lists.records import RecordList
from screens.answers import announce


@dataclass(frozen=True)
class Records:
    """The screens of one kind of named record.

    ``list``: see ``dids.lists.records``. The callables take a record:

    - ``list_url``: the page that dialogs return to; ``pages``: other pages they may have been opened on
    - ``edit_url``: the edit dialog, where Apply on a new record continues
    - ``whose``: what a new record belongs to, such as "for Jarrow Dental", or ""
    - ``created_url``: where a new record leads, unless it is one of the first steps; None returns to the page
      that the user came from
    - ``uses_url``: the list of the rows that use it, or ""
    """

    list: RecordList
    form: type
    list_url: Callable
    edit_url: Callable
    pages: Callable = lambda record: []
    whose: Callable = lambda record: ""
    created_url: Callable | None = None
    uses_url: Callable = lambda record: ""

    def get(self, request, pk, **filters):
        """Return the record; raise Http404 when it does not exist or the user may not see it."""
        return get_object_or_404(self.list.visible_to(request.user), pk=pk, **filters)

    def listing(self, request, records=None, *, besides=()):
        """Return the ``Listing`` of these records, by default of all that the user may see.

        ``besides``: further parameters that the view reads.
        """
        return self.list.listing(request.GET, request.user, request.path, records, besides=besides)

    def save(self, request, record):
        """Answer the dialog of a new or an existing record, see ``save_dialog``."""
        return save_dialog(
            request,
            record,
            self.form,
            list_url=self.list_url(record),
            edit_url=self.edit_url,
            pages=self.pages(record),
            created_url=self.created_url,
            whose=self.whose(record),
        )

    def delete(self, request, record):
        """Answer the dialog that deletes a record, unless other rows use it."""
        posted = request.method == "POST"
        uses = record.delete_unused(by=request.user) if posted else record.uses()
        if posted and not uses:
            announce(request, record.deleted_sentence)
            return dialogs.close(request, dialogs.back_to(request, self.list_url(record)))
        back_url = dialogs.back_to(
            request, self.list_url(record), *self.pages(record), request.path.removesuffix("delete/")
        )
        context = {
            "record": record,
            "refusal": uses and record.in_use_sentence(uses),
            "uses_url": self.uses_url(record),
            "action_url": request.path,
        }
        return dialogs.show(
            request,
            "_delete_record.html",
            context,
            title=f"Delete {record}",
            back_url=back_url,
            status=422 if posted else 200,
        )


def save_dialog(
    request, record, form_class, *, list_url, edit_url, pages=(), created_url=None, whose="", say=announce
):
    """Answer the dialog of a new or an existing record: OK saves and closes, Apply saves and stays.

    ``form_class`` has the methods of ``RecordForm``, and ``say(request, sentence)`` shows what was done. The
    other arguments are those of ``Records``.
    """
    action_url, is_new, saved = request.path, record.pk is None, ""
    noun = record._meta.verbose_name
    form = form_class(request.POST if request.method == "POST" else None, instance=record, by=request.user)
    start = reverse("start:start")
    back_url = dialogs.back_to(request, list_url, *pages, start)
    if form.is_valid() and form.save_record():
        saved = saved_sentence(record, form.note)
        if "apply" not in request.POST:
            say(request, saved)
            leads_on = is_new and created_url and back_url != start
            return dialogs.close(request, created_url(record) if leads_on else back_url)
        form, action_url = form_class(instance=record, by=request.user), edit_url(record)
    heading = title = f"New {noun.capitalize()} {whose}".strip()
    if form.instance.pk is not None:
        heading, title = form.record_name, f"Edit {form.record_name}"
    context = {"form": form, "title": heading, "action_url": action_url, "saved_text": saved}
    status = 422 if form.errors else 200
    response = dialogs.show(request, "_record.html", context, title=title, back_url=back_url, status=status)
    if saved:
        response.headers["Content-Location"] = action_url  # where a repeated form leads
    return response


def has_installation_wide(user, permission):
    """Return whether ``user`` has the permission for what all resellers share, bound to none."""
    return not user.reseller_id and user.has_perm(permission)


def installation_wide(permission):
    """Admit users with the permission who are not bound to a reseller, for what all resellers share."""

    def guard(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            if not has_installation_wide(request.user, permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return guard


def record_choices(request, model):
    """Answer the search of a choice field with the records that the user may see, each with its reseller.

    Deleted records follow, without it, when the address has the parameter ``gone``.
    """
    return choices(
        request,
        model.objects.visible_to(request.user).select_related("reseller").order_by("name", "pk"),
        search="name",
        read=clean_name,
        note=lambda record: record.reseller.name if record.reseller_id else "",
        deleted=partial(deleted_records, model, request.user),
    )
