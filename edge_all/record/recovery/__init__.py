"""Startup checks, repair, rebuild and salvage of a record."""
