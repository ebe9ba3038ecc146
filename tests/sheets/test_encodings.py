"""Detecting the encoding of text files, also of files with lines in two encodings."""

import io

import pytest

from sheets import encoding_name, load, read

NAMES = {
    "french": ["Crédit Général", "Café Élysée", "Hélène Lefèvre", "Forêt & Fils", "Garçon Traiteur"],
    "german": ["Müller GmbH", "Büro Köln", "Straßenbau Jäger", "Schöne Grüße", "Übersee AG"],
    "spanish": ["Teléfono Móvil", "Señor Muñoz", "Compañía Española", "Peña y Núñez", "Dirección"],
    "portuguese": ["São Paulo", "Comunicações João", "Atenção", "Conceição Ltda", "Irmãos Guimarães"],
    "swedish": ["Göteborg Växel", "Malmö Förråd", "Åkeri Södra", "Björn Åström", "Kundtjänst"],
    "czech": ["Žižka s.r.o.", "Žluťoučký kůň", "Dvořák", "České Budějovice", "Růžena Nováková"],
    "polish": ["Łódź Sp. z o.o.", "Kraków Główny", "Wąsik", "Świętokrzyska", "Żabka"],
    "hungarian": ["Győr Kft.", "Székesfehérvár", "Tűzoltóság", "Nagykőrös", "Építő Zrt."],
    "russian": ["Ростелеком", "Москва офис", "Иванов и сыновья", "Горячая линия", "Бухгалтерия"],
    "ukrainian": ["Київстар", "Львів офіс", "Їжак і Ко", "Гаряча лінія", "Євген Шевченко"],
    "greek": ["Αθήνα Γραφείο", "Θεσσαλονίκη", "Παπαδόπουλος", "Τηλέφωνο", "Λογιστήριο"],
    "turkish": ["İstanbul Şubesi", "Güneş İletişim", "Çağrı Merkezi", "Yıldız Ltd. Şti.", "Ömer Işık"],
    "lithuanian": ["Šiauliai", "Žalgirio įmonė", "Kauno ąžuolas", "Ryšių tarnyba", "Vilniaus ėjimas"],
    "hebrew": ["תל אביב", "שירות לקוחות", "חברת תקשורת", "משרד ראשי", "ירושלים"],
    "arabic": ["مكتب دبي", "خدمة العملاء", "شركة الاتصالات", "القاهرة", "المبيعات"],
    "japanese": ["東京本社", "株式会社テレコム", "営業部", "カスタマーサポート", "大阪支店"],
    "chinese": ["北京办公室", "中国电信", "客户服务", "上海分公司", "财务部"],
    "taiwanese": ["台北辦公室", "中華電信", "客戶服務", "高雄分公司", "財務部"],
    "korean": ["서울 사무소", "한국통신", "고객 센터", "부산 지점", "영업부"],
}
ENCODED = """
utf-8 french, utf-8 japanese, utf-8-sig german, utf-16 russian, utf-16-le french, utf-16-be polish,
cp1252 french, cp1252 german, cp1252 spanish, cp1252 portuguese, cp1252 swedish, latin-1 spanish,
iso8859-15 french, cp1250 czech, cp1250 polish, cp1250 hungarian, iso8859-2 czech, iso8859-2 polish,
cp1251 russian, cp1251 ukrainian, koi8-r russian, koi8-u ukrainian, cp866 russian, iso8859-5 russian,
mac-cyrillic russian, cp1253 greek, iso8859-7 greek, cp1254 turkish, cp1257 lithuanian, cp1255 hebrew,
cp1256 arabic, cp437 german, cp850 french, cp850 portuguese, cp852 polish, cp852 czech, mac-roman german,
shift_jis japanese, euc_jp japanese, iso2022_jp japanese, gb18030 chinese, big5 taiwanese, euc_kr korean
"""


def cells_of(content):
    with load(io.BytesIO(content)) as loaded:
        return [row.cells for row in read(loaded.file, loaded.format)], loaded


@pytest.mark.parametrize("case", [case.strip() for case in ENCODED.split(",")])
def test_names_in_many_languages_and_encodings_are_read(case):
    encoding, language = case.split()
    table = [["DID", "Client"], *([f"44207123000{i}", name] for i, name in enumerate(NAMES[language]))]
    found, _ = cells_of("".join(",".join(row) + "\r\n" for row in table).encode(encoding))
    assert found == table


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Zürich", "cp1252"), ("José Muñoz", "cp1252"), ("Łódź", "iso8859-2"), ("Москва", "cp866")],
)
def test_a_single_name_can_decide_the_encoding(name, encoding):
    assert cells_of(f"442071230001,{name}\n".encode(encoding))[0] == [["442071230001", name]]


# --- two encodings ----------------------------------------------------------------------------------


def test_lines_in_utf_8_are_read_as_such_among_others():
    content = b"4420,Z\xc3\xbcrich\r\n4421,Z\xfcrich\r4422,Gen\xe8ve\n4423,plain\n4424,B\xc3\xa2le"
    found, loaded = cells_of(content)
    assert [name for _, name in found] == ["Zürich", "Zürich", "Genève", "plain", "Bâle"]
    assert loaded.notes == ["2 lines are read as Western European (Windows-1252), the others as UTF-8."]


def test_one_line_in_utf_8_is_found_among_many_others():
    lines = [f"44207{i:06},Příbram Žižka\n".encode("cp1250") for i in range(50_000)]
    lines[40_000] = "4420,Dvořák\n".encode()
    found, loaded = cells_of(b"".join(lines))
    assert found[40_000] == ["4420", "Dvořák"]
    assert found[-1][1] == "Příbram Žižka"
    assert loaded.notes == ["49,999 lines are read as Central European (Windows-1250), the others as UTF-8."]


def test_a_line_that_is_valid_utf_8_by_accident_keeps_the_encoding_of_the_file():
    lines = [f"4420{i},{name}\n" for i, name in enumerate([*NAMES["russian"] * 20, "юго"])]
    content = "".join(lines).encode("cp866")
    assert content.splitlines()[-1].decode()  # valid
    found, loaded = cells_of(content)
    assert found[-1][1] == "юго"
    assert loaded.notes == []


def test_a_line_of_utf_8_with_a_damaged_character_is_flagged():
    content = "4420,Łódź\n4421,Łódź Žižk".encode() + b"\xc5\n4422,caf\xe9\n"
    with load(io.BytesIO(content)) as loaded:
        rows = list(read(loaded.file, loaded.format))
    assert [row.problem and row.problem.code for row in rows] == [None, "damaged", None]
    assert rows[1].cells == ["4421", "Łódź Žižk\ufffd"]


def test_a_mixture_can_be_read_in_one_chosen_encoding():
    content = b"4420,Z\xc3\xbcrich\n4421,Z\xfcrich\n"
    with load(io.BytesIO(content), encoding="utf-8") as loaded:
        assert [bool(row.problem) for row in read(loaded.file, loaded.format)] == [False, True]
    with load(io.BytesIO(content), encoding="utf-8+cp1250") as loaded:
        assert [row.cells[1] for row in read(loaded.file, loaded.format)] == ["Zürich", "Zürich"]


def test_a_mixture_is_named_by_both_encodings():
    assert encoding_name("utf-8+cp1252") == "Unicode (UTF-8), other lines Western European (Windows-1252)"
    assert encoding_name("utf-32-le") == "utf-32-le"
