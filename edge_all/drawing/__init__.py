"""Markers on fields and contact sheets."""
