"""Errors of forms: every form of ours shows our sentences, none shows a default of Django."""

import pkgutil
import re
from datetime import date
from importlib import import_module
from types import SimpleNamespace

import django_filters.fields
import pytest
from django import forms
from django.contrib.auth import forms as auth_forms
from django.core import validators
from django.forms import fields, models
from django.forms.renderers import DjangoTemplates
from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import mark_safe

import screens
from api import rows, writes
from clients.models import Account, Client, Package, Reseller
from didmgmt.filters import FilterSet
from didmgmt.forms import Form, ModelForm, OwnSentences, Renderer
from dids.forms import ageing as ageing_forms
from dids.forms import clients as client_forms
from dids.forms import marks as mark_forms
from dids.forms import numbers as number_forms
from dids.forms import operators as operator_forms
from dids.forms import packages as package_forms
from dids.forms import past as history_forms
from dids.forms import reservations as reservation_forms
from dids.forms import stock_levels as level_forms
from dids.forms.blocks import BlockRangeForm
from dids.forms.free_runs import FreeRunsForm
from dids.forms.overview import AsOfForm, FiguresForm, ScopeForm
from dids.forms.records import HoldDaysForm, RecordForm
from dids.forms.upcoming import CalendarForm, DaysForm, SpanForm
from dids.imports.mapping import guess
from dids.imports.wizard import Import
from dids.lists.as_of import PastFilter
from dids.lists.blocks import BlockMap
from dids.lists.filters import ClientDIDFilter, SearchForm
from dids.models import (
    DID,
    AgeingRule,
    ClientPackage,
    DIDHistory,
    PatternRule,
    Reservation,
    SavedView,
    StockLevel,
)
from dids.reference_files.tables import TABLES
from events.forms import EndpointForm, ReplayForm
from events.models import Endpoint
from operators.models import Operator
from screens.clients import assign_forms
from screens.forms import ConfirmCountForm
from screens.imports import forms as import_forms
from screens.imports import reference_forms
from screens.imports.columns import ColumnsForm
from screens.numbers.views import ViewForm
from screens.people import forms as people_forms
from screens.programs.forms import FeedForm, TokenForm
from screens.staff import forms as staff_forms
from staff.models import Role, User
from tests.imports import staged

pytestmark = pytest.mark.django_db

BASES = {
    Form,
    ModelForm,
    RecordForm,
    HoldDaysForm,
    reservation_forms.EndFields,
    DaysForm,
    import_forms.DefaultsForm,
    people_forms._ManagedForm,
}
NO_DATA = QueryDict()

for module in pkgutil.walk_packages(screens.__path__, "screens."):
    import_module(module.name)


def subclasses(base):
    for subclass in base.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def ours(base):
    """Return the subclasses of ``base`` that are written in our modules; filters make others as they run."""
    libraries = ("django.", "django_filters.", "axes.", "import_export.", "tests.")
    found = {one for one in subclasses(base) if not one.__module__.startswith(libraries)}
    return {one for one in found if getattr(import_module(one.__module__), one.__name__, None) is one}


def bound_forms(world, user):
    """Return one bound form of each class."""
    client_package = world.client_package
    number_import = Import(staged("DID\n100\n", user, operator=world.operator).job)
    upload = number_import.upload
    now = timezone.now()
    shown = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": "", "notes": ""}
    return [
        number_forms.ChooseClientForm(NO_DATA, by=user),
        number_forms.HolderForm(NO_DATA, client=world.client, now=now),
        assign_forms.NumbersForm(NO_DATA, way="run"),
        client_forms.AccountForm(NO_DATA, instance=Account(client=world.client), by=user),
        client_forms.ClientForm(NO_DATA, instance=Client(), by=user),
        ConfirmCountForm(NO_DATA, count=1_234, fate="will be deleted"),
        history_forms.WhoHadItForm(NO_DATA),
        ColumnsForm(
            NO_DATA,
            number_import=number_import,
            head=upload.head(),
            guess=guess([["DID"], ["100"]], 1),
            by=user,
        ),
        import_forms.ReadingForm(NO_DATA, file_format=upload.format),
        import_forms.UploadForm(NO_DATA, by=user),
        BlockRangeForm(NO_DATA, place=BlockMap(user, now).place("25", 6)),
        FreeRunsForm(NO_DATA, by=user),
        ScopeForm(NO_DATA, by=user),
        AsOfForm(NO_DATA),
        FiguresForm(NO_DATA, by=user),
        CalendarForm(NO_DATA, by=user, today=date(2026, 11, 28)),
        SpanForm(NO_DATA, by=user, today=date(2026, 11, 28)),
        number_forms.EditForm(NO_DATA, shown=shown, by=user),
        number_forms.MassEditForm(NO_DATA, by=user),
        number_forms.NewForm(NO_DATA, by=user),
        ViewForm(NO_DATA, instance=SavedView(owner=user), by=user),
        operator_forms.OperatorForm(NO_DATA, instance=Operator(), by=user),
        operator_forms.ResellerForm(NO_DATA, instance=Reseller(), by=user),
        package_forms.EndForm(NO_DATA, client_package=client_package),
        package_forms.GiveForm(
            NO_DATA, instance=ClientPackage(client=world.client), by=user, choices_url="/"
        ),
        package_forms.PackageForm(NO_DATA, instance=Package(), by=user),
        reservation_forms.ReserveForm(NO_DATA, by=user, is_selected=False),
        reservation_forms.ExtendForm(NO_DATA, reservation=Reservation()),
        people_forms.NewPasswordForm(user, NO_DATA),
        people_forms.PersonForm(NO_DATA, instance=User(), by=user),
        people_forms.RoleForm(NO_DATA, instance=Role(), by=user),
        reference_forms.ReferenceUploadForm(NO_DATA, resource=TABLES["operators"](user)),
        level_forms.LevelForm(NO_DATA, instance=StockLevel(prefix="44"), by=user),
        level_forms.NewLevelForm(NO_DATA, instance=StockLevel(), by=user),
        ageing_forms.RuleForm(NO_DATA, instance=AgeingRule(prefix="44")),
        ageing_forms.NewRuleForm(NO_DATA, instance=AgeingRule()),
        mark_forms.MarkRuleForm(NO_DATA, instance=PatternRule(), version=1),
        mark_forms.WordsForm(NO_DATA, words=[], version=1),
        mark_forms.TryForm(NO_DATA),
        ageing_forms.OverrideForm(NO_DATA, by=user),
        staff_forms.MeForm(NO_DATA, instance=user),
        staff_forms.NoticesForm(NO_DATA, user=user),
        staff_forms.PasswordForm(user, NO_DATA),
        staff_forms.SignInForm(SimpleNamespace(), NO_DATA),
        TokenForm(NO_DATA, owner=user),
        FeedForm(NO_DATA, owner=user),
        EndpointForm(NO_DATA, instance=Endpoint(), by=user),
        ReplayForm(NO_DATA),
        writes._ClientForm(NO_DATA, by=user),
        rows.DefaultsForm(NO_DATA, by=user),
    ]


def filter_forms(world, user):
    """Return the form of each filter."""
    for filterset in ours(FilterSet):
        options = {"client": world.client} if filterset is ClientDIDFilter else {}
        model = filterset._meta.model or DID
        queryset = DIDHistory.objects.all() if filterset is PastFilter else model.objects.all()
        yield filterset(NO_DATA, queryset, user=user, **options).form


def default_sentences():
    """Return the error messages that Django and django-filter would show."""
    classes = [*vars(fields).values(), *vars(models).values(), *vars(django_filters.fields).values()]
    found = set()
    for field_class in classes:
        found |= {str(text) for text in getattr(field_class, "default_error_messages", {}).values()}
    for form_class in (
        auth_forms.AuthenticationForm,
        auth_forms.SetPasswordMixin,
        auth_forms.PasswordChangeForm,
    ):
        found |= {str(text) for text in form_class.error_messages.values()}
    return found


def test_every_form_of_ours_has_a_base_class_of_ours():
    assert {form for form in ours(forms.BaseForm) if not issubclass(form, OwnSentences)} <= {OwnSentences}


def test_no_form_shows_a_default_error_of_django(world, administrator):
    defaults = default_sentences()
    assert "This field is required." in defaults and len(defaults) > 20

    every = bound_forms(world, administrator)
    wrong = []
    for form in [*every, *filter_forms(world, administrator)]:
        form.full_clean()
        texts = [(name, code, text) for name, code, text in error_texts(form) if text in defaults]
        wrong += [f"{type(form).__name__}.{name}, {code}: {text}" for name, code, text in texts]

    assert wrong == []
    assert ours(OwnSentences) - BASES - {SearchForm} == {type(form) for form in every}


def error_texts(form):
    """Yield (field, error code, sentence) for every error that the form may show."""
    for code, text in getattr(form, "error_messages", {}).items():
        yield "", code, str(text)
    for name, field in form.fields.items():
        for code, text in field.error_messages.items():
            yield name, code, str(text)
        for validator in field.validators:
            code = getattr(validator, "code", None)
            if isinstance(validator, validators.BaseValidator | validators.ProhibitNullCharactersValidator):
                own = vars(validator).get("message")
                yield name, code, own or field.error_messages.get(code, "This field is required.")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"hold_days": "366"}, "Enter 365 or less."),
        ({"hold_days": "-1"}, "Enter 0 or more."),
        ({"hold_days": "many"}, "Enter a whole number in digits, for example 30."),
        ({"notes": "x" * 501}, "Enter at most 500 characters; these are 501."),
        ({"status": "sold"}, "“sold” is not one of the options."),
        ({"status": ""}, "Choose one of the options."),
        ({"numbers": ""}, "Enter the numbers to create."),
        ({"notes": "a\0b"}, "Remove the invisible null character from this text."),
    ],
)
def test_a_refused_value_is_explained_in_a_sentence(world, clerk, sent, error):
    data = {"numbers": "900", "operator": world.operator.pk, "status": "instock", "after_hold": "instock"}
    form = number_forms.NewForm(data | sent, by=clerk)
    (name,) = sent
    assert form.errors[name][0].startswith(error)


@pytest.mark.parametrize(
    "widget",
    [
        forms.TextInput(),
        forms.NumberInput(),
        forms.EmailInput(),
        forms.HiddenInput(),
        forms.PasswordInput(render_value=True),
        forms.CheckboxInput(),
        forms.Textarea(),
        forms.Select(choices=[("", "none"), ("a", "A & <b>"), ('Group "g"', [(5, "five"), ("c", "C")])]),
        forms.SelectMultiple(choices=[("a", "A"), ("b", mark_safe("<i>B</i>"))]),
    ],
    ids=lambda widget: type(widget).__name__,
)
@pytest.mark.parametrize("value", [None, "", "a", 5, "two\nlines", "\"<&>'", mark_safe("&amp;"), ["a", "b"]])
def test_controls_are_the_same_as_from_djangos_templates(widget, value):
    attrs = {"id": "id_x", "class": 'a "b"', "required": True, "disabled": False, "rows": 3}
    ours, djangos = (
        widget.render("x", value, attrs, renderer) for renderer in (Renderer(), DjangoTemplates())
    )
    assert ours == re.sub(r"\s*(</?(option|optgroup|select)\b)", r"\1", djangos)
