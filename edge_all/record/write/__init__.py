"""Writing rows and pictures."""
