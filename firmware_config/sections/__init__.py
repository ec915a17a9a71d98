"""One file a table. A new one is a file here and a field in schema.py."""
