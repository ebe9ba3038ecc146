"""Hand-written sqlite_stat1 figures for the table of numbers: average rows per index key.

Without statistics SQLite assumes that every index is selective, and scans all numbers of an operator rather
than those of one account. ``ANALYZE`` would measure averages, but with small ones SQLite (3.40) seeks a list
of values in a way that ignores a condition on the next column: ``number IN (…) AND id <= 16`` returned ids
above 16. So these averages are fixed, rounded and never small. PostgreSQL needs none of this.
"""

from django.db import connection, transaction

FROM = 10_000  # numbers; any index is fast enough for a smaller inventory
SIZE = 10_000_000  # rows claimed for the table, so that it is planned as a large inventory
AVERAGES = {  # rows for one value of an index's first column, of its first two, and so on
    "did_operator_status": (100_000, 20_000, 1),
    "did_status_number": (100_000, 1),
    "did_tag_set": (20_000, 1),
    "did_tag_status": (20_000, 5_000, 1),
    "did_account_status": (2_000, 1_000, 1),
    "did_client_package": (2_000, 1_000),
    "did_notes": (2_000, 1),
    "sqlite_autoindex_dids_did_1": (1,),  # the unique one on number
}
# partial index: all holds, those with the same end, and so on
HOLD_END = ("did_hold_end", "2000 1000 1000 500 200")


def write_statistics(numbers):
    """Write the statistics to SQLite, or remove them below ``FROM`` numbers; return whether they changed.

    Open connections reload them when they next notice that the schema has changed.
    """
    wanted = {}
    if numbers >= FROM:
        wanted = {index: " ".join(map(str, (SIZE, *rows))) for index, rows in AVERAGES.items()}
        wanted |= [HOLD_END]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
        current = {}
        if cursor.fetchone():
            cursor.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'dids_did'")
            current = dict(cursor.fetchall())
    if current == wanted:
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE sqlite_master")  # creates the table if it is missing
        cursor.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'dids_did'")
        rows = [("dids_did", index, stat) for index, stat in wanted.items()]
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", rows)
        cursor.execute("ANALYZE sqlite_master")  # reloads them
    return True
