"""From the start of the program to the first field's result on disk, in a process of its own."""

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
    """Seconds, to its end, of each of several starts of ``edge-all run`` on one image file: the interpreter, the
    libraries, the models, their self-check, the field, the record. Raises EdgeAllError."""
    command = [sys.executable, "-c", _PROGRAM, "run", "--camera", str(image)]
    command += ["--engine", profile.engine, "--precision", profile.precision, "--threads", str(profile.threads)]
    if um_per_px is not None:
        command += ["--um-per-px", str(um_per_px)]
    if models is not None:
        command += ["--models", str(models)]
    seconds = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            done = subprocess.run([*command, "--record", folder], capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - begun)
        if done.returncode:
            raise EdgeAllError(
                f"the program did not start ({(done.stderr.strip().splitlines() or ['no word'])[-1]})",
                "run it by hand with --debug",
            )
    return seconds
