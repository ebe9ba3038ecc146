"""The words by which people and other systems name the columns of a list of numbers. Uses no ORM."""

import re
import unicodedata
from functools import lru_cache

from dids.imports.synonyms import PROPOSED

LABELS = {  # on screens and in files, in the order of the export
    "id": "ID",
    "status": "Status",
    "operator": "Operator",
    "number": "DID",
    "tags": "Tag",
    "notes": "Notes",
    "client": "Client",
    "account": "Account",
    "package": "Package",
    "after_hold": "After Hold",
    "hold_days": "Hold days",
    "reseller": "Reseller",
    "range_end": "Range end",
    "range_size": "Range size",
    "part": "Digits in front",
}
RANGE_START = "range_start"  # names a number that begins a range; not a key of a column
LONGEST = 100  # characters of a header that are compared
REASON = "Refused because"  # the column added to a file of refused rows

OWN, USUAL, WEAK, LOOSE = 4, 3, 2, 1  # how well a name fits a field, best first

_COUNTRY_CODES = (
    "country code; country prefix; country dial code; cc; dial code; dialing code; dialling code;"
    " calling code; landesvorwahl; ländervorwahl; laendervorwahl; indicatif pays; code pays; codigo de pais;"
    " codigo pais; codigo do pais; ddi; код страны; код країни"
)
# Spelling is compared without case, accents, blanks and punctuation. After the English words come German,
# French, Spanish, Portuguese, Russian and Ukrainian ones.
_USUAL = {
    "id": "did id",
    "status": (
        "did status; number status; current status; line status; statut; estatus; situacao; статус;"
        " статус номера; статус номеру"
    ),
    "operator": (
        "operator name; provider; provider name; did provider; carrier; carrier name; vendor; vendor name;"
        " supplier; network operator; telco; anbieter; netzbetreiber; betreiber; lieferant; operateur;"
        " fournisseur; operador; operadora; proveedor; fornecedor; provedor; prestadora; оператор;"
        " оператор связи; провайдер; поставщик; оператор зв'язку; постачальник"
    ),
    "number": (
        "dids; did(s); did number; did no; ddi; ddis; ddi number; sda; numero sda; numero did; tn; tns; dn;"
        " directory number; e164; e164 number; msisdn; rufnummer; rufnummern; durchwahlnummer"
    ),
    RANGE_START: (
        "from; from number; number from; did from; range from; range start; range begin; start; start number;"
        " starting number; number start; number range start; first; first number; first did;"
        " first directory number; block start; begin; begin number; von; rufnummer von; von rufnummer;"
        " erste rufnummer; anfang; beginn; startnummer; de; du; debut; numero debut; premier numero; desde;"
        " inicio; numero inicial; primer numero; primeiro numero; от; с; начало; номер от; первый номер;"
        " від; з; початок; номер від; перший номер"
    ),
    "range_end": (
        "to number; number to; did to; range to; end number; ending number; number end; number range end;"
        " last number; last did; last directory number; block end; rufnummer bis; bis rufnummer;"
        " letzte rufnummer; endnummer; numero fin; numero fim; dernier numero; numero final; ultimo numero;"
        " номер до; последний номер; останній номер"
    ),
    "range_size": (
        "block size; range length; numbers in range; number of numbers; blockgröße; anzahl rufnummern;"
        " taille du bloc; tamaño del bloque; tamanho do bloco; емкость; ємність"
    ),
    "part": (
        f"{_COUNTRY_CODES}; area code; city code; npa; nxx; ndc; std code; vorwahl; ortsvorwahl;"
        " ortsnetzkennzahl; kopfnummer; stammnummer; indicatif; codigo de area; codigo area; prefijo;"
        " indicativo; ddd; код города; код зоны; код def; авс def; abc def; авс; def; код міста; код зони"
    ),
    "tags": (
        "tags; label; labels; group; category; schlagwort; schlagworte; schlagwörter; kennzeichen; gruppe;"
        " kategorie; etiquette; etiquettes; groupe; categorie; etiqueta; etiquetas; grupo; categoria;"
        " marcador; тег; теги; метка; метки; группа; категория; мітка; мітки; група; категорія"
    ),
    "notes": (
        "note; comment; comments; description; remark; remarks; info; memo; bemerkung; bemerkungen; notiz;"
        " notizen; anmerkung; kommentar; beschreibung; hinweis; remarque; remarques; commentaire;"
        " commentaires; nota; notas; comentario; comentarios; observacion; observaciones; descripcion;"
        " observacao; observacoes; descricao; obs; примечание; примечания; комментарий; описание;"
        " заметка; заметки; примітка; примітки; коментар; опис; нотатки"
    ),
    "client": (
        "client name; customer; customer name; subscriber; company; company name; kunde; kundenname; firma;"
        " nom du client; societe; entreprise; abonne; cliente; nombre del cliente; nombre cliente; empresa;"
        " nome do cliente; abonado; assinante; клиент; абонент; заказчик; компания; клієнт; замовник;"
        " компанія"
    ),
    "account": (
        "account name; login; trunk; trunk name; sip account; sip trunk; sip user; username; konto;"
        " kontoname; compte; compte sip; cuenta; cuenta sip; conta; conta sip; аккаунт; учетная запись;"
        " лицевой счет; логин; транк; акаунт; обліковий запис; особовий рахунок; логін"
    ),
    "package": (
        "package name; plan; tariff; product; offer; paket; tarif; produkt; forfait; offre; paquete; tarifa;"
        " pacote; plano; пакет; тариф; тарифный план; тарифний план"
    ),
    "after_hold": "status after hold; after hold status",
    "hold_days": (
        "hold; days of hold; hold period; quarantine days; haltetage; karenztage; jours de retention;"
        " dias de retencion; dias de cuarentena; dias de quarentena; дней удержания; дней карантина;"
        " днів утримання; днів карантину"
    ),
    "reseller": (
        "reseller name; branch; tenant; partner; wiederverkäufer; mandant; revendeur; revendedor; sucursal;"
        " filial; реселлер; партнер; филиал; філія"
    ),
}
# These name a field only if its content agrees.
_WEAK = {
    "status": "state; line state; number state; did state; zustand; etat; estado; состояние; стан",
    "operator": "network; netz; reseau; сеть; мережа",
    "number": (
        "phone number; phone numbers; telephone number; telephone numbers; full number; inbound number;"
        " telefonnummer; telefonnummern; numero de telephone; numero telephone; numero d'appel;"
        " numero de telefono; numero telefono; numero telefonico; numero de telefone; numero telefone;"
        " номер телефона; телефонный номер; номер абонента; номер телефону; телефонний номер;"
        " абонентський номер; number; numbers; phone; phone no; telephone; telephone no; tel; tel no;"
        " caller id; cli; ani; dnis; line; line number; subscriber number; nummer; telefon; numero; numeros;"
        " telefono; telefone; номер; номера; телефон"
    ),
    RANGE_START: (
        "range; number range; number block; block; rufnummernblock; rufnummernbereich; nummernblock; plage;"
        " tranche; rango; faixa; диапазон; діапазон"
    ),
    "range_end": "to; end; last; bis; ende; a; au; fin; fim; hasta; final; ate; до; по; конец; кінець",
    "range_size": (
        "quantity; qty; count; size; anzahl; menge; quantite; nombre; cantidad; quantidade; количество;"
        " кол-во; кількість"
    ),
    "part": "prefix; code; area; exchange; prefixe; prefixo; код; префикс; префікс",
}
# A column of digits with one of these words in its name is no DID; longer ones may be the start of a word.
_NOT_NUMBERS = (
    "order; invoice; account; customer; client; contact; ticket; contract; serial; batch; date; time;"
    " timestamp; created; updated; expir; price; cost; fee; amount; rate; zip; postal; postcode; lata; vat;"
    " tax; reference; count; quantity; capacity; channel; extension; fax; forward; destination; callback;"
    " emergency; imei; imsi; iccid; sim; id; sid; uuid; pin; ocn; auftrag; bestell; rechnung; vertrag;"
    " kunden; datum; preis; postleitzahl; plz; commande; facture; contrat; prix; pedido; factura; contrato;"
    " cliente; fecha; precio; fatura; preco; заказ; договор; клиент; счет; дата; цена; индекс; індекс;"
    " замовл; договір; клієнт; рахунок; ціна"
)


def compact(text):
    """Return a name without differences of case, accents, blanks and punctuation."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST].casefold())
    return "".join(char for char in plain if char.isalnum())


def _split(text):
    return [word for word in map(compact, text.split(";")) if word]


def _known():
    """Return {compact name: {key: how well it fits}}, the best first."""
    known = {}
    for fit, words in ((OWN, LABELS), (USUAL, _USUAL), (WEAK, _WEAK)):
        for key, text in words.items():
            for word in _split(text):
                known.setdefault(word, {}).setdefault(key, fit)
    return known


_KNOWN = _known()
_NO_NUMBER = _split(_NOT_NUMBERS)
_COUNTRIES = set(_split(_COUNTRY_CODES))
_WORD = re.compile(r"[^\W\d_]+")
_PARTICLES = {"de", "du", "a", "of", "the"}  # ends of ranges only where they stand alone
_CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])")


@lru_cache(1_000)
def meanings(header):
    """Return the fields that a header may name: {key or RANGE_START: fit}, the best first.

    Words that together name the end of a range ("DID Start", "lastPhoneNumber") are found one by one. A
    header of several names ("Rufnummer / Phone number", "Number (E.164)") fits LOOSE.
    """
    if found := _KNOWN.get(compact(header)):
        return found
    header = header[:LONGEST]
    if end := _end_of_range(_words(header)):
        return {end: USUAL}
    parts = [_KNOWN.get(compact(part), {}) for part in re.split(r"[()\[\]/|\n,;:*]", header)]
    return {key: LOOSE for part in parts for key in part}


def _words(header):
    return [compact(word) for word in _WORD.findall(_CAMEL.sub(" ", header))]


def _end_of_range(words):
    """Return RANGE_START or "range_end" if each of the words names a number or that end of a range."""
    known = [_KNOWN.get(word, {}) for word in words if word not in _PARTICLES]
    ends = {key for names in known for key in (RANGE_START, "range_end") if key in names}
    numbers = [names for names in known if "number" in names]
    if len(ends) == 1 and numbers and all(names.keys() & {*ends, "number"} for names in known):
        return ends.pop()
    return None


def key_of(header):
    """Return the key that a header names for certain, None if there is none."""
    key, fit = next(iter(meanings(header).items()), (None, 0))
    return None if fit < USUAL else "number" if key == RANGE_START else key


def is_no_number(header):
    """Whether a header says that its column holds other digits than DIDs, such as order numbers."""
    return any(
        word == other or (len(other) > 3 and word.startswith(other))
        for word in _words(header[:LONGEST])
        for other in _NO_NUMBER
    )


def is_country_code(header):
    return compact(header) in _COUNTRIES


def is_reason(header):
    return compact(header) == compact(REASON)


# --- the values of a status ------------------------------------------------------------------------

# Besides those that ``synonyms`` proposes a status for.
_STATUS_WORDS = (
    "active; inactive; activated; deactivated; unavailable; reserved; blocked; ported; port in; port out;"
    " pending; discovery; released; inaktiv; actif; inactif; inactivo; inativo"
)
_STATUSES = {word for word in _split(f"{_STATUS_WORDS}; {'; '.join(PROPOSED)}") if len(word) > 3}


def is_status_word(text):
    """Whether a cell may be a status of any system; abbreviations may as well be states of a country."""
    return compact(text) in _STATUSES
