"""The rigs of the slow tests, which the fast tests do not run."""

import pytest

from tests.e2e import test_picamera2
from tests.faults import test_v4l2_unplugged


@pytest.mark.parametrize(
    "path",
    [test_picamera2.RIGS / "picamera_session.py", test_v4l2_unplugged.RIGS / "vivid_guest.py"],
    ids=lambda path: path.name,
)
def test_the_slow_tests_find_what_they_run_in_a_guest(path):
    assert path.is_file()
