"""Synthetic blood smear, drawn by code, and the optics that view it."""
