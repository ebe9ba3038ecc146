"""The forms of webhooks: an endpoint, the filters of endpoints and deliveries, and a time span to replay."""

import ipaddress
from urllib.parse import urlsplit

import django_filters
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from clients.models import Reseller
from didmgmt.choices import RemoteSelect, TickedBoxes
from didmgmt.fields import LocalDateTimeField
from didmgmt.filters import FilterSet, no_such
from didmgmt.forms import Form, ModelForm
from events.addresses import is_allowed
from events.catalogue import TYPES
from events.models import Delivery, Endpoint
from events.replaying import CHOICES

MOST = 50  # endpoints of a branch


class EndpointForm(ModelForm):
    """An endpoint, new or existing; who is bound to a reseller makes endpoints of it alone."""

    url = forms.CharField(
        label="URL",
        max_length=500,
        help_text="Events are posted here, for example https://billing.example/hooks/did",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    types = forms.MultipleChoiceField(
        label="Events",
        choices=[(name, f"{words} ({name})") for name, words in TYPES.items()],
        widget=TickedBoxes,
        error_messages={"required": "Tick at least one event."},
    )

    class Meta:
        model = Endpoint
        fields = ("url", "description", "reseller", "types")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {
            "description": "What it is for; optional",
            "reseller": "Leave empty to send what concerns any reseller",
        }

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by
        if by.reseller_id:
            del self.fields["reseller"]
            instance.reseller_id = by.reseller_id
        else:
            reseller = self.fields["reseller"]
            reseller.queryset, reseller.empty_label = Reseller.objects.visible_to(by), "All resellers"

    def clean_url(self):
        url = self.cleaned_data["url"].strip()
        schemes = ["https", "http"] if settings.WEBHOOK_HTTP else ["https"]
        try:
            parts = urlsplit(url)
            wrong_port = _wrong_port(parts.netloc)
            if not wrong_port:
                URLValidator(schemes)(url)
            host = parts.hostname or ""
        except (ValidationError, ValueError):
            raise ValidationError(
                f"Enter an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
                " and a host name."
            ) from None
        if wrong_port:
            raise ValidationError(f"{wrong_port} is not a port. Use 1 to 65535.")
        if parts.username is not None:
            raise ValidationError("Leave out the user name and password: the signature shows who sends.")
        if _is_address(host) and not is_allowed(host):
            raise ValidationError(
                f"{host} is not a public address. Use a public one, or ask an administrator to allow its"
                " network in WEBHOOK_PRIVATE_NETWORKS."
            )
        return url

    def clean(self):
        if self.instance.pk is None and not self.errors:
            reseller = self.by.reseller or self.cleaned_data.get("reseller")
            if Endpoint.objects.for_branch(reseller and reseller.pk).count() >= MOST:
                raise ValidationError(f"There are {MOST} webhooks already. Delete one first.")
        return super().clean()


def _wrong_port(netloc):
    """Return the port if it is none, "" if it is one or left out. Django lets 65536 to 99999 and 0 pass."""
    host_and_port = netloc.rpartition("@")[2].rpartition("]")[2]
    port = host_and_port.partition(":")[2]
    return "" if not port or (port.isdecimal() and 1 <= int(port) <= 65535) else port


def _is_address(host):
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class EndpointFilter(FilterSet):
    description = django_filters.CharFilter(label="Description", lookup_expr="icontains")

    class Meta:
        model = Endpoint
        fields = []


class DeliveryFilter(FilterSet):
    state = django_filters.ChoiceFilter(
        label="State",
        choices=Delivery.State.choices,
        empty_label="all",
        error_messages=no_such("state of a delivery"),
    )

    class Meta:
        model = Delivery
        fields = []


class ReplayForm(Form):
    """A time span, its end not included, and whether delivered events are sent again as well."""

    since = LocalDateTimeField(label="From")
    until = LocalDateTimeField(label="Until (not included)")
    only = forms.ChoiceField(label="Only", choices=CHOICES)

    def clean(self):
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until <= since:
            self.add_error("until", "Choose a later end: it must be after the start.")
        return self.cleaned_data
