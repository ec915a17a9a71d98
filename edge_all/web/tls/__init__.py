"""TLS certificates."""
