"""Device settings as the rest of the program uses them, built from the layers of firmware_config."""

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
    """Limits outside of which the gate does not accept a frame as a good field."""

    min_sharpness: float = 0.5
    """Lowest sharpness measure (docs/gate.md); 1 is in focus."""
    min_brightness: float = 60.0
    """Lowest background level of the brightest channel, 0 to 255."""
    max_brightness: float = 250.0
    """Highest background level of the darkest channel, 0 to 255. If even that is clipped, stain is lost."""
    min_density: float = 0.02
    """Smallest covered share of the area, 0 to 1. A field with less is empty."""
    max_density: float = 0.93
    """Largest covered share of the area, 0 to 1. A field with more is too thick to show single cells."""


@dataclass(frozen=True)
class Profile:
    """Settings that detection and classification need. The defaults are those of the schema."""

    name: str = "default"
    camera: str = "auto"
    """Camera URI; "auto" selects the only attached camera."""
    um_per_px: float | None = None
    """Micrometers per pixel; None to measure them from the erythrocytes of each field."""
    objective: str = ""
    """Objective as noted with the session."""
    engine: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """Number of threads; 0 for all cores."""
    max_batch: int = 32
    build_memory_mib: int = 0
    """Memory limit of the TensorRT builder, MiB; 0 for its default."""
    queue_frames: int = 4
    gate: GateLimits = GateLimits()


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with the package."""
    from firmware_config.layers import shipped

    return shipped()


def load_settings(name_or_path: str | Path | None = None) -> Resolved:
    """Return every setting of a profile on this device with its source (docs/profiles.md).

    Args:
        name_or_path: Name of a shipped profile or path of a file; None for the device's own profile.

    Raises:
        ProfileError: when the profile is unknown, unreadable or has invalid settings.
    """
    # Importing pydantic takes 0.1 s on a small computer, so commands that need no profile do not pay for it.
    from firmware_config.problem import ConfigError
    from firmware_config.resolving import resolve

    try:
        return resolve(str(name_or_path) if name_or_path else None)
    except ConfigError as error:
        first, *more = error.problems
        also = f" (and {len(more)} more; run 'edge-all config check' to list them)" if more else ""
        raise ProfileError(first.message, f"{first.remedy}{also}") from error


def load_profile(name_or_path: str | Path | None = None) -> Profile:
    """Load a shipped profile by name or from a file; None loads the device's own. Raises ProfileError."""
    resolved = load_settings(name_or_path)
    return profile_of(resolved.name, resolved.settings)


def profile_of(name: str, settings: Settings) -> Profile:
    """Return the profile with the settings that detection and classification need."""
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
