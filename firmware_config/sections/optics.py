"""Table [optics]: the optics between smear and sensor."""

from pydantic import Field

from firmware_config.section import Section


class Optics(Section):
    """The optics between smear and sensor."""

    objective: str = Field("", max_length=80)
    """Objective, such as "100x/1.25 oil". It is recorded in every session and shown in its report. It sets no scale."""
    um_per_px: float | None = Field(None, ge=0.01, le=2.0)
    """Scale in micrometers of the smear per pixel. If not set, it is measured from the erythrocytes of each field."""
