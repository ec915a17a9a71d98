"""Device URIs of the form ``KIND:NAME?key=value&...``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edge_all.errors import UsageError

_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


@dataclass(frozen=True)
class DeviceUri:
    """Parsed device URI: kind, name and options, all as text."""

    kind: str
    name: str
    options: Mapping[str, str]

    def size(self) -> tuple[int, int] | None:
        """Return the `size` option as width and height in pixels, or None if it is not set.

        Raises:
            UsageError: when it is not a valid size.
        """
        text = self.options.get("size")
        if text is None:
            return None
        found = _SIZE.fullmatch(text)
        if found is None:
            raise UsageError(f"{self.kind}: size={text} is not a valid size", "write it as size=1280x720")
        return int(found[1]), int(found[2])

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return the value of a numeric option, or None if it is not set.

        Raises:
            UsageError: when it is not a number from `low` to `high`.
        """
        text = self.options.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise UsageError(f"{self.kind}: {name}={text} is not valid", f"use a number from {low:.10g} to {high:.10g}")
        return value


def parse_device_uri(uri: str, known: Mapping[str, str]) -> DeviceUri:
    """Parse a device URI.

    Args:
        uri: The URI.
        known: Meaning of each supported option by name.

    Raises:
        UsageError: when the URI has an unknown option.
    """
    kind, _, rest = uri.partition(":")
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{kind}: has no option '{option}'", f"{hint}its options are {', '.join(known)}")
    return DeviceUri(kind, name, options)
