"""The report of a session: contents, sections, formats."""
