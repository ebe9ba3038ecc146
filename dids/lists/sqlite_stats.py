"""What SQLite's planner is told of the numbers: about how many rows an index gives.

Left alone it takes every index for a narrow one, and reads all numbers of an operator rather than those of
one account. ``ANALYZE`` would tell it the truth, and with small averages SQLite (3.40) then walks an index
past a list of values, in a way that forgets a condition on the column behind: ``number IN (…) AND id <= 16``
gave ids above 16. So the averages are ours, round and never small. PostgreSQL sees to all this by itself.
"""

from django.db import connection

FROM = 10_000  # numbers; a smaller inventory is read fast by any index
SIZE = 10_000_000  # numbers that there are said to be, so that plans are those of a large inventory
AVERAGES = {  # rows that an index gives for its first column, for its first two …
    "did_operator_status": (100_000, 20_000, 1),
    "did_status_number": (100_000, 1),
    "did_tag_set": (20_000, 1),
    "did_tag_status": (20_000, 5_000, 1),
    "did_account_status": (2_000, 1_000, 1),
    "did_client_package": (2_000, 1_000),
    "did_notes": (2_000, 1),
    "did_untagged": (1, 1),
    "did_unnoted": (1, 1),
    "sqlite_autoindex_dids_did_1": (1,),  # the unique one on number
}
OVERDUE = ("did_hold_due", "2000 1000")  # holds at all, and those that end at the same moment


def plan_quickly():
    """In this transaction; PostgreSQL would compile each statement of a chunk for longer than it runs."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")


def tell_planner(numbers):
    """Write the statistics, or none while there are few ``numbers``; returns whether that changed anything.

    For SQLite. Connections that are open read them when they next see that the schema has changed.
    """
    wanted = {}
    if numbers >= FROM:
        wanted = {index: " ".join(map(str, (SIZE, *rows))) for index, rows in AVERAGES.items()}
        wanted |= [OVERDUE]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
        there = {}
        if cursor.fetchone():
            cursor.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'dids_did'")
            there = dict(cursor.fetchall())
        if there == wanted:
            return False
        cursor.execute("ANALYZE sqlite_master")  # makes the table where there is none
        cursor.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'dids_did'")
        rows = [("dids_did", index, stat) for index, stat in wanted.items()]
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", rows)
        cursor.execute("ANALYZE sqlite_master")  # has them read
    return True
