"""Time from program start until the first field's result is on disk, in a separate process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_all.errors import EdgeAllError
from edge_all.profile import Profile

_PROGRAM = "from edge_all.cli.main import main; main()"


def cold_starts(
    image: Path, profile: Profile, models: Path | None, um_per_px: float | None, times: int = 5
) -> list[float]:
    """Start ``edge-all run`` on one image file several times and return the duration of each run in seconds.

    A run includes the interpreter, the libraries, the models with their self-check, the field and the record.

    Raises:
        EdgeAllError: when the program fails.
    """
    command = [sys.executable, "-c", _PROGRAM, "run", "--camera", str(image)]
    command += ["--engine", profile.engine, "--precision", profile.precision, "--threads", str(profile.threads)]
    if um_per_px is not None:
        command += ["--um-per-px", str(um_per_px)]
    if models is not None:
        command += ["--models", str(models)]
    seconds = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            done = subprocess.run([*command, "--record", folder], capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - started)
        if done.returncode:
            raise EdgeAllError(
                f"the program did not start ({(done.stderr.strip().splitlines() or ['no output'])[-1]})",
                "run it manually with --debug",
            )
    return seconds
