"""Debian's kernel in qemu, with a first program of our own that makes a folder of this machine its root.

The processor is emulated, so no timing here is meaningful. The root is read only, under a memory file system.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.debian import needs_packages
from tests.helpers.rigs.camera_tree import rigs

_APPLETS = ("sh", "mount", "insmod", "mkdir", "switch_root", "ip", "poweroff")
_ALWAYS = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module options; do insmod /modules/$module $options; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288@ROOT_OPTIONS@ root /root || poweroff -f
mount -t tmpfs tmpfs /written
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/root,upperdir=/written/upper,workdir=/written/work overlay /newroot
@MOUNTS@
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev
ip link set lo up
exec switch_root /newroot /bin/sh @MAIN@
"""


@dataclass(frozen=True)
class VirtualMachine:
    """The parts of a virtual machine. Its kernel is unpacked once; its first program is written each time."""

    name: str
    root: Path
    main: str
    """The arguments of the root's shell: a file, or -c and a quoted command."""
    mounts: str = ""
    """Lines of the first program that mount more, below /newroot."""
    modules: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of modules, by name."""
    root_never_changes: bool = False
    """While it runs: what was read of it is kept."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Debian's packages that are needed besides qemu's: one file of each, by package."""

    def command(self, *more: str, cpu: str, cores: int, memory_mib: int) -> list[str]:
        """To be run; it ends when the machine does. more: qemu's options for other devices."""
        kernel, initrd = self._kernel_and_initrd()
        return [
            "qemu-system-x86_64", "-accel", "tcg" if cores == 1 else "tcg,thread=multi", "-cpu", cpu,
            "-smp", str(cores), "-m", str(memory_mib), "-kernel", str(kernel), "-initrd", str(initrd),
            # An emulated timer is late on a busy machine: the kernel's own check of it would end in a panic.
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check",
            "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none",
            *shared(self.root, "root", readonly=True), *more,
        ]  # fmt: skip

    def _kernel_and_initrd(self) -> tuple[Path, Path]:
        package = _unpacked_kernel(self.packages)
        (modules,) = (package / "lib/modules").iterdir()
        folder = rigs() / self.name
        self._write_initrd(folder / "root", modules, folder / "initrd")
        return next((package / "boot").glob("vmlinuz-*")), folder / "initrd"

    def _write_initrd(self, root: Path, modules: Path, target: Path) -> None:
        """busybox, the modules in the order in which they must be loaded, and the first program."""
        shutil.rmtree(root, ignore_errors=True)
        for name in ("bin", "proc", "sys", "dev", "modules", "root", "written", "newroot"):
            (root / name).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", root / "bin/busybox")
        for name in _APPLETS:
            (root / "bin" / name).symlink_to("busybox")
        needs = dict(line.split(":", 1) for line in (modules / "modules.dep").read_text().splitlines())
        paths = {Path(p).stem: p for p in needs}
        order: list[str] = []
        for name in (*_ALWAYS, *self.modules):
            for path in [*reversed(needs[paths[name]].split()), paths[name]]:
                if path not in order:
                    order.append(path)
                    shutil.copy(modules / path, root / "modules")
        lines = [f"{Path(p).name} {self.options.get(Path(p).stem, '')}".strip() for p in order]
        (root / "modules/order").write_text("\n".join(lines) + "\n")
        text = _INIT.replace("@ROOT_OPTIONS@", ",ro,cache=loose" if self.root_never_changes else ",ro")
        (root / "init").write_text(text.replace("@MOUNTS@", self.mounts.strip()).replace("@MAIN@", self.main))
        (root / "init").chmod(0o755)
        packed = subprocess.run(
            "find . | cpio --quiet -o -H newc | gzip -1", shell=True, cwd=root, capture_output=True, check=True
        )
        target.write_bytes(packed.stdout)


def shared(folder: Path, tag: str, *, readonly: bool = False) -> list[str]:
    """A folder of this machine, to be mounted by its tag (9p)."""
    only = ",readonly=on" if readonly else ""
    return ["-virtfs", f"local,security_model=none,multidevs=remap,path={folder},mount_tag={tag}{only}"]


def _unpacked_kernel(packages: Mapping[str, str]) -> Path:
    needed = {
        "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
        "busybox-static": "/usr/bin/busybox",
        "cpio": "/usr/bin/cpio",
        "kmod": "/usr/sbin/depmod",
        **packages,
    }
    needs_packages(list(needed), *needed.values())
    folder = rigs() / "kernel"
    unpacked, complete = folder / "package", folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
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
        complete.touch()
    return unpacked
