"""[camera]: which camera."""

from pydantic import Field

from firmware_config.section import Section


class Camera(Section):
    uri: str = Field("auto", min_length=1)
    """As after --camera; auto: the only one that is attached."""
