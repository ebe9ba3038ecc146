"""Django's PostgreSQL backend, for servers that are slow, frozen, restarted or behind a pooler."""
