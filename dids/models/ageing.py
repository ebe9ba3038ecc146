"""Ageing: a number that a client has left rests for some days before another client gets it.

**Definition.** A number is *ageing* from the moment its last client left it, which is when it was last taken
out of use (it left Active and Blocked, or was put on Hold), until the minimum days of the accepted rule with
the longest prefix of the number have passed. Until then

- it may be on Hold, in the archive, Reserved, or In Stock, which is a place and no sale;
- it may not become Active or be reserved for **another** client than the last one, to whom it may return at
  any time;
- a Hold lasts at least the minimum days, whatever the hold days say (``dids.models.hold_days``).

``Release`` keeps when who left which digits, and triggers write it: no path goes around them, and a number
that is deleted and created again is as old as it was. An assignment that is undone counts as use.

A user with the right ``OVERRIDE`` and a reason may pass a number on earlier; the change keeps the reason.

**Sales and holds.** ``in_force`` has the minimums that holds last at least; ``for_sales`` those that sales
follow. They differ while a job moves many holds to a higher minimum: no sale is allowed any more that the new
one forbids, but no read may assume yet that all holds last as long.
"""

from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Exists, ExpressionWrapper, F, Max, Min, OuterRef, Q, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Length
from django.utils import timezone

import audit
from audit import triggers
from audit.models import Change
from clients.models import HOLD_DAYS_MAX
from didmgmt import clock, form_tokens
from didmgmt.clock import SQLITE_CLOCK
from didmgmt.statements import Statement
from dids.lifecycle import statuses as st
from dids.models.prefixes import AFTER_DIGITS
from jobs.models import Job

OVERRIDE = "dids.override_ageing"
REASON_MAX = 200
PREFIX_MOST = 15
JOB_KIND = "minimum"  # of the jobs that change a rule with many holds
RAISED_TO = "raised_to"  # a parameter of those that raise a minimum: how many days it will be


class Minimum(NamedTuple):
    """The least days that numbers with a prefix rest."""

    prefix: str
    days: int


class AgeingRule(models.Model):
    """The least days that numbers with a prefix rest; a rule does nothing until it is accepted.

    ``source``: where the days come from, for people. Rules are those of the installation, of no reseller.
    """

    id = models.BigAutoField(primary_key=True)
    prefix = models.CharField(max_length=PREFIX_MOST)
    place = models.CharField("Where", max_length=100, blank=True)
    days = models.PositiveSmallIntegerField(
        "Days, at least", validators=[MinValueValidator(1), MaxValueValidator(HOLD_DAYS_MAX)]
    )
    source = models.CharField(max_length=200)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    MOST = 200

    class Meta:
        verbose_name = "minimum hold"
        default_permissions = ()
        permissions = [("change_ageingrule", "Can change and accept minimum holds")]
        constraints = [
            models.UniqueConstraint(fields=["prefix"], name="ageing_rule_prefix"),
            models.CheckConstraint(condition=Q(days__range=(1, HOLD_DAYS_MAX)), name="ageing_rule_days"),
        ]

    def __str__(self):
        return f"+{self.prefix}"

    @property
    def name(self):
        """The country or kind of its numbers, else its prefix: "Switzerland"."""
        return self.place or str(self)

    @property
    def numbers(self):
        """The parameters of the list of its numbers."""
        return {"q": f"{self.prefix}*"}

    def held_back(self, viewer, now):
        """Return how many numbers of the viewer's branch it keeps from other clients, or would if accepted.

        Numbers of a longer prefix with a rule of its own don't count. One query for the releases of its
        prefix.
        """
        rules = self.rules_with(self.days)
        resting = Release.objects.ageing(now, rules).filter(**begins_with(self.prefix))
        for prefix, _ in rules:
            if prefix != self.prefix and prefix.startswith(self.prefix):
                resting = resting.exclude(**begins_with(prefix))
        unused = _numbers().visible_to(viewer).exclude(status__in=st.IN_USE)
        return resting.filter(Exists(unused.filter(number=OuterRef("number")))).count()

    def holds(self):
        """Return the numbers on Hold with its prefix."""
        return _numbers().filter(status=st.HOLD, **begins_with(self.prefix))

    def rules_with(self, days):
        """Return ``in_force`` as it will be when this rule has ``days``; None: when it is removed."""
        others = [one for one in in_force() if one.prefix != self.prefix]
        return others if days is None else _longest_first([*others, Minimum(self.prefix, days)])

    def raised_to(self, days):
        """Return how long its numbers will rest when it has ``days``, None if no longer than now.

        ``days``: None when it is removed.
        """
        after = minimum_of(self.prefix, self.rules_with(days))
        return after if after > minimum_of(self.prefix, in_force()) else None

    # --- writes: changes of the audit log with the earlier and later values, and the ends of holds.
    # ``since``: only holds begun since then are moved; a job moves the others.

    def create(self, *, by):
        """Store a rule, which does nothing until it is accepted."""
        label = f"Minimum hold of {self} proposed: {self.days} days"
        with self._change(by, label, [["Days", "", self.days]]):
            self.save(force_insert=True)

    def accept(self, *, by, since=None):
        """Put the rule into force; return how many holds it moved, or None if it was deleted meanwhile.

        A rule that is in force keeps who accepted it.
        """
        with form_tokens.atomic():
            stored = self._lock()
            if stored is None or stored.accepted_at:
                return stored and 0
            with self._change(by, f"Minimum hold of {stored} accepted: {stored.days} days"):
                return stored._put(by, {}, since)

    def change(self, fields, *, by, since=None):
        """Set {name: value}; whoever changes the days of a rule in force has accepted them.

        Return how many holds that moved, or None if it was deleted meanwhile.
        """
        with form_tokens.atomic():
            stored = self._lock()
            if stored is None:
                return None
            edited = stored.edited(fields)
            if not edited:
                return 0
            with self._change(by, f"Minimum hold of {stored} changed", edited):
                if stored.accepted_at and fields.get("days", stored.days) != stored.days:
                    return stored._put(by, fields, since)
                AgeingRule.objects.filter(pk=self.pk).update(**fields)
                return 0

    def edited(self, fields):
        """Return [name, before, after] of each of {name: value} that differs."""
        return [
            [str(self._meta.get_field(name).verbose_name), getattr(self, name), value]
            for name, value in fields.items()
            if getattr(self, name) != value
        ]

    def _lock(self):
        return AgeingRule.objects.select_for_update(no_key=True).filter(pk=self.pk).first()

    def _put(self, by, fields, since):
        """Put the rule into force with ``fields``, accepted by ``by``; return how many holds that moved."""
        accepted = {"accepted_at": clock.database_now(), "accepted_by": by}
        AgeingRule.objects.filter(pk=self.pk).update(**fields, **accepted)
        return self._move_hold_ends(since)

    def remove(self, *, by, since=None):
        """Delete the rule; return how many holds that moved."""
        label = f"Minimum hold of {self} removed: {self.days} days"
        with self._change(by, label, [["Days", self.days, ""]]) as change:
            change.touched = min(1, AgeingRule.objects.filter(pk=self.pk).delete()[0])
            return self._move_hold_ends(since) if self.accepted_at else 0

    @contextmanager
    def _change(self, by, label, edited=()):
        with audit.change(Change.Kind.AGEING_RULE, by=by, label=label, data=edited_data(edited)) as change:
            change.touched += 1
            yield change

    def _move_hold_ends(self, since):
        resting = self.holds() if since is None else self.holds().filter(hold_from__gte=since)
        return resting.recompute_hold_ends(by=audit.SYSTEM, every=True).done


def edited_data(edited):
    """Return the ``data`` of a change with these values before and after, None without any."""
    rows = [[name, str(before), str(after)] for name, before, after in edited]
    return {"edited": rows} if rows else None


def _accepted():
    return AgeingRule.objects.filter(accepted_at__isnull=False)


def _raised():
    raised = Job.objects.unfinished().filter(kind=JOB_KIND, **{f"params__{RAISED_TO}__isnull": False})
    days = Cast(KT(f"params__{RAISED_TO}"), models.PositiveSmallIntegerField())
    return raised.values_list(KT("params__prefix"), days, Value(True))


_rules = Statement(
    lambda: _accepted().order_by(Length("prefix").desc(), "prefix").values_list("prefix", "days")
)
_rules_and_raised = Statement(
    lambda: _accepted().values_list("prefix", "days", Value(False)).union(_raised(), all=True)
)


def in_force():
    """Return the ``Minimum`` of each accepted rule, the longest prefix first; one small query."""
    return [Minimum(*row) for row in _rules.rows()]


def for_sales():
    """Return the ``Minimum`` of each prefix that sales follow, the longest prefix first; one small query.

    These are the rules ``in_force``, and those that a job raises as soon as it is queued. If the job fails or
    is cancelled, they are as before.
    """
    rows = _rules_and_raised.rows()
    accepted = _longest_first(Minimum(prefix, days) for prefix, days, is_raised in rows if not is_raised)
    least = dict(accepted)
    for prefix, days, is_raised in rows:
        if is_raised:
            least[prefix] = max(days, minimum_of(prefix, accepted))
    return _longest_first(Minimum(*rule) for rule in least.items())


def _longest_first(rules):
    return sorted(rules, key=lambda rule: (-len(rule.prefix), rule.prefix))


def begins_with(prefix):
    """Return the conditions for numbers with the prefix, as a range of the index."""
    return {"number__gte": prefix, "number__lt": prefix + AFTER_DIGITS}


def rule_of(number, rules):
    """Return the ``Minimum`` of ``rules``, see ``in_force``, for ``number``; None without one."""
    return next((rule for rule in rules if number.startswith(rule.prefix)), None)


def minimum_of(number, rules):
    """Return the least days that ``number`` rests by ``rules``; 0 without one."""
    rule = rule_of(number, rules)
    return rule.days if rule else 0


def minimum_days(rules):
    """Return ``minimum_of`` as an expression, None without rules."""
    whens = [When(number__startswith=prefix, then=Value(days)) for prefix, days in rules]
    return Case(*whens, default=Value(0), output_field=models.IntegerField()) if rules else None


# --- who left which number


class ReleaseQuerySet(models.QuerySet):
    def ageing(self, now, rules):
        """Return those that ``rules`` hold back at ``now``, and ``until`` when."""
        if not rules:
            return self.none()
        since = [When(number__startswith=prefix, then=_at(now - _days(days))) for prefix, days in rules]
        until = [
            When(number__startswith=prefix, then=ExpressionWrapper(F("released_at") + _days(days), _MOMENT))
            for prefix, days in rules
        ]
        found = self.annotate(until=Case(*until, default=F("released_at"), output_field=_MOMENT))
        return found.filter(released_at__gt=Case(*since, default=_at(now), output_field=_MOMENT))


_MOMENT = models.DateTimeField()


def _days(count):
    return timedelta(days=count)


def _at(moment):
    return Value(moment, output_field=_MOMENT)


class Release(models.Model):
    """The last time that a client left a number, also one that was deleted since. Only triggers write it.

    ``client_id``: who left it; 0 if that is unknown.
    """

    id = models.BigAutoField(primary_key=True)
    number = models.CharField(max_length=20)
    client_id = models.BigIntegerField()
    released_at = models.DateTimeField()

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["number"], name="release_number")]

    def __str__(self):
        return f"{self.number} {self.released_at}"


def resting_of_others(client, now, rules, number="number"):
    """Return the releases of the number of an outer query by which ``client``, an id, may not get it yet."""
    mine = Q(client_id=client)
    return Release.objects.ageing(now, rules).filter(~mine, number=OuterRef(number))


def resold_early(client, now):
    """Return the condition for numbers that ``client``, an id, may not get yet; None if there is no rule."""
    rules = for_sales()
    return Q(Exists(resting_of_others(client, now, rules))) if rules else None


def until_of(number, now, rules):
    """Return (until when the number ages, its ``Minimum``), None if it does not; at most one query."""
    found = Release.objects.ageing(now, rules).filter(number=number).first() if rules else None
    return found and (found.until, rule_of(number, rules))


def why_ageing(now, remedy):
    """Return a function of refused numbers that says until when they age, and what to do: ``remedy``."""

    def why(numbers):
        found = Release.objects.ageing(now, for_sales()).filter(
            number__in=numbers.order_by().values("number")
        )
        return ageing_until(**found.aggregate(first=Min("until"), last=Max("until")), remedy=remedy)

    return why


def ageing_until(first, last, remedy):
    """Return why numbers that age until between ``first`` and ``last`` are refused, and the ``remedy``."""
    first, last = (day_of(moment) for moment in (first, last))
    when = f"on {first}" if first == last else f"between {first} and {last}"
    return f"ageing after use by another client, may be sold again {when}; {remedy}"


def day_of(moment):
    """Return the first day on which a number that ages until ``moment`` is free, such as "14 Jan 2027"."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y}"


def override_data(reason, by):
    """Return the ``data`` of a change in which ``by`` overrides ageing for ``reason``, None without."""
    return {"override": reason} if reason and by.has_perm(OVERRIDE) else None


WAIT = "wait until then, choose other numbers, or have an administrator assign them with a reason"
NO_OVERRIDE = (
    "ageing after use by another client, and you don’t have the right to override that; ask an administrator"
)


def _numbers():
    return apps.get_model("dids", "DID").objects


# --- triggers


@triggers.register
def release_triggers(vendor):
    return list(_postgresql() if vendor == "postgresql" else _sqlite())


_IN_USE = "('{}')".format("', '".join(st.IN_USE))
_KEEP = (
    "ON CONFLICT (number) DO UPDATE SET client_id = excluded.client_id, released_at = excluded.released_at"
)


def _postgresql():
    body = f"""
DECLARE
  moment timestamptz := coalesce(
    nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM rows_new WHERE status = '{st.HOLD}') THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_new AS o LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status = '{st.HOLD}' {_KEEP};
  ELSIF TG_OP = 'DELETE' THEN
    IF NOT EXISTS (SELECT FROM rows_old WHERE status IN {_IN_USE}) THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_old AS o LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status IN {_IN_USE} {_KEEP};
  ELSE
    IF NOT EXISTS (SELECT FROM rows_old WHERE status IN {_IN_USE}) THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_old AS o JOIN rows_new AS n ON n.id = o.id LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status IN {_IN_USE} AND (n.status NOT IN {_IN_USE} OR n.account_id <> o.account_id) {_KEEP};
  END IF;
  RETURN NULL;
END
"""
    return triggers.after_each_statement("dids_release", "dids_did", body)


def _sqlite():
    left = f"OLD.status IN {_IN_USE}"
    for event, on, row, when in (
        ("insert", "INSERT", "NEW", f"NEW.status = '{st.HOLD}'"),
        (
            "update",
            "UPDATE OF status, account_id",
            "OLD",
            f"{left} AND (NEW.status NOT IN {_IN_USE} OR NEW.account_id <> OLD.account_id)",
        ),
        ("delete", "DELETE", "OLD", left),
    ):
        name = f"dids_release_{event}"
        yield triggers.Trigger(
            name,
            "dids_did",
            f"CREATE TRIGGER {name} AFTER {on} ON dids_did FOR EACH ROW WHEN {when} BEGIN"
            " INSERT INTO dids_release (number, client_id, released_at)"
            f" SELECT {row}.number, coalesce(client_id, 0), coalesce(at, {SQLITE_CLOCK}) FROM audit_current"
            f" LEFT JOIN clients_account ON clients_account.id = {row}.account_id WHERE true {_KEEP}; END",
        )
