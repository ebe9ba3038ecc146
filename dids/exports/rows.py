"""The columns of a file of numbers, and a stream of its rows."""

from array import array
from contextlib import nullcontext

from django.db import connection, transaction
from django.db.models import Case, F, Value, When
from import_export.fields import Field
from import_export.resources import Resource

from dids.imports.mapping import LABELS
from dids.lifecycle import statuses as st

CHUNK = 2_000  # rows fetched at a time
XLSX_AT_ONCE = 10_000  # rows; a workbook of more is made by a worker


def _holder(path):
    """That column of who holds the number; empty for an overdue Hold, which holds nobody any more."""
    return Case(When(status_now__in=st.HELD, then=F(path)), default=Value(""))


class DIDResource(Resource):
    """What an export holds of each number; ``dids.imports.mapping`` names the columns for both directions."""

    id = Field("pk", LABELS["id"])
    status = Field("status_now", LABELS["status"])
    operator = Field("operator__name", LABELS["operator"])
    number = Field("number", LABELS["number"])
    tags = Field("tag_set__label", LABELS["tags"])
    notes = Field("notes", LABELS["notes"])
    client = Field("client_now", LABELS["client"])
    account = Field("account_now", LABELS["account"])
    package = Field("package_now", LABELS["package"])
    after_hold = Field("after_hold", LABELS["after_hold"])
    reseller = Field("operator__reseller__name", LABELS["reseller"])

    def rows(self, dids, now):
        """The header, then a tuple of text for each of ``dids`` as they are at ``now``.

        Reads through a cursor: memory doesn't grow with the rows, and they come as of one moment.
        """
        yield self.get_export_headers()
        with _reading():
            yield from self._told(dids, now).iterator(chunk_size=CHUNK)

    def rows_in_pieces(self, dids, now):
        """The same, without a transaction held open as long as somebody takes to read them.

        The order is as of one moment, and costs 8 bytes a row; each piece is as it is when it is read, and
        a number deleted meanwhile is left out.
        """
        yield self.get_export_headers()
        keys = array("q", dids.values_list("pk", flat=True).iterator(chunk_size=CHUNK))
        for start in range(0, len(keys), CHUNK):
            piece = keys[start : start + CHUNK].tolist()
            found = {row[0]: row for row in self._told(dids.model.objects.filter(pk__among=piece), now)}
            yield from (found[key] for key in piece if key in found)

    def _told(self, dids, now):
        dids = dids.with_status_now(now).annotate(
            client_now=_holder("account__client__name"),
            account_now=_holder("account__name"),
            package_now=_holder("client_package__package__name"),
        )
        return dids.values_list(*(field.attribute for field in self.get_export_fields()))


def _reading():
    """Outside a transaction PostgreSQL would collect all rows before it sends the first one.

    SQLite reads a snapshot anyway, and a transaction there would keep all writers waiting.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()
