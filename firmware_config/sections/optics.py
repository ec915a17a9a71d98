"""[optics]: what lies between smear and sensor."""

from pydantic import Field

from firmware_config.section import Section


class Optics(Section):
    objective: str = Field("", max_length=80)
    """Which objective it is, as "100x/1.25 oil": stands in every session and its report. It sets no scale."""
    um_per_px: float | None = Field(None, ge=0.01, le=2.0)
    """Micrometres of the smear in one pixel. Not set: measured from the erythrocytes of each field."""
