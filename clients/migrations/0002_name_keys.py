from django.db import migrations, models

import clients.finding
from didmgmt.operations import RunPostgreSQL


def index_words(table):
    words = "to_tsvector('simple', translate(name, '_-./&(@', '       '))"
    return RunPostgreSQL(
        f"CREATE INDEX {table}_words ON {table} USING gin ({words})", f"DROP INDEX {table}_words"
    )


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]

    operations = [
        migrations.AddIndex(
            "account", models.Index(clients.finding.NameKey("name"), name="account_name_key")
        ),
        migrations.AddIndex("client", models.Index(clients.finding.NameKey("name"), name="client_name_key")),
        index_words("clients_account"),
        index_words("clients_client"),
    ]
