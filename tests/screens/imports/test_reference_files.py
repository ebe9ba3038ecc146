"""Operators, clients, accounts and packages from files and as files."""

import io
import string
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

import sheets
from audit.models import Change
from clients.models import Account, Client, ClientHistory, Package, Reseller
from dids.reference_files.tables import LIMIT
from operators.models import Operator, OperatorHistory
from screens.imports.reference_forms import LARGEST
from tests.examples import scaled
from tests.world import client_of, member

TABLES = ["operators", "clients", "accounts", "packages"]
TEXT = "Name,Reseller,Hold days\nOliver,Reseller 1,\nDID Operator,Reseller 1,9\n"
MODELS = {"operators": Operator, "clients": Client, "accounts": Account, "packages": Package}


def check(browser, table, text, **choices):
    """The page that shows what the file would do."""
    data = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile("table.csv", data)
    return browser.post(f"/{table}/import/", {"file": file, **choices})


def apply(browser, table, sealed):
    return browser.post(f"/{table}/import/", {"sealed": sealed}, follow=True)


def load(browser, table, text):
    """Check it and apply it; returns the page that one lands on."""
    page = check(browser, table, text)
    assert page.context["apply_label"], page.context["refusals"]
    return apply(browser, table, page.context["sealed"])


def counts(page):
    return list(page.context["counts"].values())


def refusals(page):
    return [tuple(refusal.values()) for refusal in page.context["refusals"]]


def said(page):
    return [str(message) for message in page.context["messages"]]


def export(browser, table, query=""):
    answer = browser.get(f"/{table}/export/{query}")
    assert answer.status_code == 200
    return answer.getvalue()


def rows_of(data):
    file = io.BytesIO(data)
    return [row.cells for row in sheets.read(file, sheets.sniff(file, delimiter=","))]


# --- the happy path of each table -------------------------------------------------------------------


def test_operators_are_made_and_updated_and_the_rest_is_left_alone(world, clerk):
    Operator.objects.create(reseller=world.reseller, name="Kept", hold_days=7)
    text = (
        "Name,Reseller,Hold days\n"
        "Oliver,Reseller 1,10\n"
        "DID Operator 2,Reseller 2,0\n"
        "Kept,Reseller 1,\n"
        "DID Operator,Reseller 2,\n"
    )
    browser = client_of(clerk)
    page = check(browser, "operators", text)
    assert page.status_code == 200 and counts(page) == [2, 1, 1, 0]
    assert page.context["apply_label"] == "Import 3 operators"
    assert [(s.line, s.name, s.changes) for s in page.context["steps"]] == [
        (2, "Oliver", []),
        (3, "DID Operator 2", [("Hold days", None, 0)]),
        (5, "DID Operator", []),
    ]
    assert Operator.objects.count() == 3, "the check writes nothing"

    landed = apply(browser, "operators", page.context["sealed"])
    assert landed.redirect_chain == [("/operators/", 302)]
    assert said(landed) == ["2 operators created, 1 updated, 1 unchanged."]
    assert set(Operator.objects.values_list("reseller__name", "name", "hold_days")) == {
        ("Reseller 1", "DID Operator", None),
        ("Reseller 1", "Kept", 7),
        ("Reseller 1", "Oliver", 10),
        ("Reseller 2", "DID Operator", None),
        ("Reseller 2", "DID Operator 2", 0),
    }


def test_clients_are_made(world, provisioner):
    landed = load(
        client_of(provisioner), "clients", "Customer;Branch\nRose Orig;Reseller 1\nLily;Reseller 2\n"
    )
    assert landed.redirect_chain == [("/clients/", 302)]
    assert said(landed) == ["1 client created, 0 updated, 1 unchanged."]
    assert list(Client.objects.filter(reseller=world.reseller_2).values_list("name", flat=True)) == ["Lily"]


def test_accounts_are_made_for_the_client_that_is_named(world, provisioner):
    lily = Client.objects.create(reseller=world.reseller_2, name="Lily")
    text = (
        "Login\tCustomer\tReseller\nrose_orig\tRose Orig\t\nlily_1\tLily\tReseller 2\nrose_2\tRose Orig\t\n"
    )
    landed = load(client_of(provisioner), "accounts", text)
    assert said(landed) == ["2 accounts created, 0 updated, 1 unchanged."]
    assert set(Account.objects.values_list("client", "name")) == {
        (world.client.pk, "rose_orig"),
        (world.client.pk, "rose_2"),
        (lily.pk, "lily_1"),
    }


def test_packages_are_made_and_updated(world, provisioner):
    text = (
        "Plan,Reseller,Limit,Tags,Hold days\n"
        'Gold,Reseller 2,20,"vip;gold , vip",5\n'
        "Basic,Reseller 1,6,gold,\n"
        "Silver,Reseller 2,1,,\n"
    )
    page = check(client_of(provisioner), "packages", text)
    assert [(s.name, s.changes) for s in page.context["steps"]] == [
        ("Gold", []),
        ("Basic", [("DID limit", 5, 6), ("Allowed tags", "", "gold")]),
        ("Silver", []),
    ]
    landed = apply(client_of(provisioner), "packages", page.context["sealed"])
    assert said(landed) == ["2 packages created, 1 updated, 0 unchanged."]
    assert set(Package.objects.values_list("name", "did_limit", "allowed_tags", "hold_days")) == {
        ("Gold", 20, "gold, vip", 5),
        ("Basic", 6, "gold", None),
        ("Silver", 1, "", None),
    }


def test_a_blank_cell_keeps_what_is_there(world, provisioner):
    Package.objects.update(allowed_tags="gold", hold_days=3)
    text = "Name,Reseller,DID limit,Allowed tags,Hold days\nBasic,Reseller 1,,,\n"
    page = check(client_of(provisioner), "packages", text)
    assert counts(page) == [0, 0, 1, 0]
    assert page.context["apply_label"] == "" and "Nothing to import, close" in page.content.decode()


# --- what is recorded -------------------------------------------------------------------------------


def test_an_import_is_one_change_with_its_history(world, clerk):
    load(
        client_of(clerk),
        "operators",
        "Name,Reseller,Hold days\nOliver,Reseller 1,\nDID Operator,Reseller 1,9\n",
    )
    change = Change.objects.get(kind="import")
    assert (change.actor, change.touched, change.label) == (clerk, 2, "Import of operators from table.csv")
    assert change.source == "/operators/import/"
    history = OperatorHistory.objects.filter(change=change).order_by("history_id")
    assert {(row.event, row.name, row.hold_days) for row in history} == {
        ("+", "Oliver", None),
        ("~", "DID Operator", 9),
    }


def test_a_check_leaves_no_trace(world, clerk):
    before = OperatorHistory.objects.count(), Change.objects.count()
    check(client_of(clerk), "operators", "Name,Reseller\nOliver,Reseller 1\n")
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before


def test_the_same_import_once_more_writes_nothing_and_says_so(world, clerk):
    browser = client_of(clerk)
    sealed = check(browser, "operators", "Name,Reseller\nOliver,Reseller 1\n").context["sealed"]
    apply(browser, "operators", sealed)
    before = OperatorHistory.objects.count(), Change.objects.count()
    page = apply(browser, "operators", sealed)
    assert page.status_code == 409 and counts(page) == [0, 0, 1, 0]
    assert "Something has changed since you checked, so nothing was written." in page.content.decode()
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before


# --- all or nothing ---------------------------------------------------------------------------------


def test_one_refused_row_keeps_all_others_out(world, clerk):
    page = check(
        client_of(clerk), "operators", "Name,Reseller,Hold days\nOliver,Reseller 1,1\nOlga,Reseller 1,x\n"
    )
    assert page.status_code == 200 and counts(page) == [1, 0, 0, 1]
    assert page.context["apply_label"] == page.context["sealed"] == ""
    html = page.content.decode()
    assert "1 row is refused, so nothing can be imported" in html and 'name="sealed"' not in html
    assert not Operator.objects.filter(name="Oliver").exists()


def test_every_refusal_names_line_column_value_and_reason(world, provisioner):
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
    page = check(client_of(provisioner), "packages", text)
    assert counts(page) == [0, 0, 0, 9]
    whole = "The DID limit is a whole number from 0 to 2,147,483,647. Correct the number."
    assert refusals(page) == [
        (
            2,
            "Reseller",
            "Reseller 9",
            "There is no reseller of this name. Correct it, or ask an administrator to add it.",
        ),
        (3, "Name", f"{'x' * 59}…", "The name has 101 characters; at most 100 fit. Shorten it."),
        (4, "Name", "", "A row needs a name. Fill it in, or leave the row out."),
        (5, "Reseller", "", "There are several resellers. Say whose it is in the Reseller column."),
        (6, "DID limit", "many", whole),
        (6, "Allowed tags", "t" * 51, f"The tag “{'t' * 20}…” has 51 characters; at most 50 fit."),
        (6, "Hold days", "366", "Hold days are a whole number from 0 to 365. Correct the number."),
        (7, "DID limit", "", "A new package needs it. Fill it in."),
        (8, "ID", "x1", "An ID is a whole number. Correct it, or leave it out."),
        (9, "DID limit", "99999999999", whole),
        (10, "DID limit", "2147483648", whole),
    ]


def test_the_first_of_a_name_counts_and_the_others_are_refused(world, clerk):
    text = (
        "Name,Reseller\n"
        "Oliver,Reseller 1\n"
        "Oliver,Reseller 2\n"
        " Oliver ,Reseller 1\n"
        "DID Operator,Reseller 1\n"
        "DID Operator,Reseller 1\n"
    )
    page = check(client_of(clerk), "operators", text)
    assert counts(page) == [2, 0, 1, 2]
    assert refusals(page) == [
        (4, "Name", "Oliver", "The same operator stands on line 2; that one counts."),
        (6, "Name", "DID Operator", "The same operator stands on line 5; that one counts."),
    ]


def test_a_row_that_is_broken_in_the_file_is_refused(world, clerk):
    text = 'Name,Reseller\nOliver,Reseller 1\n"Olga, and more",Reseller 1,much,too,long\n'
    page = check(client_of(clerk), "operators", text)
    assert counts(page) == [1, 0, 0, 1]
    assert refusals(page)[0][:3] == (3, "", "")
    assert "The row has 5 columns where the table has 2." in refusals(page)[0][3]


def test_only_the_first_refusals_are_shown(world, clerk):
    text = "Name,Reseller\n" + "".join(f"Op {n},Nobody\n" for n in range(150))
    page = check(client_of(clerk), "operators", text)
    assert counts(page) == [0, 0, 0, 150] and len(refusals(page)) == 100
    assert "The first 100 are shown; the next check shows others." in page.content.decode()


# --- which row is meant -----------------------------------------------------------------------------


def test_an_id_says_which_one_is_renamed(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 1\n"
    page = check(client_of(clerk), "operators", text)
    assert page.context["steps"][0].changes == [("Name", "DID Operator", "Dora")]
    apply(client_of(clerk), "operators", page.context["sealed"])
    world.operator.refresh_from_db()
    assert world.operator.name == "Dora" and Operator.objects.count() == 2


def test_an_id_stands_in_for_the_reseller_and_the_client(world, provisioner):
    landed = load(client_of(provisioner), "clients", f"ID,Name\n{world.client.pk},Rosa\n")
    assert said(landed) == ["0 clients created, 1 updated, 0 unchanged."]
    landed = load(client_of(provisioner), "accounts", f"ID,Name\n{world.account.pk},rosa\n")
    assert said(landed) == ["0 accounts created, 1 updated, 0 unchanged."]


def test_the_name_goes_before_the_id(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator_2.pk},DID Operator,Reseller 1\n"
    assert counts(check(client_of(clerk), "operators", text)) == [0, 0, 1, 0]


def test_an_id_that_nobody_has_makes_a_new_row(world, clerk):
    load(client_of(clerk), "operators", "ID,Name,Reseller\n987654,Oliver,Reseller 1\n")
    assert Operator.objects.get(name="Oliver").pk != 987654


def test_an_import_moves_nothing_to_another_reseller(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 2\n"
    (refusal,) = refusals(check(client_of(clerk), "operators", text))
    assert (
        refusal[1] == "ID"
        and "“DID Operator” of Reseller 1" in refusal[3]
        and "doesn't move it" in refusal[3]
    )


def test_one_row_is_not_renamed_and_named_in_the_same_file(world, clerk):
    text = f"ID,Name,Reseller\n{world.operator.pk},Dora,Reseller 1\n,DID Operator,Reseller 1\n"
    page = check(client_of(clerk), "operators", text)
    assert refusals(page) == [
        (3, "Name", "DID Operator", "The same operator stands on line 2; that one counts.")
    ]


def test_the_reseller_may_be_left_out_where_there_is_but_one(db, clerk):
    only = Reseller.objects.create(name="Only")
    load(client_of(clerk), "operators", "Name\nOliver\n")
    assert Operator.objects.get().reseller == only


def test_without_a_reseller_there_is_nothing_to_import_into(db, clerk):
    (refusal,) = refusals(check(client_of(clerk), "operators", "Name\nOliver\n"))
    assert refusal[3] == "There is no reseller yet. Ask an administrator to add one."


def test_the_client_of_an_account_is_told_apart_by_its_reseller(world, provisioner):
    twin = Client.objects.create(reseller=world.reseller_2, name="Rose Orig")
    page = check(
        client_of(provisioner),
        "accounts",
        "Name,Client,Reseller\na,Rose Orig,\nb,Nobody,\nc,,\nd,Rose Orig,Reseller 2\n",
    )
    assert refusals(page) == [
        (
            2,
            "Client",
            "Rose Orig",
            "Several resellers have a client of this name: Reseller 1, Reseller 2."
            " Say which one in the Reseller column.",
        ),
        (3, "Client", "Nobody", "There is no client of this name. Correct it, or import the client first."),
        (4, "Client", "", "An account belongs to a client. Fill in the client."),
    ]
    load(client_of(provisioner), "accounts", "Name,Client,Reseller\nd,Rose Orig,Reseller 2\n")
    assert twin.accounts.get().name == "d"


def test_a_closed_client_gets_no_new_account_but_keeps_those_it_has(world, provisioner):
    Client.objects.update(closed_at="2026-11-01T00:00:00Z")
    text = "Name,Client,Reseller\nrose_orig,Rose Orig,Reseller 1\nrose_2,Rose Orig,Reseller 1\n"
    page = check(client_of(provisioner), "accounts", text)
    assert counts(page) == [0, 0, 1, 1]
    assert refusals(page) == [(3, "Client", "Rose Orig", "This client is closed. Choose another client.")]


# --- headers ----------------------------------------------------------------------------------------


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
def test_the_words_of_other_systems_are_known(world, provisioner, table, header):
    row = {"packages": "new,Reseller 1,3", "accounts": "new,Rose Orig"}.get(table, "new,Reseller 1")
    assert counts(check(client_of(provisioner), table, f"{header}\n{row}\n")) == [1, 0, 0, 0]


def test_columns_that_mean_nothing_or_are_only_exported_are_named_as_left_out(world, provisioner):
    text = "Name,Colour,Reseller,Closed at,Name\nRose Orig,red,Reseller 1,2026-01-01,other\n"
    page = check(client_of(provisioner), "clients", text)
    assert counts(page) == [0, 0, 1, 0]
    assert "Columns left out: Colour, Closed at, Name." in page.content.decode()


def test_our_own_word_goes_before_that_of_another_system(world, clerk):
    page = check(client_of(clerk), "operators", "Provider,Name,Reseller\nwrong,Oliver,Reseller 1\n")
    assert [step.name for step in page.context["steps"]] == ["Oliver"]


def test_the_header_may_stand_below_a_title_and_blank_rows_count_for_nothing(world, clerk):
    text = "Our providers\n\nName,Reseller\nOliver,Reseller 1\n,\n\n"
    page = check(client_of(clerk), "operators", text)
    assert counts(page) == [1, 0, 0, 0] and page.context["steps"][0].line == 4


# --- files that are none ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n\n \n", "The file is empty."),
        (b"Colour,Reseller\nred,Reseller 1\n", "No column is the name of the operator."),
        (b"Name,Reseller\n", "The file has a header and no rows."),
        (b"%PDF-1.4 something", "The file is a PDF document"),
        (b"Name\n" + bytes(range(1, 9)) * 50, "The file is not text."),
        (b"Name\n" + b"Op\n" * (LIMIT + 1), f"The file has more than {LIMIT:,} rows"),
        (b"Name\n" + b"x" * LARGEST, "The file is larger than 5 MB."),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_at_its_field(world, clerk, data, sentence):
    page = check(client_of(clerk), "operators", data)
    assert page.status_code == 422
    assert sentence in " ".join(page.context["form"].errors["file"])


def test_without_a_file_the_page_says_so(world, clerk):
    page = client_of(clerk).post("/operators/import/")
    assert page.status_code == 422 and "Choose a file to import." in page.content.decode()


@pytest.mark.parametrize(
    "choices",
    [{"encoding": "utf-16-le"}, {"encoding": "nonsense"}, {"delimiter": "pipe"}, {"delimiter": "x"}],
)
def test_a_wrong_way_to_read_the_file_is_an_error_of_the_form(world, clerk, choices):
    page = check(client_of(clerk), "operators", "Name,Reseller\nOliver,Reseller 1\n", **choices)
    assert page.status_code == 422 and page.context["form"].errors


def test_encoding_and_delimiter_are_detected(world, clerk):
    text = "Name;Reseller;Hold days\nSociété générale;Reseller 1;5\n"
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        page = check(client_of(clerk), "operators", text.encode(encoding))
        assert [step.name for step in page.context["steps"]] == ["Société générale"], encoding


def test_as_many_rows_as_allowed_are_imported_by_a_few_queries(world, clerk, django_assert_max_num_queries):
    text = "Name,Reseller,Hold days\n" + "".join(f"Op {n},Reseller 1,{n % 300}\n" for n in range(LIMIT))
    browser = client_of(clerk)
    with django_assert_max_num_queries(60):
        page = check(browser, "operators", text)
    assert counts(page) == [LIMIT, 0, 0, 0]
    with django_assert_max_num_queries(70):
        apply(browser, "operators", page.context["sealed"])
    assert Operator.objects.filter(name__startswith="Op ").count() == LIMIT


# --- between check and import -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: sealed[:-1] + ("A" if sealed[-1] != "A" else "B"),
        lambda sealed: "x" + sealed,
        lambda sealed: "",
        lambda sealed: "a:b:c",
    ],
)
def test_rows_that_were_tampered_with_are_refused(world, clerk, spoil):
    browser = client_of(clerk)
    sealed = check(browser, "operators", TEXT).context["sealed"]
    landed = apply(browser, "operators", spoil(sealed))
    assert landed.redirect_chain == [("/operators/import/", 302)]
    assert said(landed)[0].startswith("These are not the rows that were checked")
    assert Operator.objects.count() == 2


def test_the_rows_of_one_person_and_table_are_of_no_use_elsewhere(world, clerk, provisioner):
    sealed = check(client_of(provisioner), "operators", TEXT).context["sealed"]
    for browser, table in ((client_of(clerk), "operators"), (client_of(provisioner), "clients")):
        landed = apply(browser, table, sealed)
        assert said(landed)[0].startswith("These are not the rows that were checked")
    assert (Operator.objects.count(), Client.objects.count()) == (2, 1)


def test_what_changed_since_the_check_is_shown_and_nothing_is_written(world, clerk):
    browser = client_of(clerk)
    sealed = check(browser, "operators", TEXT).context["sealed"]
    Operator.objects.filter(pk=world.operator.pk).update(hold_days=8)
    page = apply(browser, "operators", sealed)
    assert page.status_code == 409 and counts(page) == [1, 1, 0, 0]
    assert page.context["steps"][1].changes == [("Hold days", 8, 9)]
    assert not Operator.objects.filter(name="Oliver").exists()
    landed = apply(browser, "operators", page.context["sealed"])
    assert said(landed) == ["1 operator created, 1 updated, 0 unchanged."]


def test_what_became_wrong_since_the_check_is_refused(world, clerk):
    browser = client_of(clerk)
    sealed = check(browser, "operators", TEXT).context["sealed"]
    Reseller.objects.filter(pk=world.reseller.pk).update(name="Renamed")
    page = apply(browser, "operators", sealed)
    assert page.status_code == 409 and counts(page) == [0, 0, 0, 2]
    assert page.context["sealed"] == "" and Operator.objects.count() == 2


def test_a_right_taken_away_since_the_check_counts(world, clerk):
    browser = client_of(clerk)
    sealed = check(browser, "operators", TEXT).context["sealed"]
    clerk.groups.clear()
    assert apply(browser, "operators", sealed).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_the_same_name_at_once_the_second_is_told(world, clerk):
    browser = client_of(clerk)
    sealed = check(browser, "operators", TEXT).context["sealed"]
    started = threading.Event()

    def be_quicker():
        with transaction.atomic():
            Operator.objects.create(reseller=world.reseller, name="Oliver", hold_days=1)
            started.set()
            wait_for_a_writer()
        connections.close_all()

    other = threading.Thread(target=be_quicker)
    other.start()
    assert started.wait(timeout=30)
    page = apply(browser, "operators", sealed)
    other.join(timeout=60)
    # PostgreSQL refuses the second name; SQLite let the second begin only when the first was done.
    told = said(page) or [page.content.decode()]
    assert any("Somebody changed the same" in one or "Something has changed since" in one for one in told)
    assert Operator.objects.get(name="Oliver").hold_days == 1
    world.operator.refresh_from_db()
    assert world.operator.hold_days is None, "nothing of the file is written"


def wait_for_a_writer():
    """Until another connection waits for what this one has locked; on SQLite nobody can be asked."""
    if connection.vendor != "postgresql":
        return
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        for _ in range(100_000):
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return


# --- who may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_a_viewer_exports_and_imports_nothing(world, viewer, table):
    browser = client_of(viewer)
    assert browser.get(f"/{table}/import/").status_code == 403
    assert check(browser, table, "Name\nx\n").status_code == 403
    assert browser.get(f"/{table}/export/").status_code == 200


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(world, supervisor, table, method):
    assert getattr(client_of(supervisor), method)(f"/{table}/import/").status_code == 405
    assert getattr(client_of(supervisor), method)(f"/{table}/export/").status_code == 405


def test_the_page_leads_to_the_tables_that_one_may_import(world, clerk, provisioner):
    page = client_of(clerk).get("/operators/import/").content.decode()
    assert "/clients/import/" not in page and "/operators/export/" in page
    page = client_of(provisioner).get("/packages/import/").content.decode()
    assert all(f'href="/{table}/import/"' in page for table in TABLES)


def test_the_list_of_operators_has_the_buttons_that_one_may_use(world, viewer, clerk):
    page = client_of(viewer).get("/operators/").content.decode()
    assert "/operators/import/" not in page and "/operators/export/" in page
    page = client_of(clerk).get("/operators/?name=DID").content.decode()
    assert "/operators/import/" in page and "/operators/export/?name=DID&amp;format=xlsx" in page
    assert "/operators/export/" not in client_of(clerk).get("/operators/?reseller=0").content.decode()


SECRETS = ["Rose Orig", "rose_orig", "Basic", "DID Operator<", "“DID Operator”", "Reseller 1<"]


@pytest.mark.parametrize("table", TABLES)
def test_a_stranger_is_told_nothing_of_another_reseller(world, stranger, table):
    browser = client_of(stranger)
    assert len(rows_of(export(browser, table))) == (2 if table == "operators" else 1)
    assert sheet_of(export(browser, table, "?format=xlsx")).max_row == (2 if table == "operators" else 1)
    hidden = MODELS[table].objects.order_by("pk").first()
    for text in (f"ID,Name,Client\n{hidden.pk},Mine,Nobody\n", "Name,Client\nMine,Nobody\n"):
        html = check(browser, table, text).content.decode()
        assert [secret for secret in SECRETS if secret in html] == []


def test_somebody_bound_imports_into_the_own_reseller_alone(world, owner, stranger):
    page = check(client_of(stranger), "operators", "Name,Reseller\nOliver,Reseller 1\n")
    assert refusals(page) == [
        (
            2,
            "Reseller",
            "Reseller 1",
            "You work for Reseller 2 and can't see a reseller of this name. Leave the column out.",
        )
    ]
    # The names that another reseller has are free, and its ids are nobody's.
    text = f"ID,Name\n{world.operator.pk},Oliver\n,DID Operator\n"
    landed = load(client_of(stranger), "operators", text)
    assert said(landed) == ["2 operators created, 0 updated, 0 unchanged."]
    assert set(Operator.objects.filter(reseller=world.reseller_2).values_list("name", flat=True)) == {
        "DID Operator",
        "DID Operator 2",
        "Oliver",
    }
    assert client_of(owner).get("/operators/?name=Oliver").context["listing"].rows == []
    (refusal,) = refusals(check(client_of(stranger), "accounts", "Name,Client\nx,Rose Orig\n"))
    assert refusal[3].startswith("There is no client of this name.")


# --- export -----------------------------------------------------------------------------------------


def sheet_of(data):
    return load_workbook(io.BytesIO(data)).active


def test_each_table_has_its_columns(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(hold_days=0)
    Client.objects.update(closed_at="2026-11-03T14:05:00Z")
    Package.objects.update(allowed_tags="gold, vip")
    browser = client_of(viewer)
    ids = {
        name: str(getattr(world, name).pk)
        for name in ("operator", "operator_2", "client", "account", "package")
    }
    assert rows_of(export(browser, "operators")) == [
        ["ID", "Name", "Reseller", "Hold days", "DID's count"],
        [ids["operator"], "DID Operator", "Reseller 1", "0", "12"],
        [ids["operator_2"], "DID Operator 2", "Reseller 2", "", "1"],
    ]
    assert rows_of(export(browser, "clients")) == [
        ["ID", "Name", "Reseller", "Closed at"],
        [ids["client"], "Rose Orig", "Reseller 1", "2026-11-03 14:05:00+00:00"],
    ]
    assert rows_of(export(browser, "accounts")) == [
        ["ID", "Name", "Client", "Reseller"],
        [ids["account"], "rose_orig", "Rose Orig", "Reseller 1"],
    ]
    assert rows_of(export(browser, "packages")) == [
        ["ID", "Name", "Reseller", "DID limit", "Allowed tags", "Hold days", "Archived at"],
        [ids["package"], "Basic", "Reseller 1", "5", "gold, vip", "", ""],
    ]


def test_moments_are_those_of_the_persons_zone(world):
    Client.objects.update(closed_at="2026-11-03T14:05:00Z")
    viewer = member("Viewer", time_zone="Asia/Tokyo")
    assert rows_of(export(client_of(viewer), "clients"))[1][3] == "2026-11-03 23:05:00+09:00"


def test_operators_are_exported_as_the_list_is_filtered_and_the_file_says_so(world, viewer):
    browser = client_of(viewer)
    answer = browser.get(f"/operators/export/?reseller={world.reseller_2.pk}&sort=-name")
    assert [row[1] for row in rows_of(answer.getvalue())] == ["Name", "DID Operator 2"]
    assert 'attachment; filename="operators_reseller-reseller-2_20' in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Disposition"].endswith('.csv"')


@pytest.mark.parametrize("query", ["reseller=0", "reseller=x", "sort=nothing"])
def test_an_invalid_filter_exports_nothing_and_leads_to_the_list(world, viewer, query):
    answer = client_of(viewer).get(f"/operators/export/?{query}")
    assert (answer.status_code, answer.url) == (302, f"/operators/?{query}")


def test_an_unknown_format_is_refused_with_those_there_are(world, viewer, provisioner):
    landed = client_of(viewer).get("/operators/export/?format=ods", follow=True)
    assert landed.redirect_chain == [("/operators/", 302)]
    assert said(landed) == ["“ods” is no format to export; there are csv and xlsx."]
    assert client_of(provisioner).get("/clients/export/?format=ods").url == "/clients/"
    assert client_of(provisioner).get("/accounts/export/?format=ods").url == "/accounts/import/"
    assert client_of(viewer).get("/accounts/export/?format=ods").url == "/"


def test_what_a_spreadsheet_would_run_is_made_harmless_in_both_formats(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(name="=1+1")
    browser = client_of(viewer)
    assert b"'=1+1" in export(browser, "operators")
    cell = sheet_of(export(browser, "operators", "?format=xlsx"))["B2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_a_workbook_has_text_as_text_and_its_header_in_sight(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(name="#N/A", hold_days=7)
    Operator.objects.filter(pk=world.operator_2.pk).update(name="0042\x01")
    answer = client_of(viewer).get("/operators/export/?format=xlsx&sort=id")
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    sheet = sheet_of(b"".join(answer.streaming_content))
    assert sheet.freeze_panes == "A2"
    assert [(cell.value, cell.font.bold) for cell in sheet[1]] == [
        (name, True) for name in ("ID", "Name", "Reseller", "Hold days", "DID's count")
    ]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        [str(world.operator.pk), "#N/A", "Reseller 1", "7", "12"],
        [str(world.operator_2.pk), "0042\ufffd", "Reseller 2", None, "1"],
    ]
    assert [sheet["B2"].data_type, sheet["B3"].data_type] == ["s", "s"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_an_export_costs_the_same_few_queries_however_many_rows_there_are(
    world, viewer, table, format, django_assert_max_num_queries
):
    clients = Client.objects.bulk_create(Client(reseller=world.reseller, name=f"C{n}") for n in range(120))
    Account.objects.bulk_create(Account(client=client, name="main") for client in clients)
    Operator.objects.bulk_create(Operator(reseller=world.reseller, name=f"O{n}") for n in range(120))
    browser = client_of(viewer)
    with django_assert_max_num_queries(8):
        export(browser, table, f"?format={format}")


# --- there and back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_an_export_imports_back_as_unchanged(world, provisioner, table):
    Client.objects.create(reseller=world.reseller_2, name="Rose Orig", closed_at="2026-11-01T00:00:00Z")
    twin = Client.objects.get(reseller=world.reseller_2)
    Account.objects.create(client=twin, name="rose_orig")
    Package.objects.create(
        reseller=world.reseller_2,
        name="=Basic",
        did_limit=0,
        allowed_tags="a, b",
        archived_at="2026-11-01T00:00:00Z",
    )
    browser = client_of(provisioner)
    page = check(browser, table, export(browser, table))
    assert counts(page) == [0, 0, MODELS[table].objects.count(), 0]


def test_an_export_imports_into_an_empty_system(world, provisioner):
    browser = client_of(provisioner)
    files = {table: export(browser, table) for table in ("clients", "accounts", "packages")}
    for reseller in (world.reseller, world.reseller_2):
        Reseller.objects.filter(pk=reseller.pk).update(name=f"Old {reseller}")
    Reseller.objects.bulk_create([Reseller(name="Reseller 1"), Reseller(name="Reseller 2")])
    # The IDs are taken, by rows of other resellers: clients are new, and nothing is renamed.
    page = check(browser, "clients", files["clients"])
    assert refusals(page)[0][1] == "ID"
    for table, data in files.items():
        text = "\n".join(line.partition(",")[2] for line in data.decode().splitlines())
        landed = load(browser, table, text)
        assert said(landed) == [f"1 {table[:-1]} created, 0 updated, 0 unchanged."]
    assert Account.objects.filter(client__reseller__name="Reseller 1").get().name == "rose_orig"
    assert ClientHistory.objects.filter(name="Rose Orig", event="+").count() == 2


# What the forms take: no control characters, blanks cut off at both ends.
CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"])
NAMES = st.text(CHARACTERS | st.sampled_from(string.punctuation + " a1"), min_size=1, max_size=100)


@settings(max_examples=scaled(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES.map(str.strip).filter(bool), min_size=1, max_size=8, unique=True))
def test_any_names_come_back_unchanged(world, provisioner, names):
    browser = client_of(provisioner)
    made = Operator.objects.bulk_create(Operator(reseller=world.reseller, name=name) for name in names)
    try:
        page = check(browser, "operators", export(browser, "operators"))
        assert page.status_code == 200, page.context["form"].errors
        assert (counts(page), page.context["refusals"]) == ([0, 0, len(names) + 2, 0], [])
    finally:
        Operator.objects.filter(pk__in=[one.pk for one in made]).delete()
