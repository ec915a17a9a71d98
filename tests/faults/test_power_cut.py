"""A virtual machine that loses its power in the middle of sessions boots again with everything that was shown."""

import os
import random
import socket
import struct
import tempfile
from pathlib import Path

import pytest

from tests.helpers.rigs.lossy_disk import LossyDisk
from tests.helpers.rigs.power_cut import cut_often

pytestmark = pytest.mark.timeout(14400)
TIMES = int(os.environ.get("EDGE_ALL_POWER_CUTS", "3"))
"""The scoreboard cuts it 30 times."""


def test_every_finding_that_was_shown_is_there_after_the_power_failed():
    if os.geteuid() != 0:
        pytest.skip("the machine's root is this machine's own, which only root can read whole")
    seen = cut_often(TIMES, seed=3)
    assert seen.faults == []
    assert seen.cuts == TIMES
    assert seen.shown > 0


def test_the_disk_does_lose_what_was_not_flushed():
    """Else the test above could not fail."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "disk")
        image.write_bytes(bytes(1 << 20))
        disk = LossyDisk(image, Path(scratch, "nbd"), random.Random(1))
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(Path(scratch, "nbd")))
        client.recv(18)
        client.sendall(struct.pack(">I", 3) + struct.pack(">QII", 0x49484156454F5054, 1, 0))
        client.recv(10)

        def ask(kind, offset=0, length=0, data=b""):
            client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 1, offset, length) + data)
            answer = b""
            while len(answer) < 16 + (length if kind == 0 else 0):
                answer += client.recv(1 << 20)
            return answer[16:]

        for n in range(64):
            ask(1, n * 512, 512, b"a" * 512)
        ask(3)
        for n in range(64):
            ask(1, (64 + n) * 512, 512, b"b" * 512)
        assert ask(0, 64 * 512, 512) == b"b" * 512
        disk.cut()
        kept = image.read_bytes()
        disk.close()
    assert kept[: 64 * 512] == b"a" * 64 * 512
    assert 10 < disk.lost_sectors < 54
    assert kept.count(b"b" * 512) >= 10
