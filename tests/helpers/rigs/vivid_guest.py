"""In the virtual machine: the program with vivid's camera, which is held, unplugged and plugged in again."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

OUT, DRIVER = Path("/out"), Path("/sys/bus/platform/drivers/vivid")
PYTHON, CAMERA = "/opt/venv/bin/python", "v4l2:/dev/video0?size=640x360&format=YUYV"
found: dict[str, object] = {}
os.environ.update(
    PYTHONPATH="/opt/edge_all", HOME="/root", EDGE_ALL_STATE="/root/state", PATH="/usr/sbin:/usr/bin:/bin"
)


def edge_all(*arguments: str, before: Sequence[str] = ()) -> dict[str, object]:
    done = subprocess.run([*before, PYTHON, "-m", "edge_all", *arguments], capture_output=True, text=True, timeout=900)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def note(name: str, value: object) -> None:
    found[name] = value
    (OUT / "found.json").write_text(json.dumps(found))
    print(f"{time.monotonic():8.1f} {name}: {str(value)[:600]}")


def run(uri: str, *more: str, before: Sequence[str] = ()) -> dict[str, object]:
    return edge_all(
        "run", "--camera", uri, "--record", "/root/none", "--engine", "onnxruntime-cpu", "--um-per-px", "0.2", *more,
        before=before,
    )  # fmt: skip


note("list", edge_all("cameras"))
note("preview", edge_all("cameras", "--preview", "/out/preview.png"))
note("unsupported", edge_all("cameras", "--camera", "v4l2:0?size=1000x700", "--preview", "/out/no.png"))
os.chmod("/dev/video0", 0o660)
note("another user", edge_all("cameras", "--camera", "v4l2:0", "--preview", "/tmp/no.png",
                              before=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")))  # fmt: skip
holder = subprocess.Popen(["v4l2-ctl", "-d", "/dev/video0", "--stream-mmap", "--stream-count=100000"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
time.sleep(3)
note("busy", edge_all("cameras", "--camera", "v4l2:0", "--preview", "/out/no.png"))
holder.kill()
holder.wait()


def go_dark() -> None:
    """A black picture with a running counter: the gate skips it at once, where to look for cells would take an emulated
    processor minutes."""
    for _ in range(200):
        if (
            subprocess.run(["v4l2-ctl", "-d", "/dev/video0", "-c", "test_pattern=5"], capture_output=True).returncode
            == 0
        ):
            return
        time.sleep(0.05)


go_dark()
log = Path("/out/session.log")
with log.open("w") as file:
    session = subprocess.Popen(
        [PYTHON, "-u", "-m", "edge_all", "run", "--camera", CAMERA, "--sample", "S", "--record", "/root/record",
         "--engine", "onnxruntime-cpu", "--um-per-px", "0.2"],
        stdout=file, stderr=file,
    )  # fmt: skip


def wait_for(pattern: str, most_s: float = 600) -> float:
    """Return the seconds until the session prints this."""
    started = time.monotonic()
    while not re.search(pattern, log.read_text(), re.DOTALL):
        if session.poll() is not None or time.monotonic() - started > most_s:
            raise SystemExit(f"{pattern} did not come:\n{log.read_text()}")
        time.sleep(0.05)
    return round(time.monotonic() - started, 2)


wait_for(r"frames [1-9]")
time.sleep(5)
subprocess.run(["v4l2-ctl", "-d", "/dev/video0", "-c", "disconnect=1"], check=False)
note("lost after a disconnect", wait_for("camera lost"))
note("back after a disconnect", wait_for("camera reconnected"))
time.sleep(5)
# The whole device goes, as when its plug is pulled, and comes back.
(DRIVER / "unbind").write_text("vivid.0")
note("lost after an unbind", wait_for("camera lost.*camera lost"))
note("gone", not Path("/dev/video0").exists())
time.sleep(6)
(DRIVER / "bind").write_text("vivid.0")
go_dark()
note("back after a bind", wait_for("camera reconnected.*camera reconnected"))
time.sleep(5)
session.send_signal(signal.SIGINT)
note("session", {"code": session.wait(300), "log": log.read_text()})
subprocess.run(["cp", "-r", "/root/record", "/out/record"], check=True)
note("ended", True)
