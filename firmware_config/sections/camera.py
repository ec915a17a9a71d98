"""Table [camera]: the camera to use."""

from pydantic import Field

from firmware_config.section import Section


class Camera(Section):
    """The camera to use."""

    uri: str = Field("auto", min_length=1)
    """Camera URI, as for --camera. "auto" selects the only attached camera."""
