"""The life of a laboratory's device in a booted Debian, used by the tests and by the scoreboard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.hanging_model import hang_on_one_image, slow_to_check
from tests.helpers.nspawn import RIGS, Container
from tests.helpers.repacked_wheel import repacked

REPO = Path(__file__).resolve().parents[2]
UNIT = "edge-all.service"
MODELS = "edge_all/models/detector"
Seen = dict[str, bool]
"""Each expected observation, and whether it was made."""


def wheels(run: Path) -> Path:
    """A folder of wheels of this checkout and of all that goes with it, as deploy/wheels.sh makes it; files that
    were downloaded once are kept for the next run."""
    folder, kept = run / "wheels", RIGS / "downloaded"
    kept.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    for wheel in kept.glob("*.whl"):
        (folder / wheel.name).hardlink_to(wheel)
    subprocess.run(
        ["sh", str(REPO / "deploy" / "wheels.sh"), str(folder)],
        env=os.environ | {"PYTHON": sys.executable},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for wheel in folder.glob("*.whl"):
        if not wheel.name.startswith("edge_all-") and not (kept / wheel.name).exists():
            (kept / wheel.name).hardlink_to(wheel)
    return folder


def upgrades(run: Path, folder: Path) -> Path:
    """Folders good/, damaged/, crashing/, migrating/, each with a later version; the other wheels are linked."""
    root = run / "upgrades"
    (wheel,) = folder.glob("edge_all-*.whl")
    bad_model = {f"{MODELS}/{n}.onnx": b"not a model" for n in ("float", "int8-cpu")}
    # Passes every check that is made before it takes over, and falls when systemd starts it.
    crash = {"edge_all/cli/service.py": b"raise SystemExit('a fault of the new version')\n"}
    # Brings the record to a later schema before it falls.
    migrating = {
        "edge_all/record/db/tables.py": (REPO / "edge_all/record/db/tables.py")
        .read_bytes()
        .replace(b"VERSION = len(_STEPS)", b'_STEPS += ("CREATE TABLE later (x INTEGER);",)\nVERSION = len(_STEPS)'),
        "edge_all/service/service.py": (REPO / "edge_all/service/service.py")
        .read_bytes()
        .replace(b"        self.station = Station(", b"        _fall(record)\n        self.station = Station(")
        + b"\n\ndef _fall(record: Path) -> None:\n    from edge_all.record.recovery.startup import start_record\n\n"
        b"    start_record(record)\n    raise SystemExit('a fault of the new version')\n",
    }
    for name, version, changes in (
        ("good", "0.1.1", {}),
        ("damaged", "0.1.2", bad_model),
        ("crashing", "0.1.3", crash),
        ("migrating", "0.1.4", migrating),
    ):
        (root / name).mkdir(parents=True)
        repacked(wheel, version, changes, root / name)
        for other in folder.iterdir():
            if other != wheel:
                (root / name / other.name).hardlink_to(other)
    return root


WATCHDOG_S, LOADS_FOR_S = 12, 30


def looping(run: Path) -> Path:
    """Folders with the detector's files: hanging/, which pass the self-check and hang on a field; slow/, which take
    longer to check than the watchdog waits."""
    folder = run / "looping"
    for kind in ("hanging", "slow"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name in ("float", "int8-cpu"):
        path = REPO / MODELS / f"{name}.onnx"
        hang_on_one_image(path, folder / "hanging" / path.name)
        slow_to_check(path, folder / "slow" / path.name, LOADS_FOR_S)
    return folder


@contextmanager
def device() -> Iterator[Container]:
    """A fresh Debian with the wheels next to it, in folders that no other run shares, because a run that rebuilds its
    own would take them from under this one."""
    RIGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="walk-", dir=RIGS) as folder:
        run = Path(folder)
        made = wheels(run)
        binds = {
            made: "/wheels",
            REPO / "deploy": "/deploy",
            upgrades(run, made): "/upgrades",
            looping(run): "/looping",
        }
        with Container(binds) as container:
            yield container


def install(c: Container, folder: str = "/wheels", program: str = "/deploy/install.sh") -> tuple[int, str]:
    """Run the installer. Return its exit code and its output."""
    done = c.call(program, "--wheels", folder)
    print(done.stdout)  # pytest shows it where a step was not seen
    return done.returncode, done.stdout


def _state(c: Container) -> dict[str, object]:
    told = c.run("edge-all", "session", "status", "--json")
    try:
        state: dict[str, object] = json.loads(told)
    except ValueError:
        state = {"phase": "no answer", "said": told}
    return state


def _files(c: Container) -> str:
    """Every file of the installation with its time and size, what the running service writes left aside."""
    return c.shell(
        "find /opt/edge-all /etc/edge-all /etc/systemd/system /etc/udev/rules.d /usr/local /etc/passwd /etc/group "
        "/etc/shadow -not -type d -printf '%p %T@ %s %m %u\\n' | sort"
    )


def _current(c: Container) -> str:
    return c.shell("basename $(readlink -f /opt/edge-all/current)").strip()


def installs_offline_twice(c: Container) -> Seen:
    """On a fresh Debian without network: once, and once more."""
    seen: Seen = {"no network": "Network is unreachable" in c.shell("python3 -c \"import socket;"
        "socket.create_connection(('192.0.2.1', 80), 2)\" 2>&1 | tail -1")}  # fmt: skip
    code, said = install(c)
    seen["first run works"] = code == 0
    if code:
        return seen
    seen["service is up and enabled"] = (
        c.run("systemctl", "is-active", UNIT).strip() == "active"
        and c.run("systemctl", "is-enabled", UNIT).strip() == "enabled"
    )
    needed = "import paho.mqtt, prometheus_client, cryptography, uvicorn, fpdf"
    seen["MQTT, metrics, signatures, pages, reports are installed"] = (
        c.call("/opt/edge-all/current/bin/python", "-c", needed).returncode == 0
    )
    files, pid = _files(c), c.property("MainPID")
    code, said = install(c)
    seen["second run reports no changes"] = code == 0 and "nothing to change" in said
    seen["second run changes no file, and no process"] = files == _files(c) and pid == c.property("MainPID")
    return seen


def starts_and_stops(c: Container) -> Seen:
    """READY, STATUS, a session by command, its clean end by SIGTERM within 5 s, what resumes after kill -9."""
    seen: Seen = {"READY, with STATUS and page": "idle | http://127.0.0.1:8080/" in c.property("StatusText")}
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/live/state').status)"
    seen["the page answers"] = c.run("python3", "-c", page).strip() == "200"
    c.write("/etc/edge-all/bench.toml", '[camera]\nuri = "sim:?seed=3&fields=4000&fps=10&frames_per_field=3"\n')
    c.run("systemctl", "reload", UNIT)
    seen["SIGHUP reads the settings"] = c.wait_for(lambda: "event=settings" in _journal(c))
    picture = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/live/picture.jpg').read(3).hex())"
    seen["live view while idle"] = c.wait_for(lambda: c.run("python3", "-c", picture).strip() == "ffd8ff")
    c.run("edge-all", "session", "start", "S1")
    seen["session started by command"] = c.wait_for(lambda: _state(c).get("phase") == "running")
    session = _state(c).get("session_id")
    c.wait_for(lambda: "leukocytes" in c.property("StatusText"))
    seen["STATUS counts"] = "leukocytes in" in c.property("StatusText")
    c.run("systemctl", "kill", "-s", "KILL", UNIT)
    seen["session resumed after kill -9"] = c.wait_for(
        lambda: (_state(c).get("phase"), _state(c).get("session_id")) == ("running", session)
    )
    started = c.shell("date +%s%N")
    c.run("systemctl", "stop", UNIT)
    lasted = (int(c.shell("date +%s%N")) - int(started)) / 1e9
    # systemd kills what takes longer than TimeoutStopSec=10, and that is not a success.
    seen[f"SIGTERM ends it cleanly ({lasted:.1f} s)"] = c.property("Result") == "success"
    listed = c.shell("setpriv --reuid edge-all --regid edge-all --init-groups edge-all sessions")
    seen["the session is ended in the record"] = str(session) in listed and "not ended" not in listed
    c.run("systemctl", "start", UNIT)
    seen["the service is idle afterward"] = c.wait_for(lambda: _state(c).get("phase") == "idle")
    return seen


def watchdog_restarts(c: Container) -> Seen:
    """Engines that load for longer than the watchdog waits cause no restart. An engine's call that really hangs does.
    The session resumes; after three times the service waits, reports it, and works again with a good model."""
    good = "/opt/edge-all/current/lib/python3*/site-packages/" + MODELS
    c.shell(f"mkdir -p /root/good && cp {good}/*.onnx /root/good/")
    # As in the unit, only sooner.
    sooner = f"[Service]\nWatchdogSec={WATCHDOG_S}\n[Unit]\nStartLimitBurst=20\n"
    c.write("/etc/systemd/system/edge-all.service.d/sooner.conf", sooner)
    c.shell(f"cp /looping/slow/*.onnx {good}/ && systemctl daemon-reload && systemctl restart {UNIT}")
    seen: Seen = _slow_engines(c)
    c.run("edge-all", "session", "stop")
    c.wait_for(lambda: _state(c).get("phase") == "idle")
    c.shell(f"cp /looping/hanging/*.onnx {good}/ && systemctl restart {UNIT}")
    before = int(c.property("NRestarts"))
    c.run("edge-all", "session", "start", "hangs")
    c.wait_for(lambda: _state(c).get("session_id"))
    session = _state(c).get("session_id")
    seen |= {
        "watchdog ends a hung engine call": c.wait_for(lambda: "Watchdog timeout" in _journal(c, 400))
        and "code=killed, status=6/ABRT" in _journal(c, 400),
        "systemd starts it again": c.wait_for(lambda: int(c.property("NRestarts")) > before),
        "the open session is resumed": c.wait_for(lambda: f"event=goes-on session={session}" in _journal(c, 400)),
        "after three times it waits and reports it": c.wait_for(
            lambda: _state(c).get("phase") == "idle" and "interrupted each time" in str(_state(c).get("problems"))
        ),
        "STATUS reports it": c.wait_for(lambda: "interrupted each time" in c.property("StatusText")),
    }
    c.shell(f"cp /root/good/*.onnx {good}/; rm -r /etc/systemd/system/edge-all.service.d; systemctl daemon-reload")
    c.run("systemctl", "restart", UNIT)
    c.run("edge-all", "session", "start", "works")
    seen["with a good model the next session counts"] = c.wait_for(lambda: "leukocytes in" in c.property("StatusText"))
    listed = c.shell("setpriv --reuid edge-all --regid edge-all --init-groups edge-all sessions")
    seen["the interrupted session is ended in the record"] = "not ended" not in listed and listed.count("running") == 1
    c.run("edge-all", "session", "stop")
    return seen


def _slow_engines(c: Container) -> Seen:
    """A session with engines that load for long. Its wait ends with what is seen and not with a time: on a busy machine
    they load for many minutes. The result is the longest silence after which systemd has left the service alone."""
    process, longest = c.property("MainPID"), 0.0
    c.run("edge-all", "session", "start", "slow")

    def ended() -> bool:
        nonlocal longest
        longest = max(longest, _silence_s(c))
        return c.property("MainPID") != process or any(
            told in c.property("StatusText") for told in ("leukocytes in", "the last session:")
        )

    c.wait_for(ended, 3600)
    untouched = (c.property("MainPID"), c.property("NRestarts")) == (process, "0")
    if not (is_resumed := untouched and "leukocytes in" in c.property("StatusText")):
        print(_journal(c, 60))
    loads = f"engines that load for {longest:.0f} s of a watchdog's {WATCHDOG_S} s cause no restart"
    return {loads: is_resumed and longest > WATCHDOG_S}


def _silence_s(c: Container) -> float:
    """Since the service's last sign of life, by systemd's account. The clock is read first: rather too little."""
    clock = "python3 -c 'import time; print(time.monotonic())'"
    told = c.shell(f"{clock}; systemctl show -p WatchdogTimestampMonotonic --value {UNIT}").split()
    return float(told[0]) - int(told[1]) / 1e6


def crash_loop_ends(c: Container) -> Seen:
    """A program that cannot start is not started for ever."""
    drop_in = "/etc/systemd/system/edge-all.service.d/broken.conf"
    c.write(drop_in, "[Service]\nEnvironment=PYTHONHOME=/nonexistent\n")
    c.shell(f"systemctl daemon-reload; systemctl reset-failed {UNIT}; systemctl restart --no-block {UNIT}")
    seen: Seen = {"systemd gives up after five starts": c.wait_for(lambda: c.property("ActiveState") == "failed" and
        "Start request repeated too quickly" in _journal(c, 100))}  # fmt: skip
    c.shell(f"rm -r {Path(drop_in).parent}; systemctl daemon-reload; systemctl reset-failed {UNIT}")
    c.shell(f"systemctl start {UNIT}")
    seen["it comes up after the repair"] = c.run("systemctl", "is-active", UNIT).strip() == "active"
    return seen


def upgrades_and_rolls_back(c: Container) -> Seen:
    """A good version takes over; one whose models are damaged, and one that falls when started, do not."""
    seen: Seen = {}
    c.run("edge-all", "session", "start", "S2")
    code, said = install(c, "/upgrades/good")
    seen["no upgrade during a running session"] = code == 1 and "a session is running" in said
    c.run("edge-all", "session", "stop")
    code, said = install(c, "/upgrades/good")
    current = _current(c)
    seen["a good version takes over"] = code == 0 and current.startswith("0.1.1-")
    code, said = install(c, "/upgrades/damaged")
    seen["a version that fails its self-check does not take over"] = (
        code == 1 and "failed its self-check" in said and _current(c) == current
    )
    seen["the service is unaffected"] = _state(c).get("phase") == "idle"
    code, said = install(c, "/upgrades/crashing")
    seen["a version that does not come up is rolled back"] = code == 1 and f"rolled back to {current}" in said
    seen["the previous version runs again"] = _current(c) == current and _state(c).get("phase") == "idle"
    code, said = install(c, "/upgrades/migrating")
    seen["a version that changed the record's schema before failing restores the record"] = (
        code == 1 and "restored the record from before the upgrade" in said and f"rolled back to {current}" in said
    )
    # A unit that the version before does not know comes with one that falls; then alone, next to the version that runs.
    c.shell(
        "cp -r /deploy /root/later && sed -i 's/edge-all service$/edge-all service --of-later/' /root/later/*.service"
    )
    told, units = [], "/etc/systemd/system/edge-all.service /deploy/edge-all.service"
    for folder in ("/upgrades/crashing", "/upgrades/good"):
        code, said = install(c, folder, program="/root/later/install.sh")
        same = c.call("cmp", *units.split()).returncode == 0
        told.append(code == 1 and same and _current(c) == current and _state(c).get("phase") == "idle")
    seen["a unit that does not start is rolled back too"] = all(told)
    listed = c.shell("setpriv --reuid edge-all --regid edge-all --init-groups edge-all sessions")
    seen["earlier sessions are in the record"] = "S1" in listed and not _state(c).get("problems")
    c.run("edge-all", "session", "start", "S3")
    seen["the next session counts"] = c.wait_for(lambda: "leukocytes in" in c.property("StatusText"))
    c.run("edge-all", "session", "stop")
    return seen


def uninstalls(c: Container) -> Seen:
    """Data stays unless asked."""
    kept = "ls /var/lib/edge-all/record/record.sqlite3 /etc/edge-all/bench.toml >/dev/null 2>&1 && echo yes"
    code = c.call("/deploy/install.sh", "--uninstall").returncode
    left = c.shell("ls -d /opt/edge-all /etc/systemd/system/edge-all* /usr/local/bin/edge-all 2>/dev/null")
    seen: Seen = {
        "uninstall removes program and service": code == 0 and not left.strip(),
        "uninstall keeps settings and record": c.shell(kept).strip() == "yes",
    }
    # Identified as a JetPack 6, which does without pycuda, since no folder of wheels has it.
    c.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3\n")
    code, said = install(c)
    listed = c.shell("setpriv --reuid edge-all --regid edge-all --init-groups edge-all sessions")
    seen["sessions are kept after reinstalling"] = code == 0 and "S1" in listed
    seen["a Jetson without pycuda is reported"] = "contains no pycuda, so TensorRT will not be used" in said
    code = c.call("/deploy/install.sh", "--uninstall", "--purge").returncode
    left = c.shell("ls -d /var/lib/edge-all /etc/edge-all 2>/dev/null; id edge-all 2>/dev/null")
    seen["--purge removes them too"] = code == 0 and not left.strip()
    return seen


def _journal(c: Container, lines: int = 200) -> str:
    return c.run("journalctl", "-u", UNIT, "--no-pager", "-n", str(lines))


STEPS = (
    installs_offline_twice, starts_and_stops, watchdog_restarts, crash_loop_ends, upgrades_and_rolls_back, uninstalls,
)  # fmt: skip
"""In the order in which one device goes through them."""
