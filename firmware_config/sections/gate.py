"""[gate]: when a frame is no good field (docs/gate.md)."""

from pydantic import Field, ValidationInfo, field_validator

from firmware_config.section import Section


class Gate(Section):
    min_sharpness: float = Field(0.5, ge=0, le=10)
    """1 is in focus."""
    min_brightness: float = Field(60.0, ge=0, le=255)
    """Background level of the brightest channel."""
    max_brightness: float = Field(250.0, ge=0, le=255)
    """Background level of the darkest channel: where even that is clipped, stain is lost."""
    min_density: float = Field(0.02, ge=0, le=1)
    """Covered share of the area; less is empty."""
    max_density: float = Field(0.93, ge=0, le=1)
    """More is too thick to see single cells."""

    @field_validator("max_brightness", "max_density")
    @classmethod
    def _over_the_least(cls, value: float, info: ValidationInfo) -> float:
        lower = str(info.field_name).replace("max", "min")
        if lower in info.data and value <= info.data[lower]:
            raise ValueError(f"must be over {lower}, which is {info.data[lower]:g}: every frame would be skipped")
        return value
