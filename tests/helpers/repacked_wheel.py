"""Another version of a wheel, with changed files: what an upgrade brings."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def repacked(wheel: Path, version: str, changes: Mapping[str, bytes], folder: Path) -> Path:
    """Return a new wheel. changes: contents by name in the wheel; each name must be there already."""
    name, old, *tags = wheel.name.split("-")
    out = folder / "-".join([name, version, *tags])
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as after:
        missing = set(changes) - set(before.namelist())
        if missing:
            raise ValueError(f"{wheel.name} holds no {', '.join(missing)}")
        moved = {n: n.replace(f"{name}-{old}.dist-info/", f"{name}-{version}.dist-info/") for n in before.namelist()}
        for item, target in moved.items():
            content = changes.get(item, before.read(item))
            if item.endswith(".dist-info/METADATA"):
                content = content.replace(f"Version: {old}\n".encode(), f"Version: {version}\n".encode(), 1)
            if item.endswith(".dist-info/RECORD"):
                content = "".join(f"{t},,\n" for t in moved.values()).encode()
            after.writestr(target, content)
    return out
