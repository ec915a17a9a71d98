"""A user without access to a folder is shown its name and what to do; other settings are never used in silence.

The user is root without root's right to open everything: other users may not reach Python itself.
"""

import os
import shutil
import subprocess
import sys

import pytest

if os.geteuid() != 0 or shutil.which("setpriv") is None:
    pytest.skip("needs root and setpriv", allow_module_level=True)
NOBODY = 65534


@pytest.fixture
def closed(tmp_path):
    """Folders of somebody else: settings, state with a record."""
    for name in ("etc", "state/record", "state/models"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc" / "bench.toml").write_text("[engine]\nthreads = 1\n")
    for folder in ("etc", "state"):
        os.chown(tmp_path / folder, NOBODY, NOBODY)
        (tmp_path / folder).chmod(0o700)
    return tmp_path


def edge_all(folder, *arguments, **environment):
    rights = "-dac_override,-dac_read_search,-fowner"
    named = {"EDGE_ALL_CONFIG": str(folder / "etc"), "EDGE_ALL_STATE": str(folder / "state"), **environment}
    done = subprocess.run(
        ["setpriv", f"--bounding-set={rights}", sys.executable, "-m", "edge_all", *arguments],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "show"], "etc: cannot be read (Permission denied): give this user read permission"),
        (["config", "check"], "etc: cannot be read (Permission denied)"),
        (["doctor", "--only", "settings"], "etc: cannot be read (Permission denied)"),
        (["doctor", "--only", "record"], "record: permission denied -> run as the service's user"),
        (["doctor", "--only", "models"], "run as the service's user (sudo -u edge-all)"),
        (["sessions"], "record cannot be used (Permission denied): check the path and its permissions"),
        (["session", "status"], "control.sock: permission denied: join its group"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_closed_folder_is_named(closed, arguments, words):
    code, told = edge_all(closed, *arguments)
    assert words in told
    assert code == 1 or arguments[0] == "config"
    assert "Traceback" not in told
    assert "internal error" not in told
