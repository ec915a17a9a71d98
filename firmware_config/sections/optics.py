"""[optics]: what lies between smear and sensor."""

from pydantic import Field

from firmware_config.section import Section


class Optics(Section):
    um_per_px: float | None = Field(None, ge=0.01, le=2.0)
    """Micrometres of the smear in one pixel. Not set: measured from the erythrocytes of each field."""
