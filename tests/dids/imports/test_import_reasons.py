"""Every reason for refusing a row of an import: a file that meets it, and the sentence shown for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from audit import SYSTEM
from clients.models import Account, Client, Package
from dids.imports.reasons import REASONS
from dids.lifecycle import statuses as st
from dids.models import DID, AgeingRule, ClientPackage, Release
from operators.models import Operator
from tests.carrier import reserved
from tests.imports import client_with_package, finished, importer, refusals, staged
from tests.world import member

pytestmark = pytest.mark.django_db

IN_USE = "DID,Operator,Status,Client,Account,Package\n900,DID Operator,active,"
OF_ROWS = {"exists", "missing"}  # only of rows that programs send; see tests/api/test_rows.py
EXISTING = "DID,Status,Client,Account,Package\n"


def also_at_reseller_2(model, name):
    return lambda world: model.objects.create(reseller=world.reseller_2, name=name)


def package_of_reseller_1(**fields):
    return lambda world: Package.objects.create(reseller=world.reseller, name="Spare", did_limit=5, **fields)


def set_package(**fields):
    return lambda world: Package.objects.filter(pk=world.package.pk).update(**fields)


def ageing(world):
    """Let a rule hold back a number that its client is said to have left in 2099."""
    client_with_package(world.reseller)
    minimum = AgeingRule(prefix="256", days=45, source="the law")
    minimum.create(by=SYSTEM)
    minimum.accept(by=member("Administrator"))
    left = datetime(2099, 1, 1, 12, tzinfo=UTC)
    Release.objects.create(number="256999", client_id=world.client.pk, released_at=left)


@dataclass
class Example:
    """A file whose last row is refused, and how the refusal is shown."""

    text: str
    column: str
    value: str
    sentence: str
    setup: Callable = lambda _: None
    before_apply: Callable | None = None
    lacks: str = ""
    bound: bool = False
    create: bool = False


EXAMPLES = {
    "duplicate": Example(
        "DID,Operator\n900,DID Operator\n900,DID Operator\n",
        "DID", "900", "Duplicate of line 2, which is used.",
    ),
    "long": Example(
        "DID,Operator\n1234567890123456,DID Operator\n",
        "DID", "1234567890123456",
        (
            "It has more than 15 digits, the most that E.164 allows. Correct it, or ask an administrator to"
            " allow longer numbers (LONG_NUMBERS)."
        ),
    ),
    "outside": Example(
        "DID,Notes\n3333,x\n",
        "DID", "3333", "This number already exists under another reseller. Leave the row out.",
        bound=True,
    ),
    "no id": Example(
        "ID,Notes\n987654,x\n",
        "ID", "987654",
        "No number has this ID. To create numbers, choose the column that holds the DID.",
    ),
    "other id": Example(
        "ID,DID,Notes\n9000017,111,x\n",
        "ID", "9000017",
        "ID 9000017 is 777, this row says 111. Correct one of them, or leave the ID column out.",
        setup=lambda world: DID.objects.create(pk=9_000_017, number="777", operator=world.operator),
    ),
    "changed": Example(
        "DID,Notes\n111,from the file\n",
        "DID", "111",
        "Someone changed this number after the check. Import the row again to check it as it is now.",
        before_apply=lambda _: DID.objects.filter(number="111").edit(by=SYSTEM, notes="by hand"),
    ),
    "created": Example(
        "DID,Operator\n900,DID Operator\n",
        "DID", "900",
        "Someone created this number after the check. Import the row again to check it as it is now.",
        before_apply=lambda world: DID.objects.create_numbers(["900"], operator=world.operator, by=SYSTEM),
    ),
    "may not add": Example(
        "DID,Operator\n900,DID Operator\n",
        "DID", "900",
        "The number is new and you don’t have the right to create numbers. Ask a supervisor.",
        lacks="add_did",
    ),
    "may not change": Example(
        "DID,Notes\n111,x\n",
        "DID", "111",
        "The number differs and you don’t have the right to edit numbers; ask a supervisor.",
        lacks="change_did",
    ),
    "reseller unknown": Example(
        "DID,Operator,Reseller\n900,DID Operator,Nowhere\n",
        "Reseller", "Nowhere",
        "There is no reseller with this name. Correct it, or choose to create missing records.",
    ),
    "reseller hidden": Example(
        "DID,Operator,Reseller\n900,DID Operator,Reseller 2\n",
        "Reseller", "Reseller 2",
        "You work for Reseller 1 and can’t see a reseller with this name. Leave the column out.",
        bound=True,
    ),
    "may not add reseller": Example(
        "DID,Operator,Reseller\n900,New,Nowhere\n",
        "Reseller", "Nowhere",
        "There is no reseller with this name and you don’t have the right to create resellers."
        " Ask an administrator.",
        lacks="add_reseller", create=True,
    ),
    "other reseller": Example(
        "DID,Reseller\n111,Reseller 2\n",
        "Reseller", "Reseller 2",
        "The number’s operator belongs to another reseller. Name the operator that the number moves to.",
    ),
    "no operator": Example(
        "DID\n900\n",
        "Operator", "",
        "A new number needs an operator. Name it in the file, or choose a default in the first step.",
    ),
    "operator unknown": Example(
        "DID,Operator,Reseller\n900,Nobody,Reseller 2\n",
        "Operator", "Nobody",
        "Reseller 2 has no operator with this name. Correct it, or choose to create missing records.",
    ),
    "operator ambiguous": Example(
        "DID,Operator\n900,DID Operator\n",
        "Operator", "DID Operator",
        "Several resellers have an operator with this name: Reseller 1 and Reseller 2. Name the reseller in"
        " the Reseller column.",
        setup=also_at_reseller_2(Operator, "DID Operator"),
    ),
    "operator without reseller": Example(
        "DID,Operator\n900,Nobody\n",
        "Operator", "Nobody",
        "There is no operator with this name. To create it, name its reseller in the Reseller column.",
        create=True,
    ),
    "may not add operator": Example(
        "DID,Operator,Reseller\n900,Nobody,Reseller 2\n",
        "Operator", "Nobody",
        "Reseller 2 has no operator with this name and you don’t have the right to create operators."
        " Ask an administrator.",
        lacks="add_operator", create=True,
    ),
    "operator of another reseller": Example(
        "DID,Operator\n2567,DID Operator 2\n",
        "Operator", "DID Operator 2",
        "A number that has a client can only move to an operator of the same reseller. Correct the operator.",
    ),
    "reserved at another reseller": Example(
        "DID,Operator\n256999,DID Operator 2\n",
        "Operator", "DID Operator 2",
        "A number in a reservation can only move to an operator of the same reseller."
        " End the reservation first, or correct the operator.",
        setup=lambda world: reserved(world, ["256999"]),
    ),
    "package of another reseller": Example(
        EXISTING + "256999,active,Bakery,main,Loaf\n",
        "Package", "Loaf",
        "The package belongs to another reseller than the number’s operator. Choose a package of the"
        " operator’s reseller.",
        setup=lambda world: client_with_package(world.reseller_2),
    ),
    "client unknown": Example(
        IN_USE + "Nobody,rose_orig,Basic\n",
        "Client", "Nobody",
        "The reseller has no client with this name. Correct it, or choose to create missing records.",
    ),
    "client ambiguous": Example(
        EXISTING + "256999,active,Rose Orig,rose_orig,Basic\n",
        "Client", "Rose Orig",
        "Several resellers have a client with this name. Name the reseller in the Reseller column or the"
        " operator in the Operator column.",
        setup=also_at_reseller_2(Client, "Rose Orig"), create=True,
    ),
    "client without reseller": Example(
        EXISTING + "256999,active,Nobody,rose_orig,Basic\n",
        "Client", "Nobody",
        "There is no client with this name. To create it, name its reseller in the Reseller column or an"
        " operator in the Operator column.",
        create=True,
    ),
    "may not add client": Example(
        IN_USE + "Nobody,rose_orig,Basic\n",
        "Client", "Nobody",
        "The reseller has no client with this name and you don’t have the right to create clients."
        " Ask a supervisor.",
        lacks="add_client", create=True,
    ),
    "client closed": Example(
        IN_USE + "Rose Orig,rose_orig,Basic\n",
        "Client", "Rose Orig", "This client is closed. Choose another client or reopen it.",
        setup=lambda world: ClientPackage.close_client(world.client, by=SYSTEM),
    ),
    "account without client": Example(
        "DID,Client,Account\n256999,,rose_orig\n",
        "Account", "rose_orig", "An account belongs to a client. Fill in the client.",
    ),
    "account unknown": Example(
        IN_USE + "Rose Orig,other,Basic\n",
        "Account", "other",
        "Rose Orig has no account with this name. Correct it, or choose to create missing records.",
    ),
    "may not add account": Example(
        IN_USE + "Rose Orig,other,Basic\n",
        "Account", "other",
        "Rose Orig has no account with this name and you don’t have the right to create accounts."
        " Ask a supervisor.",
        lacks="add_account", create=True,
    ),
    "package without client": Example(
        "DID,Client,Package\n256999,,Basic\n",
        "Package", "Basic", "A package needs a client. Fill in the client and the account.",
    ),
    "package unknown": Example(
        IN_USE + "Rose Orig,rose_orig,Gold\n",
        "Package", "Gold",
        "The reseller has no package with this name. Correct it, or choose to create missing records.",
    ),
    "may not add package": Example(
        IN_USE + "Rose Orig,rose_orig,Gold\n",
        "Package", "Gold",
        "The reseller has no package with this name and you don’t have the right to create packages."
        " Ask an administrator.",
        lacks="add_package", create=True,
    ),
    "package archived": Example(
        IN_USE + "Rose Orig,rose_orig,Spare\n",
        "Package", "Spare",
        "This package is archived and can’t be given to clients. Choose another package or restore it.",
        setup=package_of_reseller_1(archived_at=timezone.now()), create=True,
    ),
    "package not given": Example(
        IN_USE + "Rose Orig,rose_orig,Spare\n",
        "Package", "Spare",
        "Rose Orig does not have this package. Give it to the client, or choose to create missing records.",
        setup=package_of_reseller_1(),
    ),
    "may not give package": Example(
        IN_USE + "Rose Orig,rose_orig,Spare\n",
        "Package", "Spare",
        "Rose Orig does not have this package and you don’t have the right to give packages."
        " Ask a supervisor.",
        setup=package_of_reseller_1(), lacks="add_clientpackage", create=True,
    ),
    "package off": Example(
        IN_USE + "Rose Orig,rose_orig,Basic\n",
        "Package", "Basic", "The client’s package is not active. Activate it first.",
        setup=lambda world: world.client_package.deactivate(by=SYSTEM), create=True,
    ),
    "package full": Example(
        IN_USE + "Rose Orig,rose_orig,Basic\n",
        "Package", "Basic",
        "Package Basic of Rose Orig has 2 places: 2 are used and 1 row needs one."
        " Raise its DID limit, put numbers on Hold, or leave rows out.",
        setup=set_package(did_limit=2),
    ),
    "package tags": Example(
        IN_USE + "Rose Orig,rose_orig,Basic\n",
        "Tag", "",
        "The package only allows numbers tagged gold, vip. Add one of these tags to the number.",
        setup=set_package(allowed_tags="gold, vip"),
    ),
    "package class": Example(
        IN_USE + "Rose Orig,rose_orig,Basic\n",
        "Package", "Basic",
        "The number is unmarked, and package Basic holds no unmarked numbers."
        " Choose another package, or change what it may hold.",
        setup=set_package(allowed_classes="gold"),
    ),
    "client on a free number": Example(
        "DID,Operator,Status,Client\n900,DID Operator,reserved,Rose Orig\n",
        "Status", "reserved",
        "Reserved numbers have no client. Clear the client, account and package, or make the status Active.",
    ),
    "client without status": Example(
        "DID,Operator,Client\n900,DID Operator,Rose Orig\n",
        "Status", "", "A new number with a client needs a status. Make it Active, Blocked or Hold.",
    ),
    "client incomplete": Example(
        "DID,Operator,Status,Client,Account\n900,DID Operator,blocked,Rose Orig,rose_orig\n",
        "Client", "Rose Orig", "Blocked needs a client, an account and a package. Fill in all three.",
    ),
    "other client": Example(
        "DID,Client,Account\n2567,Rose Orig,second\n",
        "Client", "Rose Orig",
        "The number is Active with another client, account or package. Put it on Hold first and wait for"
        " the end of the hold.",
        setup=lambda world: Account.objects.create(client=world.client, name="second"),
    ),
    "held for another client": Example(
        "DID,Operator,Status,Client,Account,Package\n2563,DID Operator,active,Bakery,main,Loaf\n",
        "Client", "Bakery", "The number is on Hold after another client. End the hold first.",
        setup=lambda world: client_with_package(world.reseller),
    ),
    "ageing": Example(
        "DID,Status,Client,Account,Package\n256999,active,Bakery,main,Loaf\n",
        "Client", "Bakery",
        "The number ages after use by another client until 15 Feb 2099. Wait until then, or have an"
        " administrator assign it with a reason.",
        setup=ageing,
    ),
    "flaw": Example(
        "DID,Status\n111,zzz\n",
        "Status", "zzz",
        "There is no status “zzz”. Use one of Reserved, In Stock, Active, Blocked, Hold, Archive.",
    ),
    "archive>active": Example(
        "DID,Status\n12567,active\n",
        "Status", "active", f"{st.why_not('archive', 'active')}.",
    ),
    "active>hold:right": Example(
        "DID,Status\n2567,hold\n",
        "Status", "hold",
        "Active to Hold: you don’t have the right to put numbers on hold; ask a supervisor.",
        lacks="hold_did",
    ),
    "right:block_did": Example(
        "DID,Operator,Status,Client,Account,Package\n900,DID Operator,blocked,Rose Orig,rose_orig,Basic\n",
        "Status", "blocked", "You don’t have the right to block and unblock numbers; ask a supervisor.",
        lacks="block_did",
    ),
}  # fmt: skip


def test_each_reason_has_an_example():
    assert REASONS.keys() - OF_ROWS <= EXAMPLES.keys()


@pytest.mark.parametrize("code", EXAMPLES)
def test_each_reason_refuses_a_row_with_its_sentence(code, world):
    example, world = EXAMPLES[code], world
    example.setup(world)
    user = importer(world, lacks=[example.lacks], bound=example.bound)

    number_import = staged(example.text, user, create=example.create)
    if example.before_apply:
        assert number_import.counts["refused"] == 0
        example.before_apply(world)
        number_import.apply(number_import.checked)
        number_import = finished(number_import)

    (row,) = number_import.refused
    (refusal,) = refusals(number_import)
    assert row.reason == code
    assert (refusal["column"], refusal["value"]) == (example.column, example.value)
    assert refusal["reason"].casefold() == example.sentence.casefold()
    assert refusal["reason"][0].isupper()
    assert refusal["line"] == example.text.count("\n")


ASSIGNING = (
    "client incomplete", "client closed", "package off", "package archived", "package not given",
    "may not give package", "package full", "package tags", "package class",
)  # fmt: skip


@pytest.mark.parametrize("code", ASSIGNING)
def test_assigning_an_existing_number_is_refused_for_the_same_reasons(code, world):
    example, world = EXAMPLES[code], world
    example.setup(world)
    text = example.text.replace("blocked", "active").replace("\n900,", "\n256999,")

    number_import = staged(text, importer(world, lacks=[example.lacks]), create=example.create)

    assert number_import.refused.get().reason == code


def test_a_refusal_by_the_apply_says_that_something_changed_since_the_check(world):
    number_import = staged(IN_USE + "Rose Orig,rose_orig,Basic\n", importer(world))

    world.client_package.deactivate(by=SYSTEM)
    number_import.apply(number_import.checked)

    (refusal,) = refusals(finished(number_import))
    assert refusal["reason"] == (
        "Changed since the check: The client’s package is not active. Activate it first."
    )
    assert not DID.objects.filter(number="900").exists()


def test_an_update_that_has_become_needless_since_the_check_is_refused_as_changed(world):
    sister = Operator.objects.create(reseller=world.reseller, name="Sister")
    number_import = staged("DID,Operator\n111,Sister\n", importer(world))

    Operator.objects.filter(pk=sister.pk).update(name="Former sister")
    Operator.objects.filter(pk=world.operator.pk).update(name="Sister")
    number_import.apply(number_import.checked)

    assert finished(number_import).refused.get().reason == "changed"
