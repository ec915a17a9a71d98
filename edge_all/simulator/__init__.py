"""A blood smear drawn by code, and the optics that look at it."""
