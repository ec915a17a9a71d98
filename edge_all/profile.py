"""A device's settings: camera, optics, engine, limits; from a TOML file."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edge_all.errors import ProfileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class GateLimits:
    """When a frame is no good field."""

    min_sharpness: float = 0.5
    """Sharpness measure (docs/gate.md); 1 is in focus."""
    min_brightness: float = 60.0
    """Background level of the brightest channel, 0 to 255."""
    max_brightness: float = 250.0
    """Of the darkest channel: where even that is clipped, stain is lost."""
    min_density: float = 0.02
    """Covered share of the area; less is empty."""
    max_density: float = 0.93
    """More is too thick to see single cells."""


@dataclass(frozen=True)
class Profile:
    """Every setting has a default, so that an empty file is a profile."""

    name: str = "default"
    camera: str = "sim:"
    um_per_px: float | None = None
    """None: measured from the erythrocytes of the field."""
    engine: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """0: every core."""
    max_batch: int = 32
    build_memory_mib: int = 0
    """Limit of TensorRT's builder; 0: its own."""
    queue_frames: int = 4
    gate: GateLimits = GateLimits()


_TABLES: dict[str, dict[str, str]] = {
    "": {"camera": "camera"},
    "optics": {"um_per_px": "um_per_px"},
    "engine": {n: n for n in ("precision", "threads", "max_batch", "build_memory_mib")} | {"name": "engine"},
    "limits": {"queue_frames": "queue_frames"},
    "gate": {f.name: f.name for f in fields(GateLimits)},
}
_RANGES: dict[str, tuple[float, float]] = {
    "um_per_px": (0.01, 2.0),
    "threads": (0, 256),
    "max_batch": (1, 32),
    "build_memory_mib": (0, 1 << 20),
    "queue_frames": (1, 64),
    "min_sharpness": (0, 10),
    "min_brightness": (0, 255),
    "max_brightness": (0, 255),
    "min_density": (0, 1),
    "max_density": (0, 1),
}
_WHOLE = {"threads", "max_batch", "build_memory_mib", "queue_frames"}


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with the package."""
    import firmware_config

    return sorted(p.stem for p in firmware_config.PROFILES.glob("*.toml"))


def load_profile(name_or_path: str | Path | None = None) -> Profile:
    """A shipped profile by name, or a file. None: "default". Raises ProfileError."""
    import firmware_config

    named = str(name_or_path or "default")
    path = Path(named)
    if not path.suffix and "/" not in named:
        path = firmware_config.PROFILES / f"{named}.toml"
        if not path.is_file():
            near = difflib.get_close_matches(named, shipped_profiles(), 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ProfileError(
                f"there is no profile '{named}'",
                f"{hint}there are {', '.join(shipped_profiles())}, or name a .toml file",
            )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProfileError(f"cannot read the profile {path} ({reason})", "check the path and its rights") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{path} is no TOML ({error})", "mend that line") from error
    return _profile(content, path, text)


def _line(text: str, key: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if line.split("=")[0].strip().strip("[]\"'") == key:
            return number
    return 1


def _profile(content: dict[str, Any], path: Path, text: str) -> Profile:
    values: dict[str, Any] = {"name": path.stem}
    gate: dict[str, float] = {}

    def unknown(key: str, known: list[str]) -> ProfileError:
        near = difflib.get_close_matches(key, known, 1, 0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        return ProfileError(f"{path}, line {_line(text, key)}: unknown key '{key}'", f"{hint}known: {', '.join(known)}")

    for key, value in content.items():
        if isinstance(value, dict):
            if key not in _TABLES or not key:
                raise unknown(key, [*_TABLES[""], *(t for t in _TABLES if t)])
            for inner, item in value.items():
                if inner not in _TABLES[key]:
                    raise unknown(inner, list(_TABLES[key]))
                target = _TABLES[key][inner]
                checked = _checked(target, item, f"{path}, line {_line(text, inner)}: {key}.{inner}")
                if key == "gate":
                    gate[target] = checked
                else:
                    values[target] = checked
        elif key in _TABLES[""]:
            values[_TABLES[""][key]] = _checked(key, value, f"{path}, line {_line(text, key)}: {key}")
        else:
            raise unknown(key, [*_TABLES[""], *(t for t in _TABLES if t)])
    return Profile(**values, gate=GateLimits(**gate))


def _checked(name: str, value: Any, where: str) -> Any:
    if name not in _RANGES:
        if not isinstance(value, str) or not value:
            raise ProfileError(f"{where} must be text", 'write it in quotes, as "sim:"')
        return value
    low, high = _RANGES[name]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (name in _WHOLE and value != int(value)):
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ProfileError(f"{where} = {value!r} cannot be", f"{kind} from {low:g} to {high:g}")
    return int(value) if name in _WHOLE else float(value)
