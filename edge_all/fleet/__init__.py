"""Many microscopes, one laboratory: the collector on a server. Alone here PostgreSQL is known."""
