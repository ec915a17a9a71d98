"""Identity of the camera whose calibration a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_all.calibration.store import CalibrationStore


def identity_by_uri(store: CalibrationStore, uri: str) -> str:
    """Return the camera's identity for a stored name or a URI.

    The camera need not be attached. It is started only if its URI alone does not identify a stored calibration.
    """
    from edge_all.cameras.identity import identity_of, identity_of_uri
    from edge_all.cameras.opening import open_camera
    from edge_all.errors import EdgeAllError

    known = {c.camera for c in store.all()}
    if uri in known:
        return uri
    try:
        camera = open_camera(uri)
        if identity_of(camera) not in known and camera.live:
            with camera:
                return identity_of(camera)
        return identity_of(camera)
    except EdgeAllError:
        return identity_of_uri(uri)
