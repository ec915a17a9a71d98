"""Rows about the classifier of kinds."""
