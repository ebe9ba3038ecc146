"""Read from history which numbers clients have left within the longest minimum hold there can be.

Releases since the triggers exist are kept: they are later.
"""

from django.db import migrations

_IN_USE = "('active', 'blocked')"
_FROM_HISTORY = f"""
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT number, client_id, at FROM (
        SELECT past.number, coalesce(account.client_id, 0) AS client_id, past.left_at AS at,
               row_number() OVER (PARTITION BY past.number ORDER BY past.left_at DESC, past.history_id DESC) AS nth
        FROM (
            SELECT number, history_id, event, status, account_id, lead(at) OVER life AS left_at,
                   lead(event) OVER life AS next_event, lead(status) OVER life AS next_status,
                   lead(account_id) OVER life AS next_account
            FROM dids_didhistory WINDOW life AS (PARTITION BY object_id ORDER BY history_id)
        ) AS past
        LEFT JOIN clients_account AS account ON account.id = past.account_id
        WHERE past.event <> '-' AND past.status IN {_IN_USE} AND past.left_at IS NOT NULL
          AND (past.next_event = '-' OR past.next_status NOT IN {_IN_USE}
               OR past.next_account <> past.account_id)
    ) AS releases
    WHERE nth = 1
    ON CONFLICT (number) DO NOTHING
"""
_OF_HOLDS = """
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT did.number, account.client_id, did.hold_from
    FROM dids_did AS did JOIN clients_account AS account ON account.id = did.account_id
    WHERE did.status = 'hold'
    ON CONFLICT (number) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0021_ageing_triggers"), ("dids", "0023_ageing")]
    operations = [
        migrations.RunSQL([_FROM_HISTORY, _OF_HOLDS], migrations.RunSQL.noop),
    ]
