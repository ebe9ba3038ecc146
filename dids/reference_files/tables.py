"""The reference tables that can be imported and exported, by the name in their URLs."""

from dids.reference_files.accounts import AccountResource
from dids.reference_files.clients import ClientResource
from dids.reference_files.operators import OperatorResource
from dids.reference_files.packages import PackageResource

TABLES = {
    "operators": OperatorResource,
    "clients": ClientResource,
    "accounts": AccountResource,
    "packages": PackageResource,
}
