"""Pattern marks: which numbers are special, such as repeats, ladders, mirrors and keypad words.

A rule looks at the end of a number alone, so it is stored as the *tails* that it marks (see
``dids.numbering.patterns``), and a number has the mark of the first rule with a tail that it ends in.

**Tails.** Each tail belongs to the first rule that has it. One that ends in a shorter tail of an earlier rule
is left out, since that rule decides; so *the longest tail that a number ends in is the one that counts*, and
nothing compares positions. ``write_tails`` stores them.

Nearly all numbers have no mark, so one lookup tells most of them: that of the last ``GATE`` digits, or of all
digits of a shorter number. Each such end of a number that may have a mark is stored as well, as a *gate*.

**Marks.** Only numbers with a mark have a row. Triggers write it when a number is created, gets other digits
or is deleted; a change of the rules is followed by a job (``dids.marks``). A mark follows from the digits and
the rules, so it has no history.

**Rules that change while numbers are written.** Every writer holds ``LOCK`` shared from the moment that it
reads the tails until its transaction ends, and who changes them holds it alone. So once a change of the rules
is committed, all marks by the former rules are as well, and the job finds them.
"""

from itertools import product
from operator import itemgetter
from zlib import crc32

from django.db import connection, models
from django.db.models import Case, F, Q, When

from audit import triggers
from clients.classes import CLASSES as NAMES
from clients.classes import UNMARKED
from didmgmt.statements import Statement
from dids.models.lookups import AmongIndexKeys
from dids.models.numbers import DID, NUMBER_MAX
from dids.numbering.patterns import (
    CLASSES,
    DIGITS,
    LADDER,
    LETTERS,
    PATTERN,
    PLACES,
    WORDS,
    TailBits,
    ends_of,
    tails,
)
from operators.models import Operator

LABELS = {one: NAMES[one] for one in CLASSES}
TAILS_MOST = 50_000  # of all rules
LOCK = crc32(b"tails of patterns") - 2**31
GATE = 4  # digits
AT_ONCE = 5_000  # tails in one statement


class PatternRule(models.Model):
    """One rule; that with the lowest ``position`` comes first.

    ``text``: the pattern or the length of the ladder; "" for the words of ``PatternWord``. ``position``: None
    for a rule that was deleted, until no number has its mark any more. Nobody sees such a mark.
    """

    MOST = 40

    id = models.BigAutoField(primary_key=True)
    position = models.PositiveSmallIntegerField(null=True)
    mark_class = models.CharField("Class", max_length=6, choices=list(LABELS.items()))
    kind = models.CharField(
        max_length=7, choices=[(PATTERN, "Pattern"), (LADDER, "Ladder"), (WORDS, "Words")]
    )
    text = models.CharField("Pattern", max_length=PLACES[-1], blank=True)
    name = models.CharField("Rule", max_length=60)

    class Meta:
        verbose_name = "pattern rule"
        default_permissions = ()
        permissions = [("change_patternrule", "Can change pattern rules")]
        constraints = [
            models.UniqueConstraint(
                fields=["position"], name="pattern_rule_position", condition=Q(position__isnull=False)
            )
        ]

    def __str__(self):
        return self.name

    @property
    def class_label(self):
        """The class in words, such as "Gold"."""
        return LABELS[self.mark_class]

    @property
    def is_words(self):
        return self.kind == WORDS


class PatternWord(models.Model):
    """A word, in capital letters, whose digits on a keypad a rule of words marks."""

    id = models.BigAutoField(primary_key=True)
    word = models.CharField(max_length=LETTERS[-1])

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["word"], name="pattern_word")]

    def __str__(self):
        return self.word


class PatternTail(models.Model):
    """The last digits of the numbers that a rule marks, if no longer tail does.

    ``length``: 0 for a gate that is no tail; its ``rule`` is that of some tail behind it.
    """

    id = models.BigAutoField(primary_key=True)
    tail = models.CharField(max_length=PLACES[-1])
    length = models.PositiveSmallIntegerField()
    rule = models.ForeignKey(PatternRule, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["tail"], name="pattern_tail")]
        indexes = [models.Index(fields=["length"], name="pattern_tail_length")]

    def __str__(self):
        return self.tail


class Mark(models.Model):
    """The rule that marks a number. Triggers write it, and the job that follows a change of the rules.

    ``number`` is that of the DID, so that an index has the numbers of a rule in their order.
    """

    did = models.OneToOneField(
        DID, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="mark"
    )
    rule = models.ForeignKey(
        PatternRule, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="marks"
    )
    number = models.CharField(max_length=NUMBER_MAX)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["rule", "number"], name="mark_rule")]

    def __str__(self):
        return f"{self.number} {self.rule_id}"


class MarkCount(models.Model):
    """How many numbers of an operator have the mark of a rule, and how many of them are In Stock.

    As of ``MarkState.counted_at``; the worker counts them.
    """

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(PatternRule, on_delete=models.CASCADE, related_name="counts")
    operator = models.ForeignKey(
        Operator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    numbers = models.BigIntegerField()
    in_stock = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"{self.rule_id} {self.operator_id}: {self.numbers}"


class MarkState(models.Model):
    """The one row about all rules. ``version`` counts their changes, so that nobody overwrites one unseen.

    ``tails_version``: the last one that changed the tails; ``marked_version``: the last one by whose tails a
    job has marked every number. ``counted_at``: when the marks were counted, None if they never were.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    version = models.PositiveIntegerField(default=0)
    tails_version = models.PositiveIntegerField(default=0)
    marked_version = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="mark_state_is_one")]

    def __str__(self):
        return f"version {self.version}"

    @property
    def is_marked(self):
        """Whether all numbers have the marks of the present rules."""
        return self.marked_version >= self.tails_version

    @classmethod
    def current(cls):
        return cls.objects.filter(pk=1).first() or cls()

    @classmethod
    def lock(cls):
        """Lock the row, which the first change of the rules inserts, and return it."""
        cls.objects.bulk_create([cls()], ignore_conflicts=True)
        return cls.objects.select_for_update(no_key=True).get(pk=1)


# --- rules


_in_force = Statement(lambda: PatternRule.objects.filter(position__isnull=False).order_by("position"))


def rules_in_force():
    """Return the ``PatternRule`` of every rule in order; one small query."""
    return _in_force.instances()


def all_words():
    """Return the words, sorted."""
    return list(PatternWord.objects.order_by("word").values_list("word", flat=True))


# --- conditions


def with_mark(dids):
    """Annotate ``mark_class``, ``mark_name`` and ``mark_rule``, the id, of its rule; None without one."""
    in_force = Q(mark__rule__position__isnull=False)
    return dids.annotate(
        mark_class=Case(When(in_force, then=F("mark__rule__mark_class"))),
        mark_name=Case(When(in_force, then=F("mark__rule__name"))),
        mark_rule=Case(When(in_force, then=F("mark__rule"))),
    )


def tail_bits(classes):
    """Return the ``TailBits`` of the numbers of ``classes`` (see ``clients.classes``); one query."""
    found = PatternTail.objects.filter(length__gt=0).values_list("tail", "rule__mark_class")
    return TailBits(((tail, one in classes) for tail, one in found), others=UNMARKED in classes)


def tail_length(number, rule):
    """Return how many digits at the end of ``number`` the ``rule`` marks it for, 0 for none; one query."""
    found = PatternTail.objects.filter(rule=rule, tail__in=ends_of(number), length__gt=0)
    return found.order_by("-length").values_list("length", flat=True).first() or 0


# --- tails


def compiled(rules, words):
    """Return {tail: the rule that it belongs to} of ``rules``, which are in order.

    The module says which tails are left out. Raises PatternError for a rule that can't be read.
    """
    found = {}
    for rank, rule in enumerate(rules):
        for tail in tails(rule.kind, rule.text, words if rule.is_words else ()):
            found.setdefault(tail, (rank, rule))
    return {tail: rule for tail, (rank, rule) in found.items() if not _is_decided(tail, rank, found)}


def _is_decided(tail, rank, found):
    """Return whether a shorter tail of an earlier rule decides about all numbers that end in ``tail``."""
    shorter = (found.get(tail[-length:]) for length in range(PLACES[0], len(tail)))
    return any(one and one[0] < rank for one in shorter)


def hold_tails(*, to_change=False):
    """Keep the tails as they are until the end of the transaction; SQLite has one writer at a time.

    ``to_change``: wait for all who hold them, and let others wait.
    """
    if connection.vendor == "postgresql":
        function = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, 0)", [LOCK])


def write_tails(wanted):
    """Store {tail: rule} in place of the tails there are; return whether that changes any.

    Waits until all transactions have ended that have written numbers, and lets others wait until this one
    ends: see the module.
    """
    hold_tails(to_change=True)
    stored = {tail: rest for tail, *rest in PatternTail.objects.values_list("tail", "length", "rule")}
    rows = {tail: [0, rule.pk] for tail, rule in _gates(wanted).items()}
    rows |= {tail: [len(tail), rule.pk] for tail, rule in wanted.items()}
    gone = [tail for tail in stored if tail not in rows]
    for start in range(0, len(gone), AT_ONCE):
        PatternTail.objects.filter(tail__in=gone[start : start + AT_ONCE]).delete()
    changed = sorted(tail for tail, row in rows.items() if stored.get(tail) != row)
    PatternTail.objects.bulk_create(
        [PatternTail(tail=tail, length=rows[tail][0], rule_id=rows[tail][1]) for tail in changed],
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["tail"],
        update_fields=["length", "rule"],
    )
    return {tail: row for tail, row in stored.items() if row[0]} != {tail: rows[tail] for tail in wanted}


def _gates(wanted):
    """Return {gate: the rule of a tail behind it} of {tail: rule}."""
    gates = {}
    for tail, rule in sorted(wanted.items(), key=itemgetter(0)):
        gates[tail[-GATE:]] = rule
        for more in range(1, GATE - len(tail) + 1):
            gates |= {"".join(digits) + tail: rule for digits in product(DIGITS, repeat=more)}
    return gates


# --- marks that follow a change of the rules


def marks_wanted(numbers):
    """Return the SQL of the marks (did_id, rule_id, number) that ``numbers`` should have.

    ``numbers``: SQL of rows with id and number, such as a table or a subquery, with an alias.
    """
    if connection.vendor == "postgresql":
        return _postgresql_wanted(numbers)
    rule = _rule_of("number")
    return (
        f"SELECT id AS did_id, {rule} AS rule_id, number FROM {numbers}"
        f" WHERE {_has_gate('number')} AND rule_id IS NOT NULL"
    )


def mark_again(after, most):
    """Give the marks of the present rules to the first ``most`` numbers with ids above ``after``.

    Return (the last id, how many numbers there were); (None, 0) at the end. Call it in a transaction, after
    ``hold_tails``. Only numbers whose mark changes are locked; all others have it already, or get it from
    who is writing them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(id), count(*) FROM"
            " (SELECT id FROM dids_did WHERE id > %s ORDER BY id LIMIT %s) AS did",
            [after, most],
        )
        last, count = cursor.fetchone()
        if not count:
            return None, 0
        some = "(SELECT id, number FROM dids_did WHERE id > %s AND id <= %s) AS did"
        cursor.execute(
            f"""
            SELECT DISTINCT did_id FROM (
                SELECT did_id, rule_id FROM ({marks_wanted(some)}) AS wanted
                UNION ALL SELECT did_id, rule_id FROM dids_mark WHERE did_id > %s AND did_id <= %s
            ) AS both_marks
            GROUP BY did_id, rule_id HAVING count(*) = 1""",
            [after, last, after, last],
        )
        _write_marks(cursor, [pk for (pk,) in cursor])
    return last, count


def _write_marks(cursor, ids):
    if not ids:
        return
    numbers = DID.objects.filter(pk__among=ids)
    if connection.vendor == "postgresql":
        list(numbers.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk"))
    Mark.objects.filter(AmongIndexKeys("did_id", ids)).delete()
    # A statement of its own, which reads the numbers as they are once they are locked
    sql, params = numbers.order_by().values("id", "number").query.sql_with_params()
    wanted = marks_wanted(f"({sql}) AS did")
    cursor.execute(f"INSERT INTO dids_mark (did_id, rule_id, number) {wanted}", params)


# --- triggers


def _postgresql_wanted(numbers):
    lengths = (
        f"(SELECT length FROM generate_series({PLACES[0]}, {PLACES[-1]}) AS every(length)"
        " WHERE EXISTS (SELECT FROM dids_patterntail AS one WHERE one.length = every.length)) AS used"
    )
    return (
        "SELECT DISTINCT ON (did.id) did.id AS did_id, tail.rule_id, did.number"
        f" FROM {numbers} JOIN dids_patterntail AS gate ON gate.tail = right(did.number, {GATE})"
        f" CROSS JOIN {lengths} JOIN dids_patterntail AS tail"
        " ON tail.tail = right(did.number, used.length) AND tail.length > 0"
        " ORDER BY did.id, tail.length DESC"
    )


def _rule_of(number):
    """Return SQLite's expression for the rule of the longest tail that ``number`` ends in; NULL for none."""
    found = (
        f"(SELECT rule_id FROM dids_patterntail WHERE tail = substr({number}, -{length}) AND length > 0)"
        for length in reversed(PLACES)
    )
    return f"coalesce({', '.join(found)})"


def _has_gate(number):
    """Return SQLite's condition for numbers that may have a mark."""
    return f"EXISTS (SELECT 1 FROM dids_patterntail WHERE tail = substr({number}, -{GATE}))"


@triggers.register
def mark_triggers(vendor):
    return list(_postgresql() if vendor == "postgresql" else _sqlite())


def _postgresql():
    # UPDATE OF a column can't have a transition table, so other digits are handled row by row.
    def mark(rows):
        return f"""PERFORM pg_advisory_xact_lock_shared({LOCK}, 0);
  IF EXISTS (SELECT FROM dids_patterntail) THEN
    INSERT INTO dids_mark (did_id, rule_id, number)
    {_postgresql_wanted(rows)};
  END IF;"""

    for event, on, steps in (
        (
            "insert",
            "INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT",
            mark("rows_new AS did"),
        ),
        (
            "update",
            "UPDATE OF number ON dids_did FOR EACH ROW WHEN (OLD.number <> NEW.number)",
            "DELETE FROM dids_mark WHERE did_id = OLD.id;\n  " + mark("(SELECT NEW.id, NEW.number) AS did"),
        ),
        (
            "delete",
            "DELETE ON dids_did REFERENCING OLD TABLE AS rows_old FOR EACH STATEMENT",
            "DELETE FROM dids_mark WHERE did_id IN (SELECT id FROM rows_old);",
        ),
    ):
        name = f"dids_mark_{event}"
        yield triggers.Trigger(
            name,
            "dids_did",
            f"CREATE TRIGGER {name} AFTER {on} EXECUTE FUNCTION {name}()",
            name,
            f"\nBEGIN\n  {steps}\n  RETURN NULL;\nEND\n",
            needs="dids_mark",
        )


def _sqlite():
    rule, gate = _rule_of("NEW.number"), _has_gate("NEW.number")
    insert = (
        " INSERT INTO dids_mark (did_id, rule_id, number) SELECT NEW.id, rule_id, NEW.number"
        f" FROM (SELECT {rule} AS rule_id) WHERE rule_id IS NOT NULL"
    )
    delete = " DELETE FROM dids_mark WHERE did_id = OLD.id;"
    for event, on, steps in (
        ("insert", f"INSERT ON dids_did FOR EACH ROW WHEN {gate}", f"{insert};"),
        (
            "update",
            "UPDATE OF number ON dids_did FOR EACH ROW WHEN OLD.number <> NEW.number",
            f"{delete}{insert};",
        ),
        ("delete", "DELETE ON dids_did FOR EACH ROW", delete),
    ):
        name = f"dids_mark_{event}"
        sql = f"CREATE TRIGGER {name} AFTER {on} BEGIN{steps} END"
        yield triggers.Trigger(name, "dids_did", sql, needs="dids_mark")
