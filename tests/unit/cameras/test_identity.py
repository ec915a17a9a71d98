"""The identity of a camera."""

from types import SimpleNamespace

import pytest

from edge_all.cameras.identity import identity_of


@pytest.mark.parametrize(
    ("camera", "identity"),
    [
        pytest.param(SimpleNamespace(uri="v4l2:/dev/video0", identity="SN 12"), "SN 12", id="its own serial"),
        pytest.param(SimpleNamespace(uri="v4l2:/dev/video0", identity=None), "v4l2:/dev/video0", id="none known"),
        pytest.param(SimpleNamespace(uri="slides/a"), "slides/a", id="a folder"),
        pytest.param(
            SimpleNamespace(uri="rtsp://ann:secret@10.0.0.9:554/a?x=1"), "rtsp://10.0.0.9:554/a?x=1", id="password"
        ),
        pytest.param(SimpleNamespace(uri="http://[half"), "http://[half", id="no address"),
    ],
)
def test_a_camera_is_known_by_its_serial_or_its_uri_never_by_a_password(camera, identity):
    assert identity_of(camera) == identity
