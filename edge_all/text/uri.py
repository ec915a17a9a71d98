"""Addresses without their secrets, for the record, the screen and messages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_MASK = "***"
_SECRET = re.compile(r"([?&;][^=&;?]*(?:pass|pwd|token|secret|key|auth)[^=&;?]*=)[^&;#]*", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=://)[^/?#\s@:]+:(?!\d+(?:[/?#]|\s|$))[^\s@]*@")
"""User and password in front of a host, where the password may contain / ? and # by mistake. A port is not one."""
_USER = re.compile(r"(?<=://)[^/?#\s]*@")


def redacted(text: str) -> str:
    """Return an address, or a text that contains addresses, with users, passwords and secrets masked by ``***``.

    Masked are the part before the host (USER:PASSWORD@) and the values of keys of the query whose name contains pass,
    pwd, token, secret, key or auth.
    """
    return _SECRET.sub(rf"\1{_MASK}", _USER.sub(f"{_MASK}@", _PASSWORD.sub(f"{_MASK}@", text)))


def without_user(uri: str) -> str:
    """Return a redacted address without the part before its host, so that it does not change with the password."""
    uri = redacted(uri)
    try:
        parts = urlsplit(uri)
    except ValueError:  # not a URL, but a file may have such a name
        return uri
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def has_password(uri: str) -> bool:
    """Return True if a URL contains a password."""
    try:
        return bool(urlsplit(uri).password)
    except ValueError:
        return False
