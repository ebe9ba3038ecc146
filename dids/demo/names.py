"""Names and number ranges of the demonstration data. Every company and person in it is fictitious.

The ranges begin with those that regulators reserve for films and continue into ordinary ones of the same
shape, because a large inventory needs more.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Numbers of ``prefix`` and ``digits`` digits, taken from ``first`` upwards, up to ``most`` at once."""

    prefix: str
    digits: int
    first: int
    tags: tuple[str, ...] = ()
    most: int = 1_000_000

    @property
    def toll_free(self):
        return "toll-free" in self.tags

    def numbers(self, low, size):
        """Yield ``size`` numbers from ``low`` on, ascending."""
        return (f"{self.prefix}{n:0{self.digits}}" for n in range(low, low + size))


PLANS = {
    "gb london": Plan("4420", 8, 79460000, ("geographic", "London")),
    "gb manchester": Plan("44161", 7, 4960000, ("geographic", "Manchester")),
    "gb belfast": Plan("4428", 8, 96496000, ("geographic", "Belfast")),
    "gb free": Plan("44808", 7, 1570000, ("toll-free",)),
    # An old switch that wants them as they are dialled at home.
    "gb national": Plan("0161", 7, 4961000, ("geographic", "national format"), 60),
    "us new york": Plan("1212", 7, 5550100, ("geographic", "New York")),
    "us san francisco": Plan("1415", 7, 5550100, ("geographic", "San Francisco")),
    "us free": Plan("1800", 7, 5550100, ("toll-free",)),
    "ca toronto": Plan("1416", 7, 5550100, ("geographic", "Toronto")),
    "de berlin": Plan("4930", 8, 23125000, ("geographic", "Berlin")),
    "de hamburg": Plan("4940", 8, 66969000, ("geographic", "Hamburg")),
    "de short": Plan("494066969", 2, 0, ("geographic", "Hamburg"), 100),
    "fr paris": Plan("331", 8, 99000000, ("geographic", "Paris")),
    "fr free": Plan("33805", 6, 990000, ("toll-free",), 200),
    "nl amsterdam": Plan("3120", 7, 7940000, ("geographic", "Amsterdam")),
    "nl national": Plan("3185", 7, 4010000, ("nationwide",)),
    "se stockholm": Plan("468", 8, 46500400, ("geographic", "Stockholm")),
    "es madrid": Plan("3491", 7, 1230000, ("geographic", "Madrid")),
    "it milano": Plan("3902", 8, 30300000, ("geographic", "Milano")),
    "at vienna": Plan("43720", 6, 880000, ("nationwide",), 500),
    "at long": Plan("4372088", 8, 10000000, ("nationwide", "extension block"), 40),
    "ch zurich": Plan("4144", 7, 5860000, ("geographic", "Zürich")),
    "pl warsaw": Plan("4822", 7, 2630000, ("geographic", "Warsaw")),
    "au sydney": Plan("612", 8, 55500000, ("geographic", "Sydney")),
    "au free": Plan("611800", 6, 975000, ("toll-free",), 300),
    "jp tokyo": Plan("813", 8, 45500000, ("geographic", "Tokyo")),
    "za johannesburg": Plan("2711", 7, 4490000, ("geographic", "Johannesburg")),
    "br são paulo": Plan("5511", 8, 30030000, ("geographic", "São Paulo")),
    "ie dublin": Plan("3531", 7, 5550000, ("geographic", "Dublin")),
    "inner": Plan("007", 4, 0, ("internal",), 40),
    "service": Plan("118", 3, 100, ("short code",), 10),
}

RESELLERS = (  # name, hold days
    ("Halbard Voice", None),
    ("Tessaly Communications", 45),
    ("Pontmere Telecom", 14),
    ("Quillan & Daughters Telephony", None),
)

OPERATORS = (  # name, reseller, hold days, plans
    ("Corvane Wholesale", 0, None, ("gb london", "gb manchester", "gb free")),
    ("Thornwick Numbering", 0, 60, ("gb london", "gb belfast", "ie dublin")),
    ("Oldmoor Exchange", 0, None, ("gb national", "service")),
    ("Lakeshore Interconnect", 0, None, ("us new york", "us san francisco", "us free", "ca toronto")),
    ("Sechshafen Netz", 1, 90, ("de berlin", "de hamburg", "de short")),
    ("Alpkamm Telefon", 1, None, ("at vienna", "at long", "ch zurich")),
    (
        "Société interrégionale de numérotation et d'acheminement téléphonique du Val-Dormant (vente)",
        1,
        None,
        ("fr paris", "fr free"),
    ),
    ("Polderlijn", 1, None, ("nl amsterdam", "nl national")),
    ("Brännsund Tele", 1, 30, ("se stockholm", "pl warsaw")),
    ("Brezza Numeri", 2, None, ("it milano",)),
    ("Altamira Enlaces de Voz y Numeración Geográfica", 2, None, ("es madrid",)),
    ("Ipê Conecta", 2, 0, ("br são paulo",)),
    ("Kookaburra Ridge Carriers", 3, None, ("au sydney", "au free")),
    ("Hoshikawa Denwa", 3, None, ("jp tokyo",)),
    ("Highveld Voice Exchange", 3, 45, ("za johannesburg",)),
    ("In-house", 3, 7, ("inner",)),
)

PACKAGES = (  # name, DID limit, allowed tags, hold days; from small to large, the one by tag at the end
    ("Basic", 10, "", None),
    ("Office", 50, "", None),
    ("Business", 250, "", None),
    ("Call centre", 2_000, "", 60),
    ("Wholesale", 50_000, "", None),
    ("Carrier", 5_000_000, "", 90),
    ("Freephone", 1_000_000, "toll-free", 30),
)

PEOPLE = (  # user name, first and last name, role, time zone
    ("viewer", "Vera", "Lindqvist", "Viewer", "Europe/Stockholm"),
    ("clerk", "Callum", "Reyes", "Clerk", "Europe/London"),
    ("provisioner", "Priya", "Nandakumar", "Provisioner", "Europe/London"),
    ("supervisor", "Sabine", "Auerbach", "Supervisor", "Europe/Berlin"),
    ("clara.okafor", "Clara", "Okafor", "Clerk", "Europe/Dublin"),
    ("piotr.zielony", "Piotr", "Zielony", "Provisioner", "Europe/Warsaw"),
    ("paul.marchetti", "Paul", "Marchetti", "Provisioner", "Europe/Rome"),
)
BOUND = (  # the same, of one reseller
    ("tessaly.desk", "Tomasz", "Brandt", "Provisioner", "Europe/Berlin", 1),
    ("pontmere.desk", "Paula", "Ferreira", "Clerk", "Europe/Madrid", 2),
)

CLIENT_FIRST = tuple(
    "Rose Oakfield Lindner Marlow Harbour Sunfield Bellamy Kestrel Novak Ashdown Ferro Juniper Castell"
    " Dunmore Elmgate Falken Greyling Hollis Ingram Jarrow Kirkby Larkspur Meriden Northolt Orsini Pemberton"
    " Quarry Ravens Silverdale Tamworth Underhill Verano Whitlock Yarrow"
    " Zimmer Birch Cobalt Delmare".split()
)
CLIENT_SECOND = (
    "Bakery", "Dental", "Logistics", "Hotel", "& Sons", "Travel", "Motors", "Pharmacy", "Legal", "Care Homes",
    "Insurance", "Foods", "Estate Agents", "Couriers", "Clinic", "Energy", "Books", "Plumbing", "Taxis",
    "Support Desk", "Academy", "Textiles",
)  # fmt: skip

NOTES = (
    "Order {order}",
    "Order {order}, delivered by SIP, tested inbound",
    "Order {order}. Monthly fee per block of ten; cancel by the end of the quarter.",
    "Taken over with contract {order}",
    "Emergency address is set by the operator, reference {order}",
)

LONG_NOTES = (
    "Ask for the name before giving this one away, it is on the side of a lorry.",
    "Customer wants it back",
    "Fax only, no voice route",
    "Do not sell before the recordings are taken down.",
    (
        "Wrong numbers: about ten calls a day for the clinic whose number differs by one digit. The client"
        " knows of it and has asked for a discount; do not give the number to a call centre."
    ),
    (
        "Ported in. The losing carrier kept the route for two weeks after the date, so that calls from its"
        " own network went nowhere; ticket closed after both sides had reloaded their tables. If somebody"
        " complains of calls that do not arrive, ask from which network they come before anything else, and"
        " look at the number portability database of the country, not at our routes. Letter of authority and"
        " the last invoice are in the archive under the client’s name."
    ),
    "Printed in the 2026 directory.",
    "Reserved for the new office, move planned for spring; the floor plan says 24 desks and two lifts.",
)

# (name, None for a client; purpose; numbers; days ago it was made; days until its end, None for no end)
RESERVATIONS = [
    (None, "Move to the second warehouse", 10, 7, 0.3),
    (None, "Offer 20417, second site", 20, 14, 1.2),
    ("Orsini Textiles (prospect)", "Trial until the contract is signed", 50, 12, 1.4),
    (None, "Vanity number, waiting for the deposit", 1, 4, 3.1),
    (None, "Porting back-up range", 30, 25, 6),
    ("Falken Couriers (prospect)", "Growth in January, agreed by phone", 40, 8, 46),
    (None, "Campaign in spring", 1, 16, 63),
    ("Council tender 88", "Tender, decision in February", 10, 26, 90),
    ("Support desk migration", "Own use: test numbers of the new switch", 20, 33, None),
]
