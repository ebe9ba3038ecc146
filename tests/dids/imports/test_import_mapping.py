"""Guessing the columns of a file from its header and its content."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as hypothesis

from dids.imports.mapping import CERTAIN, CHECK, LIKELY, Question, find_header, guess


def guessed(text, delimiter=","):
    rows = list(csv.reader(text.strip().splitlines(), delimiter=delimiter))
    return guess(rows, max(map(len, rows)))


def keys(text, delimiter=","):
    return guessed(text, delimiter).keys


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["DID", "did", "Phone-Number", "phone_number", " MSISDN ", "E.164", "telephoneNumber", "DID(s)"]
)
def test_headers_are_compared_without_case_punctuation_and_blanks(header):
    found = guessed(f"{header},Notes\n441632960100,y")
    assert (found.keys, found.header) == (["number", "notes"], 0)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Rufnummer;Anbieter;Bemerkung;Schlagwort;Kunde", "number operator notes tags client"),
        ("Numéro de téléphone;Opérateur;Remarques;Étiquette;Société", "number operator notes tags client"),
        ("Número de teléfono;Operador;Observaciones;Etiqueta;Cliente", "number operator notes tags client"),
        ("Número de telefone;Operadora;Observações;Etiqueta;Assinante", "number operator notes tags client"),
        ("Номер телефона;Оператор связи;Примечание;Метка;Клиент", "number operator notes tags client"),
        ("Номер телефону;Оператор зв'язку;Примітка;Мітка;Клієнт", "number operator notes tags client"),
    ],
)
def test_the_usual_words_of_seven_languages_are_known(header, expected):
    assert keys(f"{header}\n+441632960100;Colt;x;y;z", ";") == expected.split()


def test_a_header_of_two_names_is_read_by_its_parts():
    found = guessed("Rufnummer / Phone number,Anbieter (carrier)\n+49 30 23125100,Colt")
    assert found.keys == ["number", "operator"]
    assert found.certainty == [LIKELY, LIKELY]


def test_our_own_names_come_before_those_of_others():
    assert keys("Phone,DID,Comment,Notes\n441632960100,441632960200,x,y") == ["", "number", "", "notes"]


# --- the header ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["DID"], ["100"]], 0),
        ([["DID", ""], ["100", ""]], 0),
        ([["DID", "x"], ["100", "y"]], 0),  # one known name
        ([["Kennung", "Ort"], ["441632960100", "Köln"]], 0),  # words over digits
        ([["Report of May"], [""], ["DID", "Notes"], ["100", "y"]], 2),
        ([["Nummern vom Mai", ""], ["Kennung", "Ort"], ["441632960100", "Köln"]], 1),
        ([["DID", "Notes"], ["DID", "Tag"]], 0),  # the first of equals
        ([["DID", "Notes"], ["DID", "Notes", "Tag"]], 1),
        ([["DID", "Refused because"], ["100", "No."]], 0),
        ([["H", "20260503", "ACME"], ["DID", "Notes", ""], ["441632960501", "a", ""]], 1),
        (
            [["Printed", "2026-05-03"], ["Contact", "+441632960999"], ["DID", "Notes"], ["441632960100", ""]],
            2,
        ),
        ([["441632960100", "active"], ["441632960101", "active"]], None),
        ([["DID", "2025", "2026"], ["441632960100", "1.20", "1.30"]], 0),
        ([["DID", "Notes"], ["---", "-----"], ["441632960100", "a"]], 0),
        ([["unknown", "Colt"], ["441632960100", "Colt"], ["441632960101", "Colt"]], None),
        ([["London", ""], ["From", "To"], ["441632960100", "441632960109"]], 1),
        ([["4420", "Op 1", "Tag"], ["4421", "Op 2", "c d"]], None),
        ([["100", "y"]], None),
        ([["DID", "Status"], ["441632960100", "free"], ["DID", "Status"], ["441632960101", "free"]], 0),
    ],
)
def test_the_header_is_the_row_unlike_the_rows_below(rows, header):
    assert find_header(rows) == header


def test_a_title_between_the_records_is_no_header():
    rows = [["441632960100", "a"], ["441632960101", "b"], ["Tag", ""], ["441632960102", "c"]]
    assert find_header(rows) is None


def test_the_header_may_stand_on_line_fifty():
    rows = [[f"Conditions of section {n}"] for n in range(49)] + [["Rufnummer", "Ort"]]
    assert find_header([*rows, ["441632960100", "Köln"]]) == 49


# --- which column is the number --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["1001", "a"], ["1002", "b"]], ["number", ""]),
        ([["a", "1001"], ["b", "1002"]], ["", "number"]),
        ([["1001"], ["7"]], ["number"]),
        ([["10"], ["7"]], [""]),  # more likely a count than a number
        ([["1001"], ["x"]], [""]),
        ([["100230", "+12025551700"], ["100231", "+12025551701"]], ["", "number"]),
        ([["2026-05-01", "2025551700"], ["2026-05-02", "2025551701"]], ["", "number"]),
        ([["20260501", "2025551700"], ["20260502", "2025551701"]], ["", "number"]),
        ([["1", "2025551700", "0"], ["2", "2025551701", "1"]], ["", "number", ""]),
        ([["12.50", "2025551700", "08:30"], ["12.50", "2025551701", "09:00"]], ["", "number", ""]),
        ([["192.168.10.101", "2025551700"], ["192.168.10.102", "2025551701"]], ["", "number"]),
        ([["2025551700", "+442071000101"], ["2025551701", "+442071000102"]], ["", "number"]),
        ([["01632 960100", "441632960100"], ["01632 960101", "441632960101"]], ["", "number"]),  # the same
    ],
)
def test_without_a_header_the_number_is_found_by_content(rows, expected):
    found = guess(rows, len(rows[0]))
    assert found.keys == expected
    assert found.header is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Order No,DN,Carrier\n100230,+12025551700,Colt\n100231,+12025551701,Colt", "-,number,operator"),
        ("Auftragsnummer,Kennung\n4480012345,4930231251\n4480012346,4930231252", "-,number"),
        ("Number,Phone\n1,2025551700\n2,2025551701\n3,2025551702", "-,number"),
        ("Activation date,DN\n2026-05-01,+12025551710\n2026-05-02,+12025551711", "-,number"),
        ("Expires,Ticket,TN\n20270101,7345550100,7345550126", "-,-,number"),
        ("Contact phone,DDI\n+447700900100,01632960100\n+447700900100,01632960101", "-,number"),
        ("Tag,Notes,Foo\nvip,x,1001", "tags,notes,number"),
        ("Hold days,Notes,Foo\n365,x,1001", "hold_days,notes,number"),
        ("Phone,Colour\nred,441632960100\nblue,441632960101", "-,number"),  # the name says otherwise
        ("DID,Operator\n2026-05-03,In-house\n1/5/2026,In-house\n442071000101,In-house", "number,operator"),
        ("Number,Provider\ntel:+12025550100,x\nsip:+12025550101@example.com,x", "number,operator"),
        ("Number,Colour\n442071234567.0,red\n442071234568.0,blue", "number,-"),  # damaged, so refused
        ('Number\n\'0044\n="0044"\n+442071234567', "number"),
        ("Number\n4420\n4421\n4422\nTotal: 3", "number"),
        ("Number,Colour\n1,red\n2,blue\n3,green", "-,-"),  # counts the rows
        ("DID\n441632961280-289\n441632970100-441632970109\n44163297000[0-9]", "number"),
    ],
)
def test_name_and_content_decide_which_column_is_the_number(text, expected):
    assert keys(text) == expected.replace("-", "").split(",")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1001,2001\n1002,2002", (0, 1)),
        ("2025551700,2025552700\n2025551701,2025552701", (0, 1)),
        ("Phone,Telephone\n2025551700,2025552700\n2025551701,2025552701", (0, 1)),
        ("Foo,Bar,Baz\n+442071000101,x,+442071000201\n+442071000102,y,+442071000202", (0, 2)),
        ("DID,Block start,Block end\n441632960003,441632960000,441632960009", (0, 1)),
        ("Number,Foo\n2025551700,+442071000101\n2025551701,+442071000102", (0, 1)),
    ],
)
def test_two_columns_that_could_be_the_number_are_asked_for(text, columns):
    found = guessed(text)
    assert found.questions == [Question("number", columns)]
    assert "number" not in found.keys
    assert [found.certainty[index] for index in columns] == [CHECK, CHECK]


@pytest.mark.parametrize(
    ("text", "certainty"),
    [
        ("DID\n441632960100\n441632960101", CERTAIN),
        ("DID", CERTAIN),
        ("441632960100\n441632960101", LIKELY),
        ("DID\n1001\n1002", LIKELY),
        ("1001\n1002", CHECK),
        ("DID\n2026-05-03\n2026-05-04", CHECK),
    ],
)
def test_the_guess_says_how_certain_it_is(text, certainty):
    found = guessed(text)
    assert (found.keys, found.certainty) == (["number"], [certainty])
    assert found.reason[0].endswith(".")


# --- ranges and parts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("StartingNumber,EndingNumber,City\n+12025551900,+12025551909,X", "number,range_end,-"),
        ("From,To,Qty\n441632960000,441632960009,10", "number,range_end,range_size"),
        ("First number,Last number\n00,49\n50,99", "-,-"),  # the last digits of numbers
        ("Phone,DID,Range end\n2025550100,441632960000,441632960009", "-,number,range_end"),
        ("DID Start,DID Finish\n441632960000,x", "number,-"),
        ("firstPhoneNumber,lastPhoneNumber\n441632960000,441632960009", "number,range_end"),
        ("SDA début,SDA fin\n0199001200,0199001299", "number,range_end"),
        ("DID,From,To\n441632960000,08,17", "number,-,-"),
        ("FirstDirectoryNumber,Block\n441632960000,x", "number,-"),
        ("Range,Size\n441632960000,10\n441632960100,10", "number,range_size"),
        ("Number range,Operator\n441632960000 - 441632960009,x", "number,operator"),
        ("Von,Bis,Anzahl\n441632960000,441632960009,10", "number,range_end,range_size"),
        ("Start number,Quantity\n441632960000,10\n441632960100,1", "number,range_size"),
        ("От,До,Емкость,Оператор\n73012110000,73012110009,10,x", "number,range_end,range_size,operator"),
        ("DID,Range end\n100,99", "number,range_end"),  # by its name; the row is refused
        ("From,To,Qty\n441632960000,441632960009,7", "number,range_end,-"),
        ("DID,From,To\n441632960000,2026-01-01,2026-12-31", "number,-,-"),
        ("DID,To\n441632960000,447700900100\n441632960001,447700900100", "number,-"),  # a destination
    ],
)
def test_ranges_in_two_columns_are_found(text, expected):
    assert keys(text) == expected.replace("-", "").split(",")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("DID,Quantity\n441632960000,10\n441632960100,1", Question("range_size", (1,))),
        ("DID,To\n441632960000,441632960009\n441632960100,441632960109", Question("range_end", (1,))),
        ("From,To\n+441632960000,+447700900100\n+441632960001,+447700900100", Question("number", (0, 1))),
    ],
)
def test_a_column_that_may_make_ranges_is_asked_for(text, question):
    found = guessed(text)
    assert found.questions == [question]
    assert question.key not in found.keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Country code,Area,Number\n44,1632,960601\n44,1632,960602", "part,part,number"),
        ("Ländervorwahl,Vorwahl,Rufnummer\n49,30,23125100\n49,30,23125101", "part,part,number"),
        ("NPA,NXX,Line\n202,555,0100\n202,555,0101", "part,part,number"),
        ("Kopfnummer,Von,Bis\n493023125,00,99\n493023126,00,99", "part,number,range_end"),
        ("Код,От,До\n301,2110000,2110009\n495,2110000,2110009", "part,number,range_end"),
        ("Operator,Prefix,Qty\nColt,442079460,100\nColt,442079461,100", "operator,-,-"),
        ("DDI,Início,Fim\n55,1140028900,1140028999", "part,number,range_end"),
        ("DDI,DDD,Telefone\n55,11,40028922\n55,11,40028923", "part,part,number"),
        ("АВС/ DEF,От,До\n301,2110000,2110009", "part,number,range_end"),
        ("Country code,Number\n+44,1632960601\n+44,1632960602", "part,number"),
        ("DDI;DDD;Celular;Número\n55;11;x;970280101".replace(";", ","), "part,part,-,number"),
        ("Country code,Area code,Number\n44,1632,1632960601", "part,-,number"),  # the area is in the number
        ("Country code,Area code,Number\n44,1632,441632960601", "-,-,number"),
        ("Country code,DID\n1,+12025551700", "-,number"),
        ("City code,DID\n20,442079460001\n20,442079460002", "-,number"),
        ("Code,DID\n12,2025550101\n12,2025550102", "-,number"),
        ("Indicatif,Numéro\n01,199001234\n01,199001235", "-,number"),
        ("Country code,DID\nUS,2025551700", "-,number"),
        ("Prefix,DID\nTollFree,2025551700", "-,number"),
    ],
)
def test_a_number_over_several_columns_is_joined(text, expected):
    assert keys(text) == expected.replace("-", "").split(",")


def test_a_zero_after_the_country_code_is_to_be_checked():
    found = guessed("Country code,Area code,Number\n44,01632,960601")
    assert found.keys == ["part", "part", "number"]
    assert found.certainty == [CHECK, CHECK, CHECK]


def test_parts_without_names_are_asked_for_and_never_left_out_of_the_number():
    found = guessed("44,1632,960601,x\n44,1632,960602,x\n44,1632,960603,x")
    assert found.keys == ["", "", "", ""]
    assert found.questions == [Question("number", (0, 1, 2))]


# --- the other fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TN,Rate Center,State\n7345550126,ANNARBOR,MI\n7345550129,ANNARBOR,MI", "number,-,-"),
        ("TN,State\n4165550126,ON\n4165550129,ON", "number,-"),  # Ontario
        ("Número de teléfono,Estado\n525555550100,Jalisco\n525555550101,Jalisco", "number,-"),
        ("DID,State\n7345550126,reserved\n7345550129,in use", "number,status"),
        ("DID,Status\n7345550126,frei\n7345550129,frei", "number,status"),
        ("DID,Status\n7345550126,\n7345550129,", "number,status"),
        ("DID,Status\n7345550126,2026-05-01\n7345550129,2026-05-02", "number,-"),
        ("DID,Hold\n7345550126,yes\n7345550129,no", "number,-"),
        ("DID,Hold\n7345550126,1\n7345550129,0", "number,-"),
        ("DID,Provider\n7345550126,12.50\n7345550129,12.50", "number,-"),
    ],
)
def test_a_name_counts_only_if_the_content_fits(text, expected):
    assert keys(text) == expected.replace("-", "").split(",")


@pytest.mark.parametrize("name", ["Account", "Trunk", "trunkName", "Login", "Package", "Plan"])
def test_accounts_and_packages_are_not_mapped_without_a_client(name):
    found = guessed(f"DID,{name}\n7345550126,a\n7345550129,b")
    assert found.keys == ["number", ""]
    assert "needs a Client column" in found.reason[1]
    assert keys(f"DID,{name},Customer\n7345550126,a,x")[1] in ("account", "package")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID,DID,Notes\n17,442071000101,x\n18,442071000102,y", "id,number,notes"),
        ("ID,Phone number\n17,442071000101\n18,442071000102", "-,number"),  # of another system
        ("ID,Notes\n17,x\n18,y", "id,notes"),
        (
            "ID,Phone,Tel\n17,2025550100,2025550200\n18,2025550101,2025550201",
            "-,-,-",
        ),  # the number is asked for
        ("ID,DID\n7f3c,442071000101\n9a1b,442071000102", "-,number"),
    ],
)
def test_an_id_is_mapped_only_if_it_may_be_ours(text, expected):
    assert keys(text) == expected.replace("-", "").split(",")


def test_a_left_out_column_says_why():
    found = guessed("DID,Notes,Comment,State\n7345550126,a,b,MI")
    assert found.reason[2] == "Column 2 is Notes already."
    assert found.reason[3] == "The cells do not look like Status."


def test_rows_of_different_length_and_odd_cells_are_guessed():
    rows = [["DID"], ["441632960100", "", "²", "x" * 100_000], [], ["1" * 100_000, "\x00"]]
    assert guess(rows, 4).keys[0] == "number"
    assert guess([], 2).keys == ["", ""]
    assert guess([[]], 0).keys == []


# --- any list --------------------------------------------------------------------------------------

OTHER_COLUMNS = {
    "dates": lambda n: f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}",
    "American dates": lambda n: f"{n % 12 + 1}/{n % 28 + 1}/2026",
    "compact dates": lambda n: f"2026{n % 12 + 1:02}{n % 28 + 1:02}",
    "date and time": lambda n: f"2026-05-{n % 28 + 1:02} 08:{n % 60:02}:00",
    "times": lambda n: f"{n % 24}:{n % 60:02}",
    "prices": lambda n: f"{n % 7}.{n % 100:02}",
    "prices with a sign": lambda n: f"${n % 900}.00",
    "order numbers": lambda n: str(100_230 + n),
    "counter": lambda n: str(n + 1),
    "flags": lambda n: str(n % 2),
    "post codes": lambda n: f"{90210 + n % 3}",
    "addresses": lambda n: f"10.20.30.{n % 250}",
    "ids": lambda n: f"PN{n * 7919:08x}",
    "words": lambda n: ("Hamburg", "Bremen", "Kiel")[n % 3],
    "blanks": lambda n: "",
}
NOTATIONS = [
    lambda n: f"+44 20 7946 {n:04}",
    lambda n: f"4420794{n:05}",
    lambda n: f"(202) 555-{n:04}",
    lambda n: f"0207946{n:04}",
    lambda n: f"tel:+120255{n:05}",
    lambda n: f"0049/30/23125{n:03}",
]


@given(data=hypothesis.data())
def test_no_other_column_is_ever_taken_for_the_number(data):
    first, count = data.draw(hypothesis.integers(0, 900)), data.draw(hypothesis.integers(2, 40))
    notation = data.draw(hypothesis.sampled_from(NOTATIONS))
    names = data.draw(hypothesis.lists(hypothesis.sampled_from(list(OTHER_COLUMNS)), max_size=5))
    at = data.draw(hypothesis.integers(0, len(names)))
    makers = [OTHER_COLUMNS[name] for name in names]
    makers.insert(at, notation)
    rows = [[make(n) for make in makers] for n in range(first, first + count)]
    if data.draw(hypothesis.booleans()):
        rows.insert(0, [f"Spalte {letter}" for letter in "abcdef"[: len(makers)]])
    found = guess(rows, len(makers))
    assert [index for index, key in enumerate(found.keys) if key == "number"] == [at]
