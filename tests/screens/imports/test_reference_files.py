"""Import and export pages of operators, clients, accounts and packages."""

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
from clients.names import clean_name
from dids.reference_files.parsed_file import LIMIT
from operators.models import Operator, OperatorHistory
from screens.imports.reference_forms import MAX_BYTES
from tests.examples import scaled
from tests.world import client_of, member

TABLES = ["operators", "clients", "accounts", "packages"]
TEXT = "Name,Reseller,Hold days\nOliver,Reseller 1,\nDID Operator,Reseller 1,9\n"
MODELS = {"operators": Operator, "clients": Client, "accounts": Account, "packages": Package}


def check(browser, table, text, **choices):
    """Upload the file and return the page with the result of the check."""
    data = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile("table.csv", data)
    return browser.post(f"/{table}/import/", {"file": file, **choices})


def apply(browser, table, signed):
    return browser.post(f"/{table}/import/", {"signed": signed}, follow=True)


def load(browser, table, text):
    """Check the file, import it and return the page after the redirect."""
    page = check(browser, table, text)
    assert page.context["apply_label"], page.context["refusals"]
    return apply(browser, table, page.context["signed"])


def counts(page):
    return list(page.context["counts"].values())


def refusals(page):
    return [tuple(refusal.values()) for refusal in page.context["refusals"]]


def messages(page):
    return [str(message) for message in page.context["messages"]]


def export(browser, table, query=""):
    answer = browser.get(f"/{table}/export/{query}")
    assert answer.status_code == 200
    return answer.getvalue()


def rows_of(data):
    file = io.BytesIO(data)
    return [row.cells for row in sheets.read(file, sheets.sniff(file, delimiter=","))]


# --- importing --------------------------------------------------------------------------------------


def test_operators_are_created_and_updated(world, clerk):
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
    assert [(s.line, s.name, s.changes) for s in page.context["row_changes"]] == [
        (2, "Oliver", []),
        (3, "DID Operator 2", [("Hold days", None, 0)]),
        (5, "DID Operator", []),
    ]
    assert Operator.objects.count() == 3, "the check writes nothing"

    landed = apply(browser, "operators", page.context["signed"])
    assert landed.redirect_chain == [("/operators/", 302)]
    assert messages(landed) == ["2 operators created, 1 updated, 1 unchanged."]
    assert set(Operator.objects.values_list("reseller__name", "name", "hold_days")) == {
        ("Reseller 1", "DID Operator", None),
        ("Reseller 1", "Kept", 7),
        ("Reseller 1", "Oliver", 10),
        ("Reseller 2", "DID Operator", None),
        ("Reseller 2", "DID Operator 2", 0),
    }


def test_clients_are_created(world, provisioner):
    landed = load(
        client_of(provisioner), "clients", "Customer;Branch\nRose Orig;Reseller 1\nLily;Reseller 2\n"
    )
    assert landed.redirect_chain == [("/clients/", 302)]
    assert messages(landed) == ["1 client created, 0 updated, 1 unchanged."]
    assert list(Client.objects.filter(reseller=world.reseller_2).values_list("name", flat=True)) == ["Lily"]


def test_an_empty_cell_keeps_the_current_value(world, provisioner):
    Package.objects.update(allowed_tags="gold", hold_days=3)
    text = "Name,Reseller,DID limit,Allowed tags,Hold days\nBasic,Reseller 1,,,\n"
    page = check(client_of(provisioner), "packages", text)
    assert counts(page) == [0, 0, 1, 0]
    assert page.context["apply_label"] == "" and "Nothing to import, close" in page.content.decode()


# --- history ----------------------------------------------------------------------------------------


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


def test_applying_the_same_check_twice_writes_nothing(world, clerk):
    browser = client_of(clerk)
    signed = check(browser, "operators", "Name,Reseller\nOliver,Reseller 1\n").context["signed"]
    apply(browser, "operators", signed)
    before = OperatorHistory.objects.count(), Change.objects.count()
    page = apply(browser, "operators", signed)
    assert page.status_code == 409 and counts(page) == [0, 0, 1, 0]
    assert "The data has changed since you checked the file, so nothing was written." in page.content.decode()
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before


# --- all or nothing ---------------------------------------------------------------------------------


def test_one_refused_row_stops_the_import(world, clerk):
    page = check(
        client_of(clerk), "operators", "Name,Reseller,Hold days\nOliver,Reseller 1,1\nOlga,Reseller 1,x\n"
    )
    assert page.status_code == 200 and counts(page) == [1, 0, 0, 1]
    assert page.context["apply_label"] == page.context["signed"] == ""
    html = page.content.decode()
    assert "1 row is refused, so nothing can be imported" in html and 'name="signed"' not in html
    assert not Operator.objects.filter(name="Oliver").exists()


def test_only_the_first_refusals_are_shown(world, clerk):
    text = "Name,Reseller\n" + "".join(f"Op {n},Nobody\n" for n in range(150))
    page = check(client_of(clerk), "operators", text)
    assert counts(page) == [0, 0, 0, 150] and len(refusals(page)) == 100
    assert "The first 100 are shown; the next check shows the others." in page.content.decode()


# --- headers ----------------------------------------------------------------------------------------


def test_unknown_and_export_only_columns_are_listed_as_ignored(world, provisioner):
    text = "Name,Colour,Reseller,Closed at,Name\nRose Orig,red,Reseller 1,2026-01-01,other\n"
    page = check(client_of(provisioner), "clients", text)
    assert counts(page) == [0, 0, 1, 0]
    assert "Ignored columns: Colour, Closed at, Name." in page.content.decode()


# --- invalid files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n\n \n", "The file is empty."),
        (b"Colour,Reseller\nred,Reseller 1\n", "No column holds the name of the operator."),
        (b"Name,Reseller\n", "The file has a header but no rows."),
        (b"%PDF-1.4 something", "The file is a PDF document"),
        (b"Name\n" + bytes(range(1, 9)) * 50, "The file is not text."),
        (b"Name\n" + b"Op\n" * (LIMIT + 1), f"The file has more than {LIMIT:,} rows"),
        (b"Name\n" + b"x" * MAX_BYTES, "The file is larger than 5 MB."),
    ],
)
def test_an_unreadable_file_is_an_error_of_the_field(world, clerk, data, sentence):
    page = check(client_of(clerk), "operators", data)
    assert page.status_code == 422
    assert sentence in " ".join(page.context["form"].errors["file"])


def test_a_file_is_required(world, clerk):
    page = client_of(clerk).post("/operators/import/")
    assert page.status_code == 422 and "Choose a file to import." in page.content.decode()


@pytest.mark.parametrize(
    "choices",
    [{"encoding": "utf-16-le"}, {"encoding": "nonsense"}, {"delimiter": "pipe"}, {"delimiter": "x"}],
)
def test_an_invalid_encoding_or_delimiter_is_an_error_of_the_form(world, clerk, choices):
    page = check(client_of(clerk), "operators", "Name,Reseller\nOliver,Reseller 1\n", **choices)
    assert page.status_code == 422 and page.context["form"].errors


def test_encoding_and_delimiter_are_detected(world, clerk):
    text = "Name;Reseller;Hold days\nSociété générale;Reseller 1;5\n"
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        page = check(client_of(clerk), "operators", text.encode(encoding))
        assert [step.name for step in page.context["row_changes"]] == ["Société générale"], encoding


def test_the_largest_file_is_imported_with_a_few_queries(world, clerk, django_assert_max_num_queries):
    text = "Name,Reseller,Hold days\n" + "".join(f"Op {n},Reseller 1,{n % 300}\n" for n in range(LIMIT))
    browser = client_of(clerk)
    with django_assert_max_num_queries(60):
        page = check(browser, "operators", text)
    assert counts(page) == [LIMIT, 0, 0, 0]
    with django_assert_max_num_queries(70):
        apply(browser, "operators", page.context["signed"])
    assert Operator.objects.filter(name__startswith="Op ").count() == LIMIT


# --- between check and import -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signed: signed[:-1] + ("A" if signed[-1] != "A" else "B"),
        lambda signed: "x" + signed,
        lambda _: "",
        lambda _: "a:b:c",
    ],
)
def test_altered_rows_are_refused(world, clerk, spoil):
    browser = client_of(clerk)
    signed = check(browser, "operators", TEXT).context["signed"]
    landed = apply(browser, "operators", spoil(signed))
    assert landed.redirect_chain == [("/operators/import/", 302)]
    assert messages(landed)[0].startswith("These rows are not the ones that were checked")
    assert Operator.objects.count() == 2


def test_signed_rows_are_bound_to_their_user_and_table(world, clerk, provisioner):
    signed = check(client_of(provisioner), "operators", TEXT).context["signed"]
    for browser, table in ((client_of(clerk), "operators"), (client_of(provisioner), "clients")):
        landed = apply(browser, table, signed)
        assert messages(landed)[0].startswith("These rows are not the ones that were checked")
    assert (Operator.objects.count(), Client.objects.count()) == (2, 1)


def test_a_change_since_the_check_is_shown_and_nothing_is_written(world, clerk):
    browser = client_of(clerk)
    signed = check(browser, "operators", TEXT).context["signed"]
    Operator.objects.filter(pk=world.operator.pk).update(hold_days=8)
    page = apply(browser, "operators", signed)
    assert page.status_code == 409 and counts(page) == [1, 1, 0, 0]
    assert page.context["row_changes"][1].changes == [("Hold days", 8, 9)]
    assert not Operator.objects.filter(name="Oliver").exists()
    landed = apply(browser, "operators", page.context["signed"])
    assert messages(landed) == ["1 operator created, 1 updated, 0 unchanged."]


def test_a_row_that_became_invalid_since_the_check_is_refused(world, clerk):
    browser = client_of(clerk)
    signed = check(browser, "operators", TEXT).context["signed"]
    Reseller.objects.filter(pk=world.reseller.pk).update(name="Renamed")
    page = apply(browser, "operators", signed)
    assert page.status_code == 409 and counts(page) == [0, 0, 0, 2]
    assert page.context["signed"] == "" and Operator.objects.count() == 2


def test_a_permission_removed_since_the_check_is_respected(world, clerk):
    browser = client_of(clerk)
    signed = check(browser, "operators", TEXT).context["signed"]
    clerk.groups.clear()
    assert apply(browser, "operators", signed).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_the_second_of_two_concurrent_imports_of_a_name_is_refused(world, clerk):
    browser = client_of(clerk)
    signed = check(browser, "operators", TEXT).context["signed"]
    started = threading.Event()

    def write_first():
        with transaction.atomic():
            Operator.objects.create(reseller=world.reseller, name="Oliver", hold_days=1)
            started.set()
            wait_for_a_writer()
        connections.close_all()

    other = threading.Thread(target=write_first)
    other.start()
    assert started.wait(timeout=30)
    page = apply(browser, "operators", signed)
    other.join(timeout=60)
    # PostgreSQL rejects the second name; SQLite starts the second transaction only after the first.
    texts = messages(page) or [page.content.decode()]
    assert any(
        "Someone else changed the same" in text or "The data has changed since" in text for text in texts
    )
    assert Operator.objects.get(name="Oliver").hold_days == 1
    world.operator.refresh_from_db()
    assert world.operator.hold_days is None, "nothing is written"


def wait_for_a_writer():
    """Wait until another connection waits for a lock of this one; SQLite offers no way to find out."""
    if connection.vendor != "postgresql":
        return
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    with connection.cursor() as cursor:
        for _ in range(100_000):
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return


# --- permissions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_a_viewer_may_export_but_not_import(world, viewer, table):
    browser = client_of(viewer)
    assert browser.get(f"/{table}/import/").status_code == 403
    assert check(browser, table, "Name\nx\n").status_code == 403
    assert browser.get(f"/{table}/export/").status_code == 200


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(world, supervisor, table, method):
    assert getattr(client_of(supervisor), method)(f"/{table}/import/").status_code == 405
    assert getattr(client_of(supervisor), method)(f"/{table}/export/").status_code == 405


def test_the_page_links_the_tables_that_the_user_may_import(world, clerk, provisioner):
    page = client_of(clerk).get("/operators/import/").content.decode()
    assert "/clients/import/" not in page and "/operators/export/" in page
    page = client_of(provisioner).get("/packages/import/").content.decode()
    assert all(f'href="/{table}/import/"' in page for table in TABLES)


def test_the_list_of_operators_shows_the_permitted_buttons(world, viewer, clerk):
    page = client_of(viewer).get("/operators/").content.decode()
    assert "/operators/import/" not in page and "/operators/export/" in page
    page = client_of(clerk).get("/operators/?name=DID").content.decode()
    assert "/operators/import/" in page and "/operators/export/?name=DID&amp;format=xlsx" in page
    assert "/operators/export/" not in client_of(clerk).get("/operators/?reseller=0").content.decode()


SECRETS = ["Rose Orig", "rose_orig", "Basic", "DID Operator<", "“DID Operator”", "Reseller 1<"]


@pytest.mark.parametrize("table", TABLES)
def test_a_stranger_learns_nothing_about_another_reseller(world, stranger, table):
    browser = client_of(stranger)
    assert len(rows_of(export(browser, table))) == (2 if table == "operators" else 1)
    assert sheet_of(export(browser, table, "?format=xlsx")).max_row == (2 if table == "operators" else 1)
    hidden = MODELS[table].objects.order_by("pk").first()
    for text in (f"ID,Name,Client\n{hidden.pk},Mine,Nobody\n", "Name,Client\nMine,Nobody\n"):
        html = check(browser, table, text).content.decode()
        assert [secret for secret in SECRETS if secret in html] == []


def test_a_user_bound_to_a_reseller_imports_only_into_it(world, owner, stranger):
    page = check(client_of(stranger), "operators", "Name,Reseller\nOliver,Reseller 1\n")
    assert refusals(page) == [
        (
            2,
            "Reseller",
            "Reseller 1",
            "You work for Reseller 2 and can’t see a reseller with this name. Remove the column.",
        )
    ]
    # Names of another reseller are free, and its IDs are unknown.
    text = f"ID,Name\n{world.operator.pk},Oliver\n,DID Operator\n"
    landed = load(client_of(stranger), "operators", text)
    assert messages(landed) == ["2 operators created, 0 updated, 0 unchanged."]
    assert set(Operator.objects.filter(reseller=world.reseller_2).values_list("name", flat=True)) == {
        "DID Operator",
        "DID Operator 2",
        "Oliver",
    }
    assert client_of(owner).get("/operators/?name=Oliver").context["listing"].rows == []
    (refusal,) = refusals(check(client_of(stranger), "accounts", "Name,Client\nx,Rose Orig\n"))
    assert refusal[3].startswith("There is no client with this name.")


# --- export -----------------------------------------------------------------------------------------


def sheet_of(data):
    return load_workbook(io.BytesIO(data)).active


def test_each_table_has_its_columns(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(hold_days=0)
    Client.objects.update(closed_at="2026-11-03T14:05:00Z")
    Package.objects.update(allowed_tags="gold, vip", allowed_classes="bronze, silver")
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
        [
            "ID",
            "Name",
            "Reseller",
            "DID limit",
            "Allowed tags",
            "Allowed classes",
            "Hold days",
            "Archived at",
        ],
        [ids["package"], "Basic", "Reseller 1", "5", "gold, vip", "bronze, silver", "", ""],
    ]


def test_times_are_in_the_time_zone_of_the_user(world):
    Client.objects.update(closed_at="2026-11-03T14:05:00Z")
    viewer = member("Viewer", time_zone="Asia/Tokyo")
    assert rows_of(export(client_of(viewer), "clients"))[1][3] == "2026-11-03 23:05:00+09:00"


def test_the_export_of_operators_uses_the_filter_and_names_it_in_the_file_name(world, viewer):
    browser = client_of(viewer)
    answer = browser.get(f"/operators/export/?reseller={world.reseller_2.pk}&sort=-name")
    assert [row[1] for row in rows_of(answer.getvalue())] == ["Name", "DID Operator 2"]
    assert 'attachment; filename="operators_reseller-reseller-2_20' in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Disposition"].endswith('.csv"')


@pytest.mark.parametrize("query", ["reseller=0", "reseller=x", "sort=nothing"])
def test_an_invalid_filter_exports_nothing_and_redirects_to_the_list(world, viewer, query):
    answer = client_of(viewer).get(f"/operators/export/?{query}")
    assert (answer.status_code, answer.url) == (302, f"/operators/?{query}")


def test_an_unknown_format_is_refused(world, viewer, provisioner):
    landed = client_of(viewer).get("/operators/export/?format=ods", follow=True)
    assert landed.redirect_chain == [("/operators/", 302)]
    assert messages(landed) == ["There is no export format “ods”. Choose csv or xlsx."]
    assert client_of(provisioner).get("/clients/export/?format=ods").url == "/clients/"
    assert client_of(provisioner).get("/accounts/export/?format=ods").url == "/accounts/import/"
    assert client_of(viewer).get("/accounts/export/?format=ods").url == "/"


def test_formulas_are_escaped_in_both_formats(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(name="=1+1")
    browser = client_of(viewer)
    assert b"'=1+1" in export(browser, "operators")
    cell = sheet_of(export(browser, "operators", "?format=xlsx"))["B2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_a_workbook_has_text_cells_and_a_frozen_header(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(name="#N/A", hold_days=7)
    Operator.objects.filter(pk=world.operator_2.pk).update(name="0042")
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
        [str(world.operator_2.pk), "0042", "Reseller 2", None, "1"],
    ]
    assert [sheet["B2"].data_type, sheet["B3"].data_type] == ["s", "s"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_the_queries_of_an_export_do_not_depend_on_its_rows(
    world, viewer, table, file_format, django_assert_max_num_queries
):
    clients = Client.objects.bulk_create(Client(reseller=world.reseller, name=f"C{n}") for n in range(120))
    Account.objects.bulk_create(Account(client=client, name="main") for client in clients)
    Operator.objects.bulk_create(Operator(reseller=world.reseller, name=f"O{n}") for n in range(120))
    browser = client_of(viewer)
    with django_assert_max_num_queries(8):
        export(browser, table, f"?format={file_format}")


# --- round trips ------------------------------------------------------------------------------------


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
    # The IDs belong to rows of other resellers, so clients are created and none is renamed.
    page = check(browser, "clients", files["clients"])
    assert refusals(page)[0][1] == "ID"
    for table, data in files.items():
        text = "\n".join(line.partition(",")[2] for line in data.decode().splitlines())
        landed = load(browser, table, text)
        assert messages(landed) == [f"1 {table[:-1]} created, 0 updated, 0 unchanged."]
    assert Account.objects.filter(client__reseller__name="Reseller 1").get().name == "rose_orig"
    assert ClientHistory.objects.filter(name="Rose Orig", event="+").count() == 2


CHARACTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS | st.sampled_from(string.punctuation + " a1"), min_size=1, max_size=100)


@settings(max_examples=scaled(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES.map(clean_name).filter(bool), min_size=1, max_size=8, unique=True))
def test_any_names_are_imported_back_as_unchanged(world, provisioner, names):
    browser = client_of(provisioner)
    operators = Operator.objects.bulk_create(Operator(reseller=world.reseller, name=name) for name in names)
    try:
        page = check(browser, "operators", export(browser, "operators"))
        assert page.status_code == 200, page.context["form"].errors
        assert (counts(page), page.context["refusals"]) == ([0, 0, len(names) + 2, 0], [])
    finally:
        Operator.objects.filter(pk__in=[one.pk for one in operators]).delete()
