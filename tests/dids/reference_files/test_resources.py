"""Checking and importing the files of reference tables."""

import io

import pytest

import sheets
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.reference_files.parsed_file import ParsedFile
from dids.reference_files.result import ChangedSinceCheckError
from dids.reference_files.tables import TABLES
from operators.models import Operator, OperatorHistory


def parse(resource, text):
    with sheets.load(io.BytesIO(text.encode()), "table.csv") as loaded:
        return ParsedFile.parse(resource, sheets.read(loaded.file, loaded.format), "table.csv")


def check(user, table, text):
    resource = TABLES[table](user)
    return resource.check(parse(resource, text))


def load(user, table, text):
    """Check the file and import it."""
    resource = TABLES[table](user)
    file = parse(resource, text)
    result = resource.check(file)
    assert result.written and not result.refusals
    return resource.apply(file, result.digest)


def counts(result):
    return list(result.counts.values())


def refusals(result):
    return [tuple(refusal.values()) for refusal in result.refusals]


def test_accounts_are_created_for_the_named_client(world, provisioner):
    lily = Client.objects.create(reseller=world.reseller_2, name="Lily")
    text = (
        "Login\tCustomer\tReseller\nrose_orig\tRose Orig\t\nlily_1\tLily\tReseller 2\nrose_2\tRose Orig\t\n"
    )
    result = load(provisioner, "accounts", text)
    assert result.sentence == "2 accounts created, 0 updated, 1 unchanged."
    assert set(Account.objects.values_list("client", "name")) == {
        (world.client.pk, "rose_orig"),
        (world.client.pk, "rose_2"),
        (lily.pk, "lily_1"),
    }


def test_packages_are_created_and_updated(world, provisioner):
    text = (
        "Plan,Reseller,Limit,Tags,Hold days\n"
        'Gold,Reseller 2,20,"vip;gold , vip",5\n'
        "Basic,Reseller 1,6,gold,\n"
        "Silver,Reseller 2,1,,\n"
    )
    result = check(provisioner, "packages", text)
    assert [(s.name, s.changes) for s in result.row_changes] == [
        ("Gold", []),
        ("Basic", [("DID limit", 5, 6), ("Allowed tags", "", "gold")]),
        ("Silver", []),
    ]
    result = load(provisioner, "packages", text)
    assert result.sentence == "2 packages created, 1 updated, 0 unchanged."
    assert set(Package.objects.values_list("name", "did_limit", "allowed_tags", "hold_days")) == {
        ("Gold", 20, "gold, vip", 5),
        ("Basic", 6, "gold", None),
        ("Silver", 1, "", None),
    }


def test_classes_of_packages_are_read_and_a_wrong_one_is_refused(world, provisioner):
    head = "Name,Reseller,DID limit,Allowed classes\n"
    load(provisioner, "packages", f"{head}Gold,Reseller 2,20,Gold; silver\nBasic,Reseller 1,6,bronze\n")
    assert dict(Package.objects.values_list("name", "allowed_classes")) == {
        "Gold": "silver, gold",
        "Basic": "bronze",
    }
    every = "unmarked, bronze, silver, gold"
    load(provisioner, "packages", f'{head}Gold,Reseller 2,20,"{every}"\nBasic,Reseller 1,6,\n')
    assert dict(Package.objects.values_list("name", "allowed_classes")) == {"Gold": "", "Basic": "bronze"}

    result = check(provisioner, "packages", f"{head}Gold,Reseller 2,20,platinum\n")
    (refusal,) = result.refusals
    assert (refusal["column"], refusal["value"]) == ("Allowed classes", "platinum")
    assert refusal["reason"] == (
        "There is no class “platinum” of numbers. Use unmarked, bronze, silver or gold."
    )


def test_a_check_writes_nothing(world, clerk):
    before = OperatorHistory.objects.count(), Change.objects.count()
    check(clerk, "operators", "Name,Reseller\nOliver,Reseller 1\n")
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before


def test_each_refusal_has_its_line_column_value_and_reason(world, provisioner):
    text = (
        "ID,Name,Reseller,DID limit,Allowed tags,Hold days\n"
        ",Gold,Reseller 9,1,,\n"
        f",{'x' * 101},Reseller 1,1,,\n"
        ",,Reseller 1,1,,\n"
        ",Gold,,1,,\n"
        f",Gold,Reseller 1,many,{'t' * 51},366\n"
        ",Silver,Reseller 1,,,\n"
        "x1,Bronze,Reseller 1,1,,\n"
        ",Iron,Reseller 1,99999999999,,\n"
        ",Steel,Reseller 1,2147483648,,\n"
    )
    result = check(provisioner, "packages", text)
    assert counts(result) == [0, 0, 0, 9]
    whole = "The DID limit is a whole number from 0 to 2,147,483,647. Correct the number."
    assert refusals(result) == [
        (
            2,
            "Reseller",
            "Reseller 9",
            "There is no reseller with this name. Correct it, or ask an administrator to add it.",
        ),
        (3, "Name", f"{'x' * 59}…", "The name has 101 characters; at most 100 are allowed. Shorten it."),
        (4, "Name", "", "A row needs a name. Fill it in, or remove the row."),
        (5, "Reseller", "", "There are several resellers. Name one in the Reseller column."),
        (6, "DID limit", "many", whole),
        (6, "Allowed tags", "t" * 51, f"The tag “{'t' * 20}…” has 51 characters. The limit is 50."),
        (6, "Hold days", "366", "Hold days are a whole number from 0 to 365. Correct the number."),
        (7, "DID limit", "", "A new package needs a value. Fill it in."),
        (8, "ID", "x1", "An ID is a whole number. Correct it, or leave it empty."),
        (9, "DID limit", "99999999999", whole),
        (10, "DID limit", "2147483648", whole),
    ]


def test_a_repeated_name_is_refused_after_the_first(world, clerk):
    text = (
        "Name,Reseller\n"
        "Oliver,Reseller 1\n"
        "Oliver,Reseller 2\n"
        " Oliver ,Reseller 1\n"
        "DID Operator,Reseller 1\n"
        "DID Operator,Reseller 1\n"
    )
    result = check(clerk, "operators", text)
    assert counts(result) == [2, 0, 1, 2]
    assert refusals(result) == [
        (4, "Name", "Oliver", "Duplicate of line 2, which is used."),
        (6, "Name", "DID Operator", "Duplicate of line 5, which is used."),
    ]


def test_a_row_with_too_many_cells_is_refused(world, clerk):
    text = 'Name,Reseller\nOliver,Reseller 1\n"Olga, and more",Reseller 1,much,too,long\n'
    result = check(clerk, "operators", text)
    assert counts(result) == [1, 0, 0, 1]
    assert refusals(result)[0][:3] == (3, "", "")
    assert "The row has 5 columns, the table has 2." in refusals(result)[0][3]


def test_an_id_names_the_row_to_rename(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 1\n"
    result = check(clerk, "operators", text)
    assert result.row_changes[0].changes == [("Name", "DID Operator", "Dora")]
    load(clerk, "operators", text)
    world.operator.refresh_from_db()
    assert world.operator.name == "Dora" and Operator.objects.count() == 2


def test_an_id_replaces_the_reseller_and_the_client(world, provisioner):
    result = load(provisioner, "clients", f"ID,Name\n{world.client.pk},Rosa\n")
    assert result.sentence == "0 clients created, 1 updated, 0 unchanged."
    result = load(provisioner, "accounts", f"ID,Name\n{world.account.pk},rosa\n")
    assert result.sentence == "0 accounts created, 1 updated, 0 unchanged."


def test_a_matching_name_wins_over_the_id(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator_2.pk},DID Operator,Reseller 1\n"
    assert counts(check(clerk, "operators", text)) == [0, 0, 1, 0]


def test_an_unknown_id_creates_a_new_row(world, clerk):
    load(clerk, "operators", "ID,Name,Reseller\n987654,Oliver,Reseller 1\n")
    assert Operator.objects.get(name="Oliver").pk != 987654


def test_an_import_moves_no_row_to_another_reseller(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 2\n"
    (refusal,) = refusals(check(clerk, "operators", text))
    assert (
        refusal[1] == "ID" and "“DID Operator” of Reseller 1" in refusal[3] and "can’t move it" in refusal[3]
    )


def test_a_row_cannot_be_renamed_and_named_in_the_same_file(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 1\n,DID Operator,Reseller 1\n"
    result = check(clerk, "operators", text)
    assert refusals(result) == [(3, "Name", "DID Operator", "Duplicate of line 2, which is used.")]


def test_the_only_reseller_need_not_be_named(db, clerk):
    only = Reseller.objects.create(name="Only")
    load(clerk, "operators", "Name\nOliver\n")
    assert Operator.objects.get().reseller == only


def test_an_import_needs_a_reseller(db, clerk):
    (refusal,) = refusals(check(clerk, "operators", "Name\nOliver\n"))
    assert refusal[3] == "There is no reseller yet. Ask an administrator to add one."


def test_the_reseller_distinguishes_clients_with_the_same_name(world, provisioner):
    twin = Client.objects.create(reseller=world.reseller_2, name="Rose Orig")
    result = check(
        provisioner,
        "accounts",
        "Name,Client,Reseller\na,Rose Orig,\nb,Nobody,\nc,,\nd,Rose Orig,Reseller 2\n",
    )
    assert refusals(result) == [
        (
            2,
            "Client",
            "Rose Orig",
            (
                "Several resellers have a client with this name: Reseller 1, Reseller 2."
                " Name one in the Reseller column."
            ),
        ),
        (3, "Client", "Nobody", "There is no client with this name. Correct it, or import the client first."),
        (4, "Client", "", "An account belongs to a client. Fill in the client."),
    ]
    load(provisioner, "accounts", "Name,Client,Reseller\nd,Rose Orig,Reseller 2\n")
    assert twin.accounts.get().name == "d"


def test_a_closed_client_keeps_its_accounts_and_gets_no_new_one(world, provisioner):
    Client.objects.update(closed_at="2026-11-01T00:00:00Z")
    text = "Name,Client,Reseller\nrose_orig,Rose Orig,Reseller 1\nrose_2,Rose Orig,Reseller 1\n"
    result = check(provisioner, "accounts", text)
    assert counts(result) == [0, 0, 1, 1]
    assert refusals(result) == [(3, "Client", "Rose Orig", "This client is closed. Choose another client.")]


@pytest.mark.parametrize(
    ("table", "header"),
    [
        ("operators", "Operator,Reseller"),
        ("operators", "CARRIER,partner"),
        ("operators", "provider,tenant"),
        ("clients", "Customer name,Branch"),
        ("packages", "Plan,Reseller,Max DIDs"),
        ("accounts", "SIP account,Customer"),
    ],
)
def test_headers_of_other_systems_are_known(world, provisioner, table, header):
    row = {"packages": "new,Reseller 1,3", "accounts": "new,Rose Orig"}.get(table, "new,Reseller 1")
    assert counts(check(provisioner, table, f"{header}\n{row}\n")) == [1, 0, 0, 0]


def test_our_own_header_wins_over_that_of_another_system(world, clerk):
    result = check(clerk, "operators", "Provider,Name,Reseller\nwrong,Oliver,Reseller 1\n")
    assert [step.name for step in result.row_changes] == ["Oliver"]


def test_titles_above_the_header_and_blank_rows_are_skipped(world, clerk):
    text = "Our providers\n\nName,Reseller\nOliver,Reseller 1\n,\n\n"
    result = check(clerk, "operators", text)
    assert counts(result) == [1, 0, 0, 0] and result.row_changes[0].line == 4


def test_leading_zeros_do_not_change_whole_numbers(world, clerk):
    text = f"ID,Name,Reseller,Hold days\n{world.operator.pk:030},Dora,Reseller 1,{'0' * 5_000}7\n"
    load(clerk, "operators", text)
    world.operator.refresh_from_db()
    assert (world.operator.name, world.operator.hold_days) == ("Dora", 7)


def test_an_import_that_differs_from_its_check_writes_nothing(world, clerk):
    resource = TABLES["operators"](clerk)
    file = parse(resource, "Name,Reseller\nOliver,Reseller 1\n")
    checked = resource.check(file)
    Operator.objects.create(reseller=world.reseller, name="Oliver")
    before = OperatorHistory.objects.count(), Change.objects.count()
    with pytest.raises(ChangedSinceCheckError) as stopped:
        resource.apply(file, checked.digest)
    assert counts(stopped.value.result) == [0, 0, 1, 0]
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before
