"""The SQLite database: connection, tables, migrations, integrity, backup."""
