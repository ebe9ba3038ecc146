"""The prefixes of numbers (all digits but the last four), maintained by triggers.

Numbers come in ranges, so many share a prefix, and the table is about a thousand times smaller than the
inventory. Triggers only add prefixes. Removing one would have to wait for every writer that adds a number
with it, and an unused prefix costs only one empty index lookup.
"""

from django.db import models

from audit import triggers

TAIL = 4  # digits of a number after its prefix


class NumberHead(models.Model):
    """A prefix: all but the last ``TAIL`` digits, or "" for shorter numbers. Only triggers write it.

    PostgreSQL may have duplicates, because concurrent writers don't wait for each other.
    """

    id = models.BigAutoField(primary_key=True)
    head = models.CharField(max_length=20)

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
            "(SELECT NEW.number) AS row_new",
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
  INSERT INTO dids_numberhead (head)
  SELECT n.head FROM (SELECT DISTINCT left(number, -{TAIL}) AS head FROM {source}) AS n
  WHERE NOT EXISTS (SELECT 1 FROM dids_numberhead AS h WHERE h.head = n.head);
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
            f" WHEN NOT EXISTS (SELECT 1 FROM dids_numberhead WHERE head = {head})"
            f" BEGIN INSERT INTO dids_numberhead (head) VALUES ({head}); END",
        )
