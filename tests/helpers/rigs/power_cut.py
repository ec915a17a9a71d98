"""A virtual machine that writes a session and loses its power, again and again; its disk is kept.

The machine's root is this machine's own, read only; the disk is ext4 on an image behind rigs/lossy_disk.py, which
loses its write cache. The processor is emulated, so no timing here is meaningful.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.rigs.lossy_disk import LossyDisk
from tests.helpers.rigs.virtual_machine import VirtualMachine

ROOT = Path(__file__).resolve().parents[3]
_GUEST = (
    f"cd {ROOT}; PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={ROOT} {sys.executable} -u "
    "tests/helpers/rigs/power_cut_guest.py 2>&1; echo EDGE ended; sleep 100"
)
_MACHINE = VirtualMachine(
    "power-cut",
    Path("/"),
    f"-c '{_GUEST}'",
    mounts="mkdir -p /newroot/data\nmount -t ext4 /dev/vda /newroot/data || poweroff -f",
    modules=("virtio_blk", "crc32c_generic", "ext4"),
    root_never_changes=True,
    packages={"e2fsprogs": "/usr/sbin/mke2fs"},
)


@dataclass
class Cuts:
    """The results of all power cuts."""

    cuts: int = 0
    shown: int = 0
    lost_sectors: int = 0
    """Written by the guest and not flushed, when the power failed."""
    mended: int = 0
    """Boots whose start had something to repair."""
    faults: list[str] = field(default_factory=list)


def cut_often(times: int, seed: int, image_mib: int = 192) -> Cuts:
    """Each time: boot, look at what the session before left, write, power cut at random. One more boot looks."""
    seen, chance = Cuts(), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        image, address = Path(scratch, "disk"), Path(scratch, "nbd")
        drive = f"file=nbd:unix:{address},format=raw,if=virtio,cache=writeback"
        command = _MACHINE.command("-drive", drive, cpu="Nehalem", cores=1, memory_mib=1024)
        with image.open("wb") as file:
            file.truncate(image_mib << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", str(image)], check=True)
        disk = LossyDisk(image, address, chance)
        shown: dict[str, set[int]] = {}
        try:
            for boot in range(times + 1):
                disk.power_on()
                lines = _run(command, chance.uniform(1.0, 15.0) if boot < times else None, disk)
                _compare(boot, lines, shown, seen)
        finally:
            disk.close()
        seen.lost_sectors = disk.lost_sectors
    return seen


def _run(command: list[str], after_s: float | None, disk: LossyDisk) -> list[str]:
    """One boot. after_s: the power fails this many seconds after the session started; None: when it started."""
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert machine.stdout is not None
    watchdog = threading.Timer(1800, machine.kill)
    watchdog.start()
    lines: list[str] = []
    cut: threading.Timer | None = None

    def fail() -> None:
        disk.cut()
        machine.kill()

    try:
        for raw in machine.stdout:
            line = raw.decode(errors="replace").strip("\r\n")
            if "EDGE session" in line and cut is None:
                cut = threading.Timer(after_s or 0.0, fail)
                cut.start()
            lines.append(line)
    finally:
        watchdog.cancel()
        machine.kill()
        machine.wait()
        if cut is not None:
            cut.join()
    return lines


def _compare(boot: int, lines: list[str], shown: dict[str, set[int]], seen: Cuts) -> None:
    told = [m.group(1).split(" ") for line in lines if (m := re.search(r"EDGE (\S.*)$", line))]
    by_kind = {words[0]: words[1:] for words in told}
    if "session" not in by_kind:
        seen.faults.append(f"boot {boot} began no session: {lines[-3:]}")
        return
    if by_kind["damage"] != ["none"]:
        seen.faults.append(f"boot {boot}: {' '.join(by_kind['damage'])}")
    seen.mended += "mended" in by_kind
    if boot:
        seen.cuts += 1
        session, *there = by_kind.get("have", ["none"])
        _, *sent = by_kind.get("sent", ["none"])
        before = shown.get(session)
        if before is None:
            seen.faults.append(f"boot {boot}: the session before is not there")
        else:
            if lost := before - {int(n) for n in there}:
                seen.faults.append(f"boot {boot}: findings {sorted(lost)} of {session} were shown and are lost")
            if lost := before - {int(n) for n in sent}:
                seen.faults.append(f"boot {boot}: messages of {sorted(lost)} of {session} are lost")
        if by_kind.get("differ", ["0"]) != ["0"]:
            seen.faults.append(f"boot {boot}: {by_kind['differ'][0]} pictures or rows are alone")
    # A last line that the cut tore was not shown.
    numbers = {int(n) for words in told if words[0] == "shown" and words is not told[-1] for n in words[1:]}
    shown[by_kind["session"][0]] = numbers
    seen.shown += len(numbers)
