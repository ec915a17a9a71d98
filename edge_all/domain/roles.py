"""The table of roles: what a user of the web pages may do."""

from __future__ import annotations

from collections.abc import Mapping

PERMISSIONS: Mapping[str, str] = {
    "viewer": "can only look",
    "reviewer": "can also give verdicts, approve sessions and control the running session",
    "admin": "can also delete pictures",
}
"""Permissions by role, in ascending order. Each role adds to the one before."""
ROLES = tuple(PERMISSIONS)


def rank(role: str) -> int:
    """Return the position of a role in the table; a higher one includes all lower ones."""
    return ROLES.index(role)
