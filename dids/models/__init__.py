"""The tables of the inventory. Every write to a number is a method of ``DIDQuerySet``.

From low to high: ``ageing``, ``lookups``, ``tags``, ``number_previews``, ``client_packages``,
``reservations``, ``hold_days``, ``staging``, ``prefixes``, ``head_geography``, ``head_stock``;
``number_reads``, ``number_plans``, ``number_merge``, ``number_writes``, ``numbers``; ``counters``,
``free_numbers``, ``stock_levels``, ``stock_days``, ``marks``.
"""

from dids.models import lookups  # noqa: F401 (registers pk__among and pk__named)
from dids.models.ageing import AgeingRule, Release
from dids.models.client_packages import ClientPackage, ClientPackageHistory
from dids.models.counters import Stock
from dids.models.free_numbers import FreeNumbers
from dids.models.head_geography import HeadGeography
from dids.models.head_stock import HeadStock
from dids.models.marks import Mark, MarkCount, MarkState, PatternRule, PatternTail, PatternWord
from dids.models.number_writes import DIDQuerySet
from dids.models.numbers import DID, DIDHistory, DigitsOnly
from dids.models.prefixes import NumberHead
from dids.models.reservations import Reservation, ReservationHistory
from dids.models.staging import ImportBatch, ImportGroup, ImportRow
from dids.models.stock_days import CountedDay, StockDay, StockOutlook
from dids.models.stock_levels import LowStock, StockLevel
from dids.models.tags import Tag, TagSet
from dids.models.views import SavedView

__all__ = [
    "DID",
    "AgeingRule",
    "ClientPackage",
    "ClientPackageHistory",
    "CountedDay",
    "DIDHistory",
    "DIDQuerySet",
    "DigitsOnly",
    "FreeNumbers",
    "HeadGeography",
    "HeadStock",
    "ImportBatch",
    "ImportGroup",
    "ImportRow",
    "LowStock",
    "Mark",
    "MarkCount",
    "MarkState",
    "NumberHead",
    "PatternRule",
    "PatternTail",
    "PatternWord",
    "Release",
    "Reservation",
    "ReservationHistory",
    "SavedView",
    "Stock",
    "StockDay",
    "StockLevel",
    "StockOutlook",
    "Tag",
    "TagSet",
]
