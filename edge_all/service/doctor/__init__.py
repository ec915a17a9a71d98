"""Checks of this machine, with remedies for what does not work."""
