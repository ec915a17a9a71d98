"""Scoreboard: measured figures against their targets, ``make scores PART=...``."""
