"""The screens of named records: one list, and the dialogs that create, edit and delete them.

Resellers, operators, clients, accounts and packages each describe themselves by a ``Records``; their views
check the user's rights and call one of its methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.shortcuts import get_object_or_404
from django.urls import reverse

from audit.history import deleted_records
from clients.models import AlikeError, Reseller
from clients.names import clean_name, lookalike_exists
from didmgmt import clock, dialogs
from didmgmt.choices import choices
from didmgmt.forms import ModelForm
from didmgmt.listing import Listing
from didmgmt.text import count_noun
from screens.answers import announce


class RecordForm(ModelForm):
    """Base class for the form of a named record, new or existing.

    ``by``: the user; a field ``reseller`` offers only the resellers that it may see. After ``save_record``,
    ``note`` holds a sentence about consequences, or "".
    """

    def __init__(self, data=None, *, instance, by):
        # The page under the dialog may have a search form with fields of the same names.
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by, self.note = by, ""
        if "reseller" in self.fields:
            self._offer_resellers(self.fields["reseller"])

    def _offer_resellers(self, field):
        field.queryset, field.empty_label = Reseller.objects.visible_to(self.by), "Choose a reseller"
        field.error_messages["invalid_choice"] = (
            "This reseller doesn’t exist, or you don’t have access to it. Choose another one."
        )
        only = list(field.queryset[:2])
        if self.instance.pk is None and len(only) == 1:
            self.initial["reseller"] = only[0].pk

    def _post_clean(self):
        super()._post_clean()
        if "name" not in self.errors and {"name", "reseller"} & {*self.changed_data}:
            self._ask_about_lookalike()

    def _ask_about_lookalike(self):
        """Refuse a name that a person would take for an existing one, unless its box is ticked."""
        name, noun = self.instance.name, self.instance._meta.verbose_name
        if not (others := self.instance.lookalikes()):
            return
        verb = "Create" if self.instance.pk is None else "Save"
        box = forms.CheckboxInput(attrs={"value": name})
        label = f"{verb} it although “{others[0]}” exists"
        self.fields["although"] = forms.BooleanField(required=False, label=label, widget=box)
        self.order_fields(["name", "although"])
        if not self.alike:
            exists = lookalike_exists(noun, others[0], name)
            self.add_error("name", f"{exists} Use it, or tick the box to have both.")

    @property
    def record_name(self):
        """The name of the record as it is stored."""
        return self.initial["name"]

    @property
    def alike(self):
        """Whether the user wants this name although another one is alike."""
        return self.data.get("although") == self.instance.name

    def save_record(self):
        """Write the record; return False, with the reason among the form's errors, when that failed."""
        is_new = self.instance.pk is None
        try:
            found = self.write()
        except (IntegrityError, AlikeError):
            # A concurrent write took the name, or one alike, or deleted a parent: validation finds out which.
            if is_new:
                self.instance.pk = None
            self.full_clean()
            if not self.errors:
                raise
            return False
        if not found:
            self.add_error(None, f"This {self.instance._meta.verbose_name} has been deleted in the meantime.")
        return found

    def write(self):
        """Write the record in a change; return False when it no longer exists."""
        return self.instance.record(by=self.by, fields=self.changed_data, alike=self.alike)


class HoldDaysForm(RecordForm):
    """Base class for records with hold days.

    New hold days move the ends of running holds in the same change.
    """

    def affected(self):
        """Return the numbers whose holds may follow this record's days, as a ``DIDQuerySet``."""
        raise NotImplementedError

    def write(self):
        if self.instance.pk is None:
            return super().write()
        found, moved = self.affected().record_hold_days(
            self.instance, by=self.by, fields=self.changed_data, alike=self.alike
        )
        if moved:
            verb = "ends" if moved == 1 else "end"
            self.note = f"{count_noun(moved, 'number')} on Hold now {verb} at a different time."
        return found


@dataclass(frozen=True)
class Records:
    """The screens of one kind of named record.

    ``rows(records, now)`` adds to a queryset what a row of the list shows. ``related``: what else each row
    needs, for ``select_related``. The other callables take a record:

    - ``list_url``: the page that dialogs return to; ``pages``: other pages they may have been opened on
    - ``edit_url``: the edit dialog, where Apply on a new record continues
    - ``whose``: what a new record belongs to, such as "for Jarrow Dental", or ""
    - ``created_url``: where a new record leads, unless it is one of the first steps; None returns to the page
      that the user came from
    - ``delete_advice``: what to do when other rows use it; ``uses_url``: the list of these rows, or ""
    """

    model: type
    form: type
    filterset: type
    sorts: dict
    rows: Callable
    list_url: Callable
    edit_url: Callable
    delete_advice: Callable
    pages: Callable = lambda record: []
    whose: Callable = lambda record: ""
    created_url: Callable | None = None
    uses_url: Callable = lambda record: ""
    related: str = "reseller"

    @property
    def noun(self):
        return self.model._meta.verbose_name

    def visible_to(self, user):
        return self.model.objects.visible_to(user).select_related(self.related or None)

    def get(self, request, pk, **filters):
        """Return the record; raise Http404 when it does not exist or the user may not see it."""
        return get_object_or_404(self.visible_to(request.user), pk=pk, **filters)

    def listing(self, request, records=None, *, besides=()):
        """Return the ``Listing`` of these records, by default of all that the user may see.

        ``besides``: further parameters that the view reads.
        """
        now = clock.now()
        return Listing(
            request.GET,
            self.rows(self.model.objects.visible_to(request.user) if records is None else records, now),
            self.filterset,
            user=request.user,
            path=request.path,
            sorts=self.sorts,
            fetch=lambda found: self.rows(found.select_related(self.related or None), now),
            besides=besides,
        )

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
            announce(request, f"{self.noun.capitalize()} {record} deleted.")
            return dialogs.close(request, dialogs.back_to(request, self.list_url(record)))
        back_url = dialogs.back_to(
            request, self.list_url(record), *self.pages(record), request.path.removesuffix("delete/")
        )
        context = {
            "record": record,
            "refusal": uses and f"It has {_enumerated(uses)}. {self.delete_advice(record)}",
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
        saved = f"{noun.capitalize()} {record} saved. {form.note}".strip()
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


def installation_wide(permission):
    """Admit users with the permission who are not bound to a reseller, for what all resellers share."""

    def guard(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            if request.user.reseller_id or not request.user.has_perm(permission):
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


def _enumerated(phrases):
    *most, last = phrases
    return f"{', '.join(most)} and {last}" if most else last
