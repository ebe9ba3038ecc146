"""The prefixes of numbers (all digits but the last four), maintained by triggers.

Numbers come in ranges, so many share a prefix, and the table is about a thousand times smaller than the
inventory. Triggers only add prefixes, once for the first number and again for one with a lower id. Removing
one would have to wait for every writer that adds a number with it, and an unused prefix costs only one empty
index lookup.
"""

from django.db import models

from audit import triggers
from dids.numbering.free_runs import TAIL

AFTER_DIGITS = ":"  # sorts after every digit, so a prefix with it ends the range of its numbers


class NumberHead(models.Model):
    """A prefix: all but the last ``TAIL`` digits, or "" for shorter numbers. Only triggers write it.

    PostgreSQL may have duplicates, because concurrent writers don't wait for each other. ``first_id``: no
    number that has or had the prefix has a lower id than the lowest one of its rows; None if that is unknown.
    """

    id = models.BigAutoField(primary_key=True)
    head = models.CharField(max_length=20)
    first_id = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["head"], name="number_head")]

    def __str__(self):
        return self.head


# --- triggers


@triggers.register
def head_triggers(vendor):
    return list(_postgresql() if vendor == "postgresql" else _sqlite())


def _postgresql():
    # One lookup per statement and prefix. UPDATE OF a column can't have a transition table, so updates
    # are handled row by row; numbers hardly ever change.
    for event, on, source in (
        ("insert", "INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT", "rows_new"),
        (
            "update",
            "UPDATE OF number ON dids_did FOR EACH ROW WHEN (OLD.number <> NEW.number)",
            "(SELECT NEW.number, NEW.id) AS row_new",
        ),
    ):
        name = f"dids_numberhead_{event}"
        yield triggers.Trigger(
            name,
            "dids_did",
            f"CREATE TRIGGER {name} AFTER {on} EXECUTE FUNCTION {name}()",
            name,
            f"""
BEGIN
  INSERT INTO dids_numberhead (head, first_id)
  SELECT n.head, n.first_id
  FROM (SELECT left(number, -{TAIL}) AS head, min(id) AS first_id FROM {source} GROUP BY 1) AS n
  WHERE NOT EXISTS (SELECT 1 FROM dids_numberhead AS h WHERE h.head = n.head AND h.first_id <= n.first_id);
  RETURN NULL;
END
""",
        )


def _sqlite():
    head = f"substr(NEW.number, 1, max(length(NEW.number) - {TAIL}, 0))"
    for event, on in (("insert", "INSERT"), ("update", "UPDATE OF number")):
        name = f"dids_numberhead_{event}"
        yield triggers.Trigger(
            name,
            "dids_did",
            f"CREATE TRIGGER {name} AFTER {on} ON dids_did FOR EACH ROW"
            f" WHEN NOT EXISTS (SELECT 1 FROM dids_numberhead WHERE head = {head} AND first_id <= NEW.id)"
            f" BEGIN INSERT INTO dids_numberhead (head, first_id) VALUES ({head}, NEW.id); END",
        )
