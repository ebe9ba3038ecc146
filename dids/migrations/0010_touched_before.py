"""What changes before this one touched, by branch and kind of thing."""

from django.db import migrations

# (kind, its history, the column that tells the branch, the table and history of what has the branch or None)
KINDS = [
    ("reseller", "clients_resellerhistory", "object_id", None),
    ("client", "clients_clienthistory", "reseller_id", None),
    ("account", "clients_accounthistory", "client_id", "clients_client"),
    ("package", "clients_packagehistory", "reseller_id", None),
    ("operator", "operators_operatorhistory", "reseller_id", None),
    ("clientpackage", "dids_clientpackagehistory", "package_id", "clients_package"),
    ("did", "dids_didhistory", "operator_id", "operators_operator"),
]


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for kind, past, column, via in KINDS:
            owners, reseller = "", "g.owner"
            if via:
                reseller = "o.reseller_id"
                owners = (
                    f"LEFT JOIN (SELECT id, reseller_id FROM {via} UNION ALL"
                    f" SELECT object_id, reseller_id FROM {via}history AS p WHERE history_id ="
                    f" (SELECT max(history_id) FROM {via}history WHERE object_id = p.object_id AND event = '-')"
                    f" AND NOT EXISTS (SELECT 1 FROM {via} WHERE id = p.object_id)) AS o ON o.id = g.owner"
                )
            cursor.execute(
                'INSERT INTO audit_touched (change_id, at, action, kind, reseller_id, "rows")'
                f" SELECT c.id, c.at, c.kind, '{kind}', {reseller}, sum(g.n) FROM (SELECT change_id, {column} AS owner,"
                f" count(*) AS n FROM {past} WHERE change_id IS NOT NULL GROUP BY change_id, {column}) AS g"
                f" JOIN audit_change AS c ON c.id = g.change_id {owners} GROUP BY c.id, c.at, c.kind, {reseller}"
            )


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0007_touched"),
        ("clients", "0002_outside"),
        ("operators", "0002_outside"),
        ("dids", "0009_outside"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
