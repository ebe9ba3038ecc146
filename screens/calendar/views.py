"""The calendar: what happens to numbers by itself, as weeks and as a list of days."""

from datetime import timedelta
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from didmgmt import clock
from didmgmt.addresses import go_to
from didmgmt.dates import show_day
from didmgmt.replica import may_lag
from didmgmt.text import count_noun
from dids.exports.upcoming import entry_rows
from dids.forms.upcoming import CalendarForm
from dids.lifecycle import statuses as st
from dids.upcoming import (
    DAYS_AHEAD,
    FOLLOWING,
    HOLD_ENDS,
    KINDS,
    PACKAGE_ENDS,
    PACKAGE_STARTS,
    RESERVATION_ENDS,
    Upcoming,
    becomes,
)
from screens.downloads import download, file_name

DAY = timedelta(days=1)
WEEKS = 7
LISTED = 7  # days
NAMED = 10  # reservations or packages of a day; the others are counted
ICONS = {
    HOLD_ENDS: "player-pause",
    FOLLOWING: "player-pause",
    RESERVATION_ENDS: "lock",
    PACKAGE_ENDS: "package",
    PACKAGE_STARTS: "package",
}
# {kind: (statuses of the numbers that it takes from them, one of it, several)}
OF_KIND = {
    HOLD_ENDS: ([st.HOLD], "hold ends", "holds end"),
    FOLLOWING: ([], "follow-on hold ends", "follow-on holds end"),
    RESERVATION_ENDS: ([st.RESERVED], "reservation ends", "reservations end"),
    PACKAGE_ENDS: (st.IN_USE, "package ends", "packages end"),
    PACKAGE_STARTS: ([], "package starts", "packages start"),
}


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@may_lag
def calendar(request):
    form, page = _form_and_page(request, clock.now())
    status = 200 if page else 422
    return render(request, "calendar/calendar.html", {"form": form, "page": page}, status=status)


@require_safe
@permission_required("dids.export_did", raise_exception=True)
@may_lag
def calendar_export(request):
    """Send what happens on the days of the weeks that the page shows, of the kind and the reseller chosen."""
    now = clock.now()
    _, page = _form_and_page(request, now)
    if page is None:
        return go_to(f"{reverse('calendar:calendar')}?{request.GET.urlencode()}")  # it shows the errors
    return download(request, entry_rows(page.entries), file_name("calendar", None, now, page.kind))


def _form_and_page(request, now):
    """Return the form and the page, which is None if the form is invalid."""
    today = timezone.localtime(now).date()
    form = CalendarForm(request.GET, by=request.user, today=today)
    return form, _Page(request.user, now, today, form.cleaned_data) if form.is_valid() else None


class _Page:
    """What the page shows; ``chosen``: the first day of the list, the kind and the reseller."""

    def __init__(self, user, now, today, chosen):
        self.today, self.kind, self.reseller = today, chosen["kind"], chosen.get("reseller")
        self.first = chosen["from"]
        self.last = self.first + (LISTED - 1) * DAY
        self._monday = _monday(today)
        if self.first >= self._monday + 7 * WEEKS * DAY:
            self._monday = _monday(self.first)
        self.zone = timezone.get_current_timezone_name()
        self.until = self._monday + (7 * WEEKS - 1) * DAY
        upcoming = Upcoming(
            user,
            max(today, self._monday),
            max(self.until, self.last + LISTED * DAY),
            now=now,
            reseller=self.reseller,
            named=(self.first, self.last),
        )
        self._every = upcoming.entries
        self._entries = {key: one for key, one in self._every.items() if self.kind in ("", key[1])}
        self._events = upcoming.events if user.has_perm("dids.view_clientpackage") else []

    def _url(self, day=None, kind=None):
        kind = self.kind if kind is None else kind
        chosen = {
            "from": day.isoformat() if day and day != self.today else "",
            "kind": kind,
            "reseller": self.reseller.pk if self.reseller else "",
        }
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"{reverse('calendar:calendar')}{'?' if query else ''}{query}"

    @property
    def entries(self):
        """The entries of the shown kind on the days of the weeks."""
        return [entry for (day, _), entry in self._entries.items() if day <= self.until]

    @property
    def export_url(self):
        query = self._url(self.first).partition("?")[2]
        return f"{reverse('calendar:export')}{'?' if query else ''}{query}"

    # --- the kinds

    @property
    def total(self):
        return self._total_of(self.kind)

    def _total_of(self, kind):
        return sum(
            _count(one) for (day, own), one in self._every.items() if day <= self.until and kind in ("", own)
        )

    @property
    def counters(self):
        first = self.first if self.first != self.today else None
        return [
            {
                "label": label,
                "icon": ICONS.get(kind),
                "count": self._total_of(kind),
                "url": self._url(first, kind),
                "active": self.kind == kind,
            }
            for kind, label in {"": "All", **KINDS}.items()
        ]

    # --- the weeks

    @property
    def weeks(self):
        days = [self._monday + n * DAY for n in range(7 * WEEKS)]
        numbers = dict.fromkeys(days, 0)
        for (day, _), one in self._entries.items():
            if day in numbers:
                numbers[day] += one.numbers
        most = max(numbers.values())
        cells = [self._cell(day, count, most) for day, count in numbers.items()]
        return [cells[at : at + 7] for at in range(0, len(cells), 7)]

    def _cell(self, day, count, most):
        is_listed = self.first <= day <= self.last
        return {
            "day": day,
            "named_month": day.day == 1 or day == self._monday,
            "is_past": day < self.today,
            "is_today": day == self.today,
            "count": count,
            "shade": 0 if not count else 3 if 2 * count >= most else 2 if 7 * count >= most else 1,
            "url": f"#day-{day}" if is_listed else f"{self._url(day)}#day-{day}",
            "tip": f"{_named(day)}: {self._in_words(day, day) or 'nothing'}",
        }

    # --- the days

    @property
    def days(self):
        """[(day, "today" or the like, lines)] of the listed days on which something happens."""
        found = []
        for n in range(LISTED):
            day = self.first + n * DAY
            if lines := self._lines(day):
                word = {0: "today", 1: "tomorrow"}.get((day - self.today).days, "")
                found.append({"day": day, "name": _named(day), "word": word, "lines": lines})
        return found

    def _lines(self, day):
        lines = []
        for kind in KINDS:
            if entry := self._entries.get((day, kind)):
                named = [one for one in self._events if one.kind == kind and self._day_of(one) == day][:NAMED]
                if not named or entry.events > len(named):
                    lines.append(self._rest(entry, named))
                lines += map(_line, named)
        return sorted(lines, key=lambda line: (line["at"] is not None, line["at"]))

    def _day_of(self, event):
        return max(timezone.localtime(event.at).date(), self.today)

    def _rest(self, entry, named):
        """Return the line of what is not named on a day."""
        statuses, one, several = OF_KIND[entry.kind]
        outcomes = entry.outcomes.copy()
        for event in named:
            outcomes.subtract(event.outcomes)
        if events := entry.events - len(named):
            more = " more" if named else ""
            text = f"{events:,}{more} {one if events == 1 else several}"
        else:
            text = several.capitalize()
        url = ""
        if statuses:
            url = f"{reverse('dids:list')}?{self._numbers(entry.day, statuses)}"
        said = _said(+outcomes) if entry.kind != PACKAGE_STARTS else "numbers can be assigned from then"
        return {
            "at": None,
            "icon": ICONS[entry.kind],
            "text": text,
            "url": url,
            "count": outcomes.total(),
            "said": f"{said}, begun by package ends" if entry.kind == FOLLOWING else said,
        }

    def _numbers(self, day, statuses):
        """Return the query of the list of numbers that leave one of ``statuses`` on a day."""
        query = [("ends_on", day.isoformat()), *(("status", status) for status in statuses)]
        return urlencode(query + ([("reseller", self.reseller.pk)] if self.reseller else []))

    # --- other days

    @property
    def earlier(self):
        """(address, words) of the days before the listed ones, None at the beginning."""
        if self.first == self.today:
            return None
        first = max(self.today, self.first - LISTED * DAY)
        days = (self.first - first).days
        return self._url(first), f"Previous {count_noun(days, 'day')}"

    @property
    def later(self):
        first = self.last + DAY
        if first > self.today + DAYS_AHEAD * DAY:
            return None
        what = self._in_words(first, self.last + LISTED * DAY) or "nothing happens by itself"
        return self._url(first), f"Next {LISTED} days: {what}"

    def _in_words(self, first, last):
        """Return what happens from ``first`` to ``last``: "102 holds end, 2 packages end"."""
        parts = []
        for kind, (_, one, several) in OF_KIND.items():
            found = [
                entry for (day, own), entry in self._entries.items() if own == kind and first <= day <= last
            ]
            if count := sum(entry.events or entry.numbers for entry in found):
                parts.append(f"{count:,} {one if count == 1 else several}")
        return ", ".join(parts)


def _count(entry):
    """Return what counters count: numbers, and packages that start without any."""
    return entry.events if entry.kind == PACKAGE_STARTS else entry.numbers


def _line(event):
    """Return the line of a reservation or a package."""
    record = event.record
    line = {"at": event.at, "icon": ICONS[event.kind], "count": event.numbers, "said": _said(event.outcomes)}
    if event.kind == RESERVATION_ENDS:
        url = f"{reverse('dids:list')}?reservation={record.pk}"
        return line | {"text": f"Reservation of {record.whom} ends", "url": url}
    what = f"{record.package.name} of {record.client.name}"
    if event.kind == PACKAGE_STARTS:
        url = f"{reverse('client_packages:list')}?client={record.client_id}"
        return line | {"text": f"{what} starts", "url": url, "said": "numbers can be assigned from then"}
    url = (
        f"{reverse('clients:dids', args=[record.client_id])}?package={record.pk}&status=active&status=blocked"
    )
    if event.until:
        last = timezone.localtime(max(event.until))
        line["said"] = f"{line['said']} until {show_day(last)}"
        if len(event.until) > 1:
            line["said"] += " at the latest"
    return line | {"text": f"{what} ends", "url": url}


def _said(outcomes):
    return becomes(outcomes) or "no numbers in use"


def _monday(day):
    return day - day.weekday() * DAY


def _named(day):
    """Return "Sat 28 Nov"."""
    return f"{day:%a} {day.day} {day:%b}"
