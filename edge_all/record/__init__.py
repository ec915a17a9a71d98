"""Record of sessions in SQLite with pictures: writing, reading, recovery and maintenance."""
