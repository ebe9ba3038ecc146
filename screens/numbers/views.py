"""Saved views and columns of the list of numbers."""

from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from clients.names import clean_name
from didmgmt import dialogs, form_tokens
from didmgmt.addresses import go_to
from didmgmt.forms import ModelForm
from didmgmt.parameters import OF_PAGE
from didmgmt.statements import Statement
from didmgmt.text import parse_whole
from dids.lists.as_of import PastListing
from dids.lists.columns import COLUMNS, DEFAULT, PARAMETER, read_columns
from dids.lists.listing import did_listing
from dids.models import SavedView

may_view = permission_required("dids.view_did", raise_exception=True)
TAKEN = "You have a view “{}” already. Choose another name."


class ViewForm(ModelForm):
    """A view’s name, and who sees it: its owner, people with one of the owner’s roles, or everyone.

    Everyone is everyone of the owner’s reseller, or everyone who is bound to none.
    """

    shared = forms.ChoiceField(label="Who sees it")

    class Meta:
        model = SavedView
        fields = ("name",)
        labels = {"name": "Name"}

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by
        roles = [
            (f"role:{role.pk}", f"Everyone with the role {role.name}") for role in by.groups.order_by("name")
        ]
        everyone = f"Everyone at {by.reseller}" if by.reseller_id else "Everyone who sees all resellers"
        self.fields["shared"].choices = [("me", "Only me"), *roles, ("all", everyone)]
        self.initial["shared"] = f"role:{instance.role_id}" if instance.role_id else instance.audience

    def clean_name(self):
        name = clean_name(self.cleaned_data["name"])
        own = SavedView.objects.filter(owner=self.instance.owner_id)
        if own.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(TAKEN.format(name))
        return name

    def clean(self):
        if self.instance.pk is None and SavedView.objects.filter(owner=self.by).count() >= SavedView.MOST:
            raise forms.ValidationError(
                f"You have {SavedView.MOST} views, which is the most. Delete one of them first."
            )
        return super().clean()

    def save_view(self):
        """Write the view; return False, with an error, when its name was taken meanwhile."""
        audience, _, role = self.cleaned_data["shared"].partition(":")
        view = self.instance
        view.audience, view.role = audience, Group.objects.get(pk=role) if role else None
        view.reseller = self.by.reseller
        try:
            with form_tokens.atomic():
                view.save()
        except IntegrityError:
            self.add_error("name", TAKEN.format(view))
            return False
        return True


@dialogs.view
@may_view
def view_new(request):
    """Save the list under the dialog as a new view."""
    back = _back(request)
    listing, error = _saveable(request, back)
    view = SavedView(owner=request.user, query="" if error else listing.view_query)
    form = ViewForm(request.POST if request.method == "POST" else None, instance=view, by=request.user)
    if error and form.is_bound:
        form.add_error(None, error)
    if form.is_valid() and form.save_view():
        messages.success(request, f"View “{view}” saved.")
        return dialogs.close(request, view.get_absolute_url())
    return _dialog(request, form, back, title="Save as a view", verb="Save view", note=error)


@dialogs.view
@may_view
def view_edit(request, pk):
    """Rename a view, share it with others, or delete it."""
    view, back = _own(request, pk), _back(request)
    if request.method == "POST" and "delete" in request.POST:
        view.delete()
        messages.success(request, f"View “{view}” deleted. The list stays as it is.")
        return dialogs.close(request, back)
    form = ViewForm(request.POST if request.method == "POST" else None, instance=view, by=request.user)
    if form.is_valid() and form.save_view():
        messages.success(request, f"View “{view}” saved.")
        return dialogs.close(request, back)
    return _dialog(request, form, back, title=f"Edit view {view.name}", verb="Save", view=view)


@require_POST
@may_view
def view_save(request, pk):
    """Save the list in ``back`` to an existing view."""
    view, back = _own(request, pk), _back(request)
    listing, error = _saveable(request, back)
    if error:
        messages.error(request, error)
        return go_to(back)
    view.query, view.reseller = listing.view_query, request.user.reseller
    view.save(update_fields=["query", "reseller"])
    messages.success(request, f"Saved to “{view}”.")
    return go_to(view.get_absolute_url())


@require_POST
@may_view
def list_columns(request):
    """Show other columns in the list in ``back``, and remember them for the user."""
    back = _back(request)
    query = QueryDict(urlsplit(back).query, mutable=True)
    try:
        columns = read_columns(
            _default_columns(request, query)
            if "reset" in request.POST
            else ",".join(request.POST.getlist("column"))
        )
    except LookupError as error:
        messages.error(request, f"Columns: {error}")
        return go_to(back)
    request.user.did_columns = ",".join(columns)
    request.user.save(update_fields=["did_columns"])
    query[PARAMETER] = ",".join(columns)
    return go_to(f"{reverse('dids:list')}?{query.urlencode()}")


def _default_columns(request, query):
    """Return the columns of the view that is open, or the usual ones, as text."""
    views = SavedView.objects.visible_to(request.user)
    view = views.filter(pk=parse_whole(query.get(SavedView.PARAMETER, "")) or 0).first()
    return QueryDict(view.query).get(PARAMETER, "") if view else ",".join(DEFAULT)


_visible = Statement(lambda viewer: SavedView.objects.visible_to(viewer)[: 4 * SavedView.MOST])


def views_context(user, listing):
    """Return the context of ``numbers/_views.html`` and of the columns menu."""
    views = _visible.instances(viewer=user)
    opened = next((view for view in views if str(view.pk) == listing.view), None)
    tabs = [
        {
            "view": view,
            "url": view.get_absolute_url(),
            "open": view == opened,
            "mine": view.owner_id == user.pk,
        }
        for view in views
    ]
    columns = tuple(COLUMNS[key] for key in listing.columns)
    return {
        "views": tabs,
        "view": opened,
        "view_url": opened.get_absolute_url() if opened else "",
        "view_is_mine": bool(opened) and opened.owner_id == user.pk,
        "view_differs": bool(opened) and listing.valid and opened.query != listing.view_query,
        "has_view": bool(opened),
        "columns": columns,
        "is_wide": len(columns) > len(DEFAULT),
        "has_extra": not all(column.is_usual for column in columns),
        "more_columns": tuple(column for key, column in COLUMNS.items() if key not in listing.columns),
    }


def _saveable(request, back):
    """Return the listing of an address and "", or a sentence why it can’t be a view."""
    query = QueryDict(urlsplit(back).query, mutable=True)
    for name in (*OF_PAGE, "advanced"):  # which a view does not have
        query.pop(name, None)
    listing = did_listing(query, request.user, reverse("dids:list"))
    if isinstance(listing, PastListing):
        return (
            listing,
            "The inventory as of a past time can’t be saved as a view. Go back to the current list.",
        )
    if not listing.valid:
        return listing, " ".join(["The search is invalid, so it can’t be saved.", *listing.errors])
    if query.get("list"):
        return (
            listing,
            "A pasted list can’t be saved in a view, because it is kept for you alone, for some days.",
        )
    if len(listing.view_query) > SavedView.LONGEST:
        return listing, "This search is too long for a view. Choose fewer values."
    return listing, ""


def _own(request, pk):
    return get_object_or_404(SavedView, pk=pk, owner=request.user)


def _back(request):
    return dialogs.back_to(request, reverse("dids:list"))


def _dialog(request, form, back, *, title, verb, view=None, note=""):
    context = {
        "form": form,
        "title": title,
        "verb": verb,
        "view": view,
        "note": "" if form.is_bound else note,
    }
    context["action_url"] = request.path
    status = 422 if form.is_bound and form.errors else 200
    return dialogs.show(request, "numbers/_view.html", context, title=title, back_url=back, status=status)
