"""``KIND:NAME?key=value&...``, as a device is named; and any URI without its passwords."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from edge_all.errors import UsageError

_SECRET = re.compile(r"([?&;][^=&;?]*(?:pass|pwd|token|secret|key|auth)[^=&;?]*=)[^&;#]*", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


@dataclass(frozen=True)
class DeviceUri:
    """kind:name with its options, as text."""

    kind: str
    name: str
    options: Mapping[str, str]

    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels. Raises UsageError."""
        text = self.options.get("size")
        if text is None:
            return None
        found = _SIZE.fullmatch(text)
        if found is None:
            raise UsageError(f"{self.kind}: size={text} is no size", "write it as size=1280x720")
        return int(found[1]), int(found[2])

    def number(self, name: str, low: float, high: float) -> float | None:
        """The value of an option. Raises UsageError."""
        text = self.options.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise UsageError(f"{self.kind}: {name}={text} cannot be", f"a number from {low:g} to {high:g}")
        return value


def parse_device_uri(uri: str, known: Mapping[str, str]) -> DeviceUri:
    """known: the options there are, and what they mean. Raises UsageError for others."""
    kind, _, rest = uri.partition(":")
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{kind}: has no option '{option}'", f"{hint}it has {', '.join(known)}")
    return DeviceUri(kind, name, options)


def without_passwords(uri: str) -> str:
    """For the record, the screen and messages: user, password and secrets of the query are left out."""
    return _SECRET.sub(r"\1***", _USER.sub("***@", uri))


def has_password(uri: str) -> bool:
    """Whether a URL names a password."""
    try:
        return bool(urlsplit(uri).password)
    except ValueError:
        return False
