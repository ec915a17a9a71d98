"""The service's parts, each alone: what systemd, the journal, the socket and an operator rely on."""

import json
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from edge_all.errors import EdgeAllError
from edge_all.service.control import answer_to, ask, control_socket
from edge_all.service.journal import Journal
from edge_all.service.memory_watch import MemoryWatch
from edge_all.service.problems import ProblemKind, Problems
from edge_all.service.sd_notify import Notifier
from edge_all.service.watchdog import SLOW_STEP_S, STUCK_S, Watchdog
from edge_all.session.commands import Pause, Start, Stop
from edge_all.session.station import Station

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


@pytest.fixture
def systemd(tmp_path):
    """systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0.2)
        yield listening


def received(listening):
    messages = []
    try:
        while True:
            messages.append(listening.recv(4096).decode())
    except TimeoutError:
        return messages


def test_systemd_is_notified(systemd, tmp_path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_s == 30
    notifier.ready("idle")
    notifier.alive()
    notifier.restart()
    assert received(systemd) == ["READY=1\nSTATUS=idle", "WATCHDOG=1", "WATCHDOG=trigger"]
    notifier.start_may_take(90)
    notifier.watch_every(1.5)
    assert received(systemd) == ["EXTEND_TIMEOUT_USEC=90000000", "WATCHDOG_USEC=1500000"]


def test_a_systemd_that_does_not_read_blocks_nothing(systemd, tmp_path):
    """A systemd that is being restarted; the kernel keeps a few messages only, then a plain send would wait."""
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})

    def tell():
        for _ in range(600):
            notifier.alive()
            notifier.status("running")

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(30)
    assert not telling.is_alive()
    kept = received(systemd)
    assert kept[0] == "WATCHDOG=1"
    notifier.ready("idle")
    assert received(systemd) == ["READY=1\nSTATUS=idle"], "heard again once it reads"


def test_important_messages_wait_a_moment_for_systemd(systemd, tmp_path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    for _ in range(600):
        notifier.alive()
    telling = threading.Thread(target=notifier.stopping, daemon=True)
    telling.start()
    heard = []
    while not heard or "STOPPING" not in heard[-1]:
        heard.append(systemd.recv(4096).decode())
    telling.join(30)
    assert heard[-1] == "STOPPING=1\nSTATUS=ending"


def test_without_systemd_nothing_is_sent_and_nothing_fails():
    notifier = Notifier({})
    assert notifier.watchdog_s is None
    notifier.ready("idle")
    notifier.watch_every(3)
    Notifier({"NOTIFY_SOCKET": "/nonexistent/socket"}).alive()


def test_the_watchdog_of_another_process_is_not_ours():
    assert Notifier({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_s is None


class Told(Notifier):
    def __init__(self, watchdog_s=30.0):
        super().__init__({})
        self.alive_times = self.restarts = 0
        self.watchdog_s, self.watched = watchdog_s, []

    def watch_every(self, seconds):
        self.watched.append(seconds)

    def alive(self):
        self.alive_times += 1

    def restart(self):
        self.restarts += 1


def test_a_heartbeat_is_sent_each_second_while_the_loop_runs():
    told, clock = Told(), [0.0]
    heart = Watchdog(told, lambda: clock[0])
    for _ in range(100):
        heart.beat()
        clock[0] += 0.1
    assert 9 <= told.alive_times <= 11


def test_a_slow_step_extends_the_timeout_only_while_it_runs():
    told = Told()
    heart = Watchdog(told)
    heart.step_goes_on()
    assert told.alive_times == 0, "outside of a slow step the loop alone gives signs of life"

    def fails():
        heart.step_goes_on()
        beside = threading.Thread(target=heart.step_goes_on)
        beside.start()
        beside.join()
        raise RuntimeError

    with pytest.raises(RuntimeError), heart.slow_step():
        fails()
    assert told.watched == [SLOW_STEP_S, 30.0]
    assert told.alive_times == 1, "not from a thread beside it"


@pytest.mark.parametrize("watchdog_s", [None, 2 * SLOW_STEP_S])
def test_nothing_is_set_without_a_watchdog_or_with_a_long_timeout(watchdog_s):
    told = Told(watchdog_s)
    with Watchdog(told).slow_step():
        pass
    assert told.watched == []


@pytest.mark.parametrize(("stuck_s", "restarts"), [(0.0, 0), (STUCK_S - 1, 0), (STUCK_S, 1), (STUCK_S + 60, 1)])
def test_a_stuck_driver_causes_a_restart_and_a_lost_camera_does_not(stuck_s, restarts, caplog):
    told, clock = Told(), [0.0]
    heart = Watchdog(told, lambda: clock[0])
    for _ in range(3):
        heart.beat(stuck_s)
        clock[0] += 1
    assert told.restarts == len(caplog.records) == restarts
    assert told.alive_times == (0 if restarts else 3)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("idle", "idle"),
        ("two words", '"two words"'),
        ('a "quote"', r'"a \"quote\""'),
        ("line\nend", '"line?end"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        (1.5, "1.5"),
        (3, "3"),
    ],
)
def test_a_value_in_the_journal_is_one_word_of_one_line(value, shown):
    lines = []
    Journal(lines.append)("state", what=value)
    assert lines == [f"event=state what={shown}"]


def test_the_journal_gives_levels_to_systemd_only(monkeypatch):
    lines = []
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    Journal(lines.append)("problem", "error", what="camera")
    monkeypatch.delenv("JOURNAL_STREAM")
    Journal(lines.append)("problem", "error", what="camera")
    assert lines == ["<3>event=problem what=camera", "event=problem what=camera"]


def test_memory_over_its_limit_is_logged_and_after_a_minute_a_new_process_takes_over():
    held = [900.0]
    watch = MemoryWatch(1000, 0.0, lambda: held[0])
    assert (watch.look(1000), watch.problem) == (False, None)
    held[0] = 1200
    assert not watch.look(1001)
    assert "limits.memory_mib = 1000" in watch.problem
    held[0] = 900
    assert (watch.look(1030), watch.problem) == (False, None), "a passing peak"
    held[0] = 1200
    assert [watch.look(1040 + s) for s in (0, 59, 60)] == [False, False, True]


def test_a_young_program_over_its_limit_is_only_logged_and_without_a_limit_nothing_is():
    watch = MemoryWatch(1000, 0.0, lambda: 1200.0)
    assert not any(watch.look(second) for second in range(590))
    assert watch.problem
    assert watch.look(600)
    free = MemoryWatch(0, 0.0)
    assert not free.look(10_000)
    assert free.problem is None


def test_problems_block_a_session_that_would_classify_otherwise_than_requested():
    problems = Problems()
    assert problems.set(ProblemKind.CAMERA, "gone")
    assert not problems.set(ProblemKind.CAMERA, "gone"), "no news"
    assert problems.blocking is None
    problems.set(ProblemKind.MODEL, "another contract")
    assert problems.blocking == "another contract"
    problems.set(ProblemKind.MODEL, None)
    assert problems.all() == {ProblemKind.CAMERA: "gone"}


def station():
    return Station("sim:", lambda *_: pytest.fail("no session begins here"))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "invalid request"),
        (b"hello\n", "invalid request"),
        (b"[1]\n", "invalid request"),
        (b"[" * 4000 + b"\n", "invalid request"),
        (b'{"command": 1}\n', "must be strings"),
        (b'{"command": "start", "sample": {}}\n', "must be strings"),
        (b'{"command": "dance"}\n', "unknown command 'dance'"),
        (b'{"command": "stop"}\n', "not possible while the microscope is idle"),
        (b'{"command": "start", "sample": ""}\n', "the sample id is empty"),
        (b'{"command": "start", "sample": "a\\u0000"}\n', "control characters"),
        (b'{"command": "start", "sample": "a\\udcff"}\n', "the sample id is not valid UTF-8"),
        (b"\xff\xfe\n", "invalid request"),
    ],
)
def test_an_invalid_command_is_refused(line, error):
    answer = answer_to(line, station())
    assert not answer["ok"]
    assert error in answer["error"]


def test_commands_enter_the_one_queue():
    one = station()
    assert answer_to(b'{"command": "start", "sample": "S1"}', one)["ok"]
    assert one.commands.take() == [Start("S1")]
    one.blocked = "the settings cannot be used"
    assert answer_to(b'{"command": "start", "sample": "S1"}', one)["error"] == "the settings cannot be used"
    assert json.loads(json.dumps(answer_to(b'{"command": "status"}', one)))["state"]["phase"] == "idle"


def test_a_full_queue_is_reported():
    one = station()
    while one.commands.put(Pause()):
        pass
    assert "too many" in answer_to(b'{"command": "start"}', one)["error"]


def test_next_samples_keep_their_order():
    commands = station().commands
    for command in (Start("S1"), Stop(), Start("S2")):
        commands.put(command)
    first, *rest = commands.take()
    commands.put(Pause())
    commands.put_back(rest)
    assert commands.wait(0)
    assert [first, *commands.take()] == [Start("S1"), Stop(), Start("S2"), Pause()]


def test_a_missing_service_is_reported_with_a_remedy(tmp_path):
    with pytest.raises(EdgeAllError, match="systemctl start edge-all"):
        ask(tmp_path / "none.sock", {"command": "status"})


@pytest.mark.parametrize(
    ("environment", "instance", "path"),
    [
        ({"EDGE_ALL_RUNTIME": "/run/x"}, None, "/run/x/control.sock"),
        ({"RUNTIME_DIRECTORY": "/run/edge-all-two"}, None, "/run/edge-all-two/control.sock"),
        ({}, "two", "/run/edge-all-two/control.sock"),
    ],
)
def test_where_the_socket_is(monkeypatch, environment, instance, path):
    for name in ("EDGE_ALL_RUNTIME", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(control_socket(instance)) == path


def test_the_template_unit_is_the_unit_with_its_own_folders():
    own = [line for line in (DEPLOY / "edge-all.service").read_text().splitlines() if not line.startswith("# ")]
    template = [line for line in (DEPLOY / "edge-all@.service").read_text().splitlines() if not line.startswith("# ")]
    assert [re.sub("[-/ ]%i", "", line) for line in template] == own
    folders = [line for line in template if re.match("(State|Logs|Runtime|Configuration)Directory=|Environment=", line)]
    assert folders
    assert all("%i" in line for line in folders)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["edge-all.service", "edge-all@.service"])
def test_the_unit_is_hardened(name):
    """systemd's own classification: an exposure of 3.0 at most."""
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", str(DEPLOY / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-200:] + told.stderr


def test_each_open_door_of_the_unit_has_its_reason():
    unit = (DEPLOY / "edge-all.service").read_text()
    _, doors = unit.split("# Restrictions that are relaxed")
    for line in (
        "PrivateTmp=no",
        "PrivateDevices=no",
        "MemoryDenyWriteExecute=no",
        "ProcSubset=all",
        "PrivateUsers=no",
    ):
        before = doors[: doors.index(line)].rstrip().splitlines()[-1]
        assert before.startswith("#"), line
