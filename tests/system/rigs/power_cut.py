"""A virtual machine that writes a session and loses its power, again and again; its disk is kept.

The machine's root is this machine's own, read only; the disk is ext4 on an image behind rigs/lossy_disk.py, which
loses its write cache. The processor is emulated: nothing here tells a speed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.debian import needs_packages
from tests.system.rigs.lossy_disk import LossyDisk

ROOT = Path(__file__).resolve().parents[3]
_MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay", "crc32c_generic", "ext4")
_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose host /host || poweroff -f
mount -t tmpfs tmpfs /written
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/host,upperdir=/written/upper,workdir=/written/work overlay /newroot
mkdir -p /newroot/data
mount -t ext4 /dev/vda /newroot/data || poweroff -f
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev
exec switch_root /newroot /bin/sh -c 'cd @ROOT@; PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=@ROOT@ @PYTHON@ -u \
tests/system/rigs/power_cut_guest.py 2>&1; echo EDGE ended; sleep 100'
"""


@dataclass
class Cuts:
    """What was seen over all power cuts."""

    cuts: int = 0
    shown: int = 0
    lost_sectors: int = 0
    """Written by the guest and not flushed, when the power failed."""
    mended: int = 0
    """Boots whose start had something to mend."""
    faults: list[str] = field(default_factory=list)


def cut_often(times: int, seed: int, image_mib: int = 192) -> Cuts:
    """Each time: boot, look at what the session before left, write, power cut at random. One more boot looks."""
    kernel, initrd = _kernel_and_initrd()
    seen, chance = Cuts(), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        image, address = Path(scratch, "disk"), Path(scratch, "nbd")
        with image.open("wb") as file:
            file.truncate(image_mib << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", str(image)], check=True)
        disk = LossyDisk(image, address, chance)
        shown: dict[str, set[int]] = {}
        try:
            for boot in range(times + 1):
                disk.power_on()
                lines = _run(kernel, initrd, address, chance.uniform(1.0, 15.0) if boot < times else None, disk)
                _compare(boot, lines, shown, seen)
        finally:
            disk.close()
        seen.lost_sectors = disk.lost_sectors
    return seen


def _run(kernel: Path, initrd: Path, address: Path, after_s: float | None, disk: LossyDisk) -> list[str]:
    """One boot. after_s: the power fails so long after the session began; None: when it began."""
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", "1024",
        "-kernel", str(kernel), "-initrd", str(initrd),
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr",
        "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none",
        "-virtfs", "local,security_model=none,multidevs=remap,path=/,mount_tag=host,readonly=on",
        "-drive", f"file=nbd:unix:{address},format=raw,if=virtio,cache=writeback",
    ]  # fmt: skip
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


def _kernel_and_initrd() -> tuple[Path, Path]:
    folder = Path(os.environ.get("EDGE_ALL_RIGS", "/var/tmp/edge-all-rigs")) / "power-cut"
    kernel, initrd = folder / "vmlinuz", folder / "initrd"
    needs_packages(
        ["qemu-system-x86", "busybox-static", "cpio", "kmod", "e2fsprogs"],
        "/usr/bin/qemu-system-x86_64", "/usr/bin/busybox", "/usr/bin/cpio", "/usr/sbin/depmod", "/usr/sbin/mke2fs",
    )  # fmt: skip
    unpacked = folder / "package"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        depends = subprocess.run(
            ["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=True
        ).stdout
        (package,) = re.findall(r"Depends: (linux-image-\S+)", depends)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
        (archive,) = folder.glob("linux-image-*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        archive.unlink()
        (modules,) = (unpacked / "lib/modules").iterdir()
        subprocess.run(["depmod", "-b", str(unpacked), modules.name], check=True)
        shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), kernel)
    (modules,) = (unpacked / "lib/modules").iterdir()
    _write_initrd(folder / "root", modules, initrd)
    return kernel, initrd


def _write_initrd(root: Path, modules: Path, target: Path) -> None:
    """busybox, the modules in the order in which they must be loaded, and the first program."""
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "modules", "host", "written", "newroot"):
        (root / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", root / "bin/busybox")
    for name in ("sh", "mount", "insmod", "mkdir", "switch_root", "poweroff"):
        (root / "bin" / name).symlink_to("busybox")
    needs = dict(line.split(":", 1) for line in (modules / "modules.dep").read_text().splitlines())
    paths = {Path(p).stem: p for p in needs}
    order: list[str] = []
    for name in _MODULES:
        for path in [*reversed(needs[paths[name]].split()), paths[name]]:
            if path not in order:
                order.append(path)
                shutil.copy(modules / path, root / "modules")
    (root / "modules/order").write_text("\n".join(Path(p).name for p in order) + "\n")
    (root / "init").write_text(_INIT.replace("@ROOT@", str(ROOT)).replace("@PYTHON@", sys.executable))
    (root / "init").chmod(0o755)
    packed = subprocess.run(
        "find . | cpio --quiet -o -H newc | gzip -1", shell=True, cwd=root, capture_output=True, check=True
    )
    target.write_bytes(packed.stdout)
