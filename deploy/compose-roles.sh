#!/bin/sh
# Run by the image of PostgreSQL when it makes the database: the role of web processes and workers.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --set password="$APP_PASSWORD" <<'SQL'
CREATE ROLE did_app LOGIN PASSWORD :'password';
SQL
