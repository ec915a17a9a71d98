"""install.sh and the unit in a booted Debian. Twelve minutes on two cores, most of them pip's; a gigabyte of memory."""

import pytest

from tests.helpers import service_walk
from tests.helpers.nspawn import why_not


@pytest.fixture(scope="module")
def device():
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with service_walk.device() as container:
        yield container


@pytest.mark.parametrize("step", service_walk.STEPS, ids=lambda step: step.__name__)
def test_the_device_passes_each_step(device, step):
    seen = step(device)
    missing = [what for what, was in seen.items() if not was]
    assert seen
    assert not missing, f"{missing}\n{device.shell('journalctl -u edge-all --no-pager -n 60')}"
