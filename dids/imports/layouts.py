"""The lists of numbers that other systems export, recognised by their header rows. Uses no ORM.

Where their headers come from:

- names of fields in the API, which scripts write as CSV: Wazo, Twilio, Telnyx, Bandwidth, VoIP.ms, DIDWW
  (with expires_at), NetSapiens (with dial rules), MagnusBilling (with fixrate), Microsoft Teams (PowerShell)
- files that go in and out of the system in bulk: NetSapiens (with Treatment), Metaswitch (with PBX Phone
  number)
- columns of lists on screen, without a file to compare: DIDWW (with Trunk), MagnusBilling (with Username),
  Metaswitch (with groups or Block size), Microsoft Teams (with Assigned to), Wazo (with exten)
"""

from dataclasses import dataclass

from dids.imports.names import compact

COUNTRY = "country"  # the country code of the numbers, mapped as a part


@dataclass(frozen=True)
class Layout:
    """The columns of one system's list.

    ``needs``: headers that together occur in no other list, separated by semicolons. ``lacks``: headers that
    would make it another list. ``fields``: {header: key}. All other columns are left out, because they mean
    something else here than their names say (a carrier's “Active” is no assignment to a client); only an
    operator, which people add to such lists, is found by its name, unless its key here is "".
    """

    system: str
    needs: str
    fields: dict[str, str]
    lacks: str = ""

    def fits(self, headers):
        return _names(self.needs) <= headers and not _names(self.lacks) & headers

    def key_of(self, header):
        """Return the key of the column with this header, "" if it is left out, None if it is not listed."""
        return {compact(name): key for name, key in self.fields.items()}.get(compact(header))


def _names(text):
    return {compact(name) for name in text.split(";") if name}


def recognise(headers):
    """Return the ``Layout`` with these headers, the one that needs most of them, or None."""
    found = {compact(header) for header in headers}
    fitting = [layout for layout in LAYOUTS if layout.fits(found)]
    return max(fitting, key=lambda layout: len(_names(layout.needs)), default=None)


def nearest(system, headers):
    """Return the ``Layout`` of this system that lists most of the headers, None for an unknown system."""
    layouts = [layout for layout in LAYOUTS if layout.system == system]
    return max(layouts, key=lambda layout: sum(bool(layout.key_of(one)) for one in headers), default=None)


_NUMBER_ONLY = {"phone number": "number"}
_PORTABILLING = {"number": "number", "did number": "number", "description": "notes"}
_BANDWIDTH = {
    "full number": "number",
    "telephone number": "number",
    "phone number": "number",
    "vendor name": "",  # an internal name of the carrier
}
_YEASTAR = {"did/ddi": "number", "did/ddi name": "notes", "did number": "number"}

LAYOUTS = [
    Layout(
        "JeraSoft",
        "id; status; operator; did; tag; notes; client; reseller",
        {
            "status": "status",
            "operator": "operator",
            "did": "number",
            "tag": "tags",
            "notes": "notes",
            "client": "client",
            "reseller": "reseller",
        },
        lacks="after hold; package",  # our own export, which has them, is mapped by its names
    ),
    Layout("ASTPP", "did; call type; initial increment; increment", {"did": "number"}),
    Layout("ASTPP", "number; init inc; inc; monthlycost", {"number": "number"}),
    Layout("PortaBilling", "did number; vendor batch", _PORTABILLING),
    Layout("PortaBilling", "number; did vendor batch", _PORTABILLING),
    Layout("MagnusBilling", "did; fixrate; connection charge", {"did": "number", "description": "notes"}),
    Layout("MagnusBilling", "did; reserved; username; monthly price", {"did": "number"}),
    Layout(
        "FusionPBX",
        "destination number; destination context",
        {
            "destination prefix": COUNTRY,
            "destination area code": "part",
            "destination number": "number",
            "destination description": "notes",
        },
    ),
    Layout("Kazoo", "e164; account id; state; used by", {"e164": "number"}),
    Layout("Wazo", "number; main; shared; caller id name", {"number": "number", "caller id name": "notes"}),
    Layout("Wazo", "exten; context; destination", {"exten": "number"}),
    Layout(
        "NetBox phonebox",
        "number; tenant; region; provider; forward to",
        {"number": "number", "provider": "operator", "description": "notes", "tags": "tags"},
    ),
    Layout(
        "Twilio", "sid; phone number; friendly name", {"phone number": "number", "friendly name": "notes"}
    ),
    Layout(
        "Telnyx",
        "phone number; connection name; status",
        {"phone number": "number", "tags": "tags", "customer reference": "notes"},
    ),
    Layout("Bandwidth", "full number; rate center; lata", _BANDWIDTH),
    Layout("Bandwidth", "telephone number; rate center; lata; tier", _BANDWIDTH),
    Layout("Bandwidth", "phone number; rate center; lata; vendor name", _BANDWIDTH),
    Layout(
        "DIDWW",
        "number; expires at; channels included count",
        {"number": "number", "description": "notes"},
    ),
    Layout(
        "DIDWW",
        "did number; country; city; trunk; capacity",
        {"did number": "number", "description": "notes"},
    ),
    Layout("VoIP.ms", "did; routing; pop", {"did": "number", "description": "notes", "note": "notes"}),
    Layout("NetSapiens", "phone number; treatment; destination", _NUMBER_ONLY | {"notes": "notes"}),
    Layout(
        "NetSapiens",
        "phonenumber; dial rule application",
        _NUMBER_ONLY | {"dial rule description": "notes"},
    ),
    Layout(
        "Metaswitch",
        "first directory number; block size",
        {
            "first directory number": "number",
            "last directory number": "range_end",
            "block size": "range_size",
        },
    ),
    Layout(
        "Metaswitch",
        "first directory number; range size",
        {
            "first directory number": "number",
            "last directory number": "range_end",
            "range size": "range_size",
        },
    ),
    Layout(
        "Metaswitch",
        "pbx phone number; first phone number; range size",
        {"first phone number": "number", "range size": "range_size"},
    ),
    Layout("Metaswitch", "directory number; subscriber group", {"directory number": "number"}),
    Layout("Metaswitch", "directory number; business group", {"directory number": "number"}),
    Layout(
        "Microsoft Teams",
        "telephone number; number type; activation state",
        {"telephone number": "number", "tag": "tags"},
    ),
    Layout(
        "Microsoft Teams",
        "telephone number; number type; pstn assignment status",
        {"telephone number": "number", "tag": "tags"},
    ),
    Layout("Microsoft Teams", "phone number; number type; assigned to", _NUMBER_ONLY),
    Layout("Yeastar", "did/ddi; did/ddi name", _YEASTAR),
    Layout("Yeastar", "did number; extension matched", _YEASTAR),
    Layout("Yeastar", "did pattern; caller id pattern", {"did pattern": "number", "name": "notes"}),
]
SYSTEMS = sorted({layout.system for layout in LAYOUTS}, key=str.casefold)
