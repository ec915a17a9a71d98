"""Translatable texts and their catalog."""
