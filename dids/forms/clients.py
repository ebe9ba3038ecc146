from clients.models import Account, Client
from didmgmt.choices import RemoteSelect
from dids.forms.records import RecordForm


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = ("name", "reseller")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}


class AccountForm(RecordForm):
    class Meta:
        model = Account
        fields = ("name",)
        help_texts = {"name": "A login or a trunk, as the switch knows it"}

    def clean(self):
        """Check the client, which is not a field: it still exists and has no other account of this name."""
        cleaned = super().clean()
        if not Client.objects.filter(pk=self.instance.client_id).exists():
            self.add_error(None, "This client has been deleted in the meantime.")
        namesakes = Account.objects.filter(client=self.instance.client_id, name=cleaned.get("name"))
        if namesakes.exclude(pk=self.instance.pk).exists():
            account = Account(client=self.instance.client, name=cleaned["name"])
            self.add_error("name", account.name_taken())
        return cleaned
