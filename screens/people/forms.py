import django_filters
from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth import password_validation
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError
from django.db.models import Q

from clients.filters import reseller_filter
from clients.models import Reseller
from didmgmt.choices import RemoteSelect, TickedBoxes
from didmgmt.filters import FilterSet, RowFilter, no_such
from didmgmt.forms import ModelForm, OwnSentences
from staff import passwords
from staff.models import Role, User
from staff.people import RefusedError, managing, roles_for
from staff.rights import AREAS, code, permissions_named, rights_beyond

HELP_FOR_ANOTHER = f"{passwords.HELP} The person can change it after signing in."


class _ManagedForm(ModelForm):
    """Base class for the form of a person or a role in a dialog, see ``screens.records.Records``.

    ``by``: the user who manages. ``note``: a sentence about consequences. ``noun``: as in the audit log.
    """

    noun, note = "user", ""

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by, self.is_new = by, instance.pk is None

    def save_record(self):
        """Write in one change; return False, with the reason among the errors, if that is refused."""
        noun, name = self.noun, self.instance
        label = f"New {noun} {name}" if self.is_new else f"{noun.capitalize()} {name} edited"
        try:
            with managing(label, by=self.by):
                self.write()
        except RefusedError as refusal:
            self.add_error(None, str(refusal))
        except IntegrityError:  # somebody else took the name at the same time
            if self.is_new:
                self.instance.pk = None
            self.full_clean()
            if not self.errors:
                raise
        except DatabaseError as error:
            if "did not affect any rows" not in str(error):
                raise
            self.add_error(None, "It has been deleted in the meantime.")
        return not self.errors

    def write(self):
        """Write the fields that were changed: others may have changed the rest since the form was opened."""
        columns = {field.name for field in self.instance._meta.concrete_fields}
        changed = [*self.written() & columns]
        if self.is_new:
            self.instance.save(force_insert=True)
        elif changed:
            self.instance.save(force_update=True, update_fields=changed)

    def written(self):
        return {*self.changed_data}


class PersonForm(_ManagedForm):
    """A person, new or existing. Nobody gives roles with permissions that they lack."""

    groups = forms.ModelMultipleChoiceField(
        Group.objects.none(),
        label="Roles",
        required=False,
        widget=TickedBoxes,
        help_text="Without a role a person can sign in, but sees nothing",
    )
    password1 = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=HELP_FOR_ANOTHER,
    )
    password2 = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "reseller", "groups", "is_superuser")
        labels = {"username": "User name", "email": "Email", "is_superuser": "Superuser"}
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {
            "username": "Letters, digits and @ . + - _, used to sign in",
            "reseller": "Leave empty to show every reseller",
            "is_superuser": "May do everything, also change roles",
        }
        error_messages = {
            "username": {
                "unique": "There is already a person with this user name.",
                "invalid": "Use letters, digits and @ . + - _ only.",
            }
        }

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, by=by)
        offered = roles_for(by)
        self.fields["groups"].queryset = offered.filter(greater=False).order_by("name")
        reseller = self.fields["reseller"]
        reseller.queryset, reseller.empty_label = Reseller.objects.visible_to(by), "All resellers"
        if not by.is_superuser:
            del self.fields["is_superuser"]
        if not self.is_new:
            del self.fields["password1"], self.fields["password2"]

    @property
    def record_name(self):
        return self.initial["username"]

    def clean_password2(self):
        password = self.cleaned_data["password2"]
        if password != self.cleaned_data.get("password1", password):
            raise forms.ValidationError("The two passwords differ. Enter the same password twice.")
        return password

    def _post_clean(self):
        super()._post_clean()
        if password := self.cleaned_data.get("password2"):
            try:
                password_validation.validate_password(password, self.instance)
            except forms.ValidationError as error:
                self.add_error("password1", error)

    def write(self):
        if self.is_new:
            self.instance.set_password(self.cleaned_data["password1"])
        super().write()
        if self.is_new or "groups" in self.changed_data:
            self.instance.groups.set(self.cleaned_data["groups"])


class NewPasswordForm(OwnSentences, auth_forms.SetPasswordForm):
    error_messages = {"password_mismatch": "The two passwords differ. Enter the same password twice."}

    def __init__(self, user, data=None):
        super().__init__(user, data, auto_id="dialog_%s")
        # Django's own words are for people who change their own password.
        first, second = self.fields["new_password1"], self.fields["new_password2"]
        first.help_text, second.help_text, second.label = HELP_FOR_ANOTHER, "", "New password again"


class RoleForm(_ManagedForm):
    """A role: its name, and its permissions by area."""

    noun = "role"

    class Meta:
        model = Role
        fields = ("name",)
        error_messages = {"name": {"unique": "There is already a role with this name."}}

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, by=by)
        beyond = {code(right) for right in rights_beyond(by).select_related("content_type")}
        rights = instance.permissions.select_related("content_type") if instance.pk else ()
        has = {code(right) for right in rights}
        for number, (area, offered) in enumerate(AREAS.items()):
            choices = [(right, words) for right, words in offered.items() if right not in beyond]
            if choices:
                self.fields[f"area_{number}"] = forms.MultipleChoiceField(
                    label=area, choices=choices, required=False, widget=TickedBoxes
                )
                self.initial[f"area_{number}"] = [right for right, _ in choices if right in has]

    @property
    def record_name(self):
        return self.initial["name"]

    def write(self):
        super().write()
        if self.is_new or self.written() - {"name"}:
            offered = {right for rights in AREAS.values() for right in rights}
            areas = [rights for name, rights in self.cleaned_data.items() if name.startswith("area_")]
            chosen = {right for rights in areas for right in rights}
            others = [right for right in self.instance.permissions.all() if code(right) not in offered]
            self.instance.permissions.set([*permissions_named(chosen), *others])


class NameOrUserFilter(django_filters.CharFilter):
    def filter(self, queryset, value):
        if not value:
            return queryset
        text = value.replace("\0", "")
        return queryset.filter(
            Q(username__icontains=text) | Q(first_name__icontains=text) | Q(last_name__icontains=text)
        )


class PersonFilter(FilterSet):
    name = NameOrUserFilter(label="Name")
    role = RowFilter(
        label="Role",
        field_name="groups",
        queryset=lambda _user: Group.objects.order_by("name"),
        empty_label="all roles",
        error_messages=no_such("role"),
    )
    reseller = reseller_filter()
    active = django_filters.ChoiceFilter(
        label="Sign-in",
        field_name="is_active",
        choices=[("yes", "active"), ("no", "deactivated")],
        empty_label="all",
        error_messages={"invalid_choice": "Choose yes or no instead of “%(value)s”."},
        method=lambda queryset, name, value: queryset.filter(**{name: value == "yes"}),
    )

    class Meta:
        model = User
        fields = []


class RoleFilter(FilterSet):
    name = django_filters.CharFilter(label="Name", lookup_expr="icontains")

    class Meta:
        model = Role
        fields = []
