"""Housekeeping: retention, deletion, disk usage."""
