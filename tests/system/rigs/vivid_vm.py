"""A virtual machine with Debian's kernel and vivid, its Video4Linux test driver: a camera that can really be unplugged.

The processor is emulated (qemu): nothing here tells a speed. The root is the camera tree, read only, under a memory
file system; what the guest leaves in /out comes back.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.system.debian import needs_packages
from tests.system.rigs.camera_tree import rigs

_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "vivid")
_MAIN = """/opt/venv/bin/python -u /out/guest.py > /out/guest.log 2>&1
sync
echo o > /proc/sysrq-trigger
sleep 60
"""
_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module options; do insmod /modules/$module $options; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro tree /tree || poweroff -f
mount -t tmpfs tmpfs /written
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/tree,upperdir=/written/upper,workdir=/written/work overlay /newroot
mkdir -p /newroot/out
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 out /newroot/out
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev
ip link set lo up
exec switch_root /newroot /bin/sh /out/main.sh
"""


def run_in_guest(tree: Path, guest: Path, out: Path, timeout_s: float) -> str:
    """Runs a Python file in the machine and waits for its end. Gives what it printed."""
    kernel, initrd = _kernel_and_initrd()
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(guest, out / "guest.py")
    (out / "main.sh").write_text(_MAIN)
    share = "local,security_model=none,multidevs=remap"
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048",
        "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 no_timer_check",
        "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none",
        "-virtfs", f"{share},path={tree},mount_tag=tree,readonly=on",
        "-virtfs", f"{share},path={out},mount_tag=out",
    ]  # fmt: skip
    with (out / "console.log").open("w") as console:
        subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                       timeout=timeout_s, check=False)  # fmt: skip
    log = out / "guest.log"
    return log.read_text() if log.exists() else f"the guest did not start: {(out / 'console.log').read_text()[-2000:]}"


def _kernel_and_initrd() -> tuple[Path, Path]:
    folder = rigs() / "vivid-vm"
    kernel, initrd = folder / "vmlinuz", folder / "initrd"
    needs_packages(
        ["qemu-system-x86", "busybox-static", "cpio", "kmod"],
        "/usr/bin/qemu-system-x86_64", "/usr/bin/busybox", "/usr/bin/cpio", "/usr/sbin/depmod",
    )  # fmt: skip
    if initrd.exists():
        return kernel, initrd
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / "package"
    if not unpacked.exists():
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
    _write_initrd(folder / "root", modules, initrd)
    shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), kernel)
    shutil.rmtree(unpacked)
    return kernel, initrd


def _write_initrd(root: Path, modules: Path, target: Path) -> None:
    """busybox, the modules in the order in which they must be loaded, and the first program."""
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "modules", "tree", "written", "newroot"):
        (root / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", root / "bin/busybox")
    for name in ("sh", "mount", "insmod", "mkdir", "switch_root", "ip", "poweroff"):
        (root / "bin" / name).symlink_to("busybox")
    needs = dict(line.split(":", 1) for line in (modules / "modules.dep").read_text().splitlines())
    paths = {Path(p).stem: p for p in needs}
    order: list[str] = []
    for name in _MODULES:
        for path in [*reversed(needs[paths[name]].split()), paths[name]]:
            if path not in order:
                order.append(path)
                shutil.copy(modules / path, root / "modules")
    # One device, video capture alone.
    options = {"vivid": "n_devs=1 node_types=0x1"}
    lines = [f"{Path(p).name} {options.get(Path(p).stem, '')}".strip() for p in order]
    (root / "modules/order").write_text("\n".join(lines) + "\n")
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    packed = subprocess.run(
        "find . | cpio --quiet -o -H newc | gzip -1", shell=True, cwd=root, capture_output=True, check=True
    )
    target.write_bytes(packed.stdout)
