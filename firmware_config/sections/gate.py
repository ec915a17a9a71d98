"""Table [gate]: limits for accepting a frame as a good field (docs/gate.md)."""

from pydantic import Field, ValidationInfo, field_validator

from firmware_config.section import Section


class Gate(Section):
    """Limits for accepting a frame as a good field (docs/gate.md)."""

    min_sharpness: float = Field(0.5, ge=0, le=10)
    """Minimum sharpness; 1 is in focus."""
    min_brightness: float = Field(60.0, ge=0, le=255)
    """Minimum background level of the brightest channel (0 to 255)."""
    max_brightness: float = Field(250.0, ge=0, le=255)
    """Maximum background level of the darkest channel (0 to 255). If even that channel is clipped, stain is lost."""
    min_density: float = Field(0.02, ge=0, le=1)
    """Minimum covered fraction of the area. Below it, the field is empty."""
    max_density: float = Field(0.93, ge=0, le=1)
    """Maximum covered fraction of the area. Above it, the smear is too thick to show single cells."""

    @field_validator("max_brightness", "max_density")
    @classmethod
    def _over_the_least(cls, value: float, info: ValidationInfo) -> float:
        lower = str(info.field_name).replace("max", "min")
        if lower in info.data and value <= info.data[lower]:
            raise ValueError(
                f"must be greater than {lower} ({info.data[lower]:g}): otherwise every frame would be skipped"
            )
        return value
