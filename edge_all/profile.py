"""A device's settings as the rest of the program takes them; made from firmware_config's layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.errors import ProfileError

if TYPE_CHECKING:
    from firmware_config.resolving import Resolved
    from firmware_config.schema import Settings


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
    """What finding and judging need. Every setting has a default, the schema's."""

    name: str = "default"
    camera: str = "auto"
    """auto: the only one that is attached."""
    um_per_px: float | None = None
    """None: measured from the erythrocytes of the field."""
    objective: str = ""
    """As the session notes it."""
    engine: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """0: every core."""
    max_batch: int = 32
    build_memory_mib: int = 0
    """Limit of TensorRT's builder; 0: its own."""
    queue_frames: int = 4
    gate: GateLimits = GateLimits()


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with the package."""
    from firmware_config.layers import shipped

    return shipped()


def load_settings(name_or_path: str | Path | None = None) -> Resolved:
    """Every setting of a profile on this device (docs/profiles.md), with where it comes from. None: the device's
    own. Raises ProfileError."""
    # pydantic takes 0.1 s of a small computer to load: not for commands that need no profile.
    from firmware_config.problem import ConfigError
    from firmware_config.resolving import resolve

    try:
        return resolve(str(name_or_path) if name_or_path else None)
    except ConfigError as error:
        first, *more = error.problems
        also = f" (and {len(more)} more: edge-all config check tells)" if more else ""
        raise ProfileError(f"{first.where}: {first.what}", f"{first.remedy}{also}") from error


def load_profile(name_or_path: str | Path | None = None) -> Profile:
    """A shipped profile by name, or a file; None: the device's own. Raises ProfileError."""
    resolved = load_settings(name_or_path)
    return profile_of(resolved.name, resolved.settings)


def profile_of(name: str, settings: Settings) -> Profile:
    """What finding and judging take of a device's settings."""
    engine = settings.engine
    return Profile(
        name=name,
        camera=settings.camera.uri,
        um_per_px=settings.optics.um_per_px,
        objective=settings.optics.objective,
        engine=engine.name,
        precision=engine.precision,
        threads=engine.threads,
        max_batch=engine.max_batch,
        build_memory_mib=engine.build_memory_mib,
        queue_frames=settings.limits.queue_frames,
        gate=GateLimits(**settings.gate.model_dump()),
    )
