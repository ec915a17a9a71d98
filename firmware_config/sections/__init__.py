"""One file per table. To add a table, add a file here and a field in schema.py."""
