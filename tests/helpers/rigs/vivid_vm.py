"""A virtual machine with vivid, the kernel's Video4Linux test driver: a camera that can really be unplugged.

Its root is the camera tree; files that the guest leaves in /out come back.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.helpers.rigs.virtual_machine import VirtualMachine, shared

_MAIN = """/opt/venv/bin/python -u /out/guest.py > /out/guest.log 2>&1
sync
echo o > /proc/sysrq-trigger
sleep 60
"""
_MOUNT_OUT = """
mkdir -p /newroot/out
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 out /newroot/out
"""


def run_in_guest(tree: Path, guest: Path, out: Path, timeout_s: float) -> str:
    """Runs a Python file in the machine and waits for its end. Gives what it printed."""
    machine = VirtualMachine(
        "vivid-vm",
        tree,
        "/out/main.sh",
        mounts=_MOUNT_OUT,
        modules=("vivid",),
        # One device, video capture alone.
        options={"vivid": "n_devs=1 node_types=0x1"},
    )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(guest, out / "guest.py")
    (out / "main.sh").write_text(_MAIN)
    command = machine.command(*shared(out, "out"), cpu="max", cores=2, memory_mib=2048)
    with (out / "console.log").open("w") as console:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=timeout_s, check=False
        )
    log = out / "guest.log"
    return log.read_text() if log.exists() else f"the guest did not start: {(out / 'console.log').read_text()[-2000:]}"
