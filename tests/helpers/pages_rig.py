"""Helpers of the tests of the pages in a real browser: the program in a separate process, and waiting for it.

Every wait is for a condition, and long: on a loaded machine the same steps take their time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHOTS = os.environ.get("EDGE_ALL_SCREENSHOTS")
"""Folder for the pictures of docs/review.md; None: none are written."""
PATIENCE_S = 300.0
CAMERA = "sim:?seed=5&fields=100000&fps=8&frames_per_field=4&blast_fraction=0.25"
"""Paced like a sensor and endless, so that it does not matter how far it is when a test looks at a page."""
PICTURE = """() => { const i = document.getElementById('picture'), c = document.createElement('canvas');
c.width = 96; c.height = 54; c.getContext('2d').drawImage(i, 0, 0, 96, 54); return c.toDataURL(); }"""


class Program:
    """edge-all in a process of its own, with its own record and state folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.record, self.state = folder / "record", folder / "state"
        self._log = folder / f"{arguments[0]}.log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_ALL_STATE": str(self.state), "TZ": "UTC"}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_all", *arguments, "--record", str(self.record)],
                stdout=log,
                stderr=log,
                env=environment,
            )
        end = time.monotonic() + PATIENCE_S
        while (found := re.search(r"Pages at (\S+)", self._log.read_text())) is None:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.1)
        self.url = found[1]

    @property
    def said(self) -> str:
        """All that it printed so far."""
        return self._log.read_text()

    def end(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


def shot(tab: Any, name: str) -> None:
    """A picture for the docs, where they are asked for."""
    if SHOTS:
        tab.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def counted(tab: Any) -> int:
    """Leukocytes, as the live page shows."""
    return int(tab.locator('[data-show="leukocytes"]').inner_text())


def wait_for_phase(tab: Any, phase: str) -> None:
    """Wait until the live page shows this phase."""
    wait_for(lambda: tab.locator("#dot").get_attribute("data-phase") == phase)


def shown_session(tab: Any) -> str:
    """Id of the session that the live page leads to; empty before the first."""
    return str(tab.locator("#to-gallery").get_attribute("href") or "").rpartition("/")[2]


def run_a_session(tab: Any, url: str, sample: str, cells: int) -> str:
    """Start a session on the live page and watch it until it has counted ``cells`` leukocytes. Return its id."""
    tab.goto(url)
    tab.locator("#sample").fill(sample)
    tab.keyboard.press("Enter")  # as a barcode reader ends its word
    wait_for_phase(tab, "running")
    wait_for(lambda: counted(tab) >= cells)
    return shown_session(tab)


def stop_the_session(tab: Any) -> None:
    """By its button; returns when the microscope is ready."""
    tab.get_by_role("button", name="Stop").click()
    wait_for_phase(tab, "idle")


def chosen_cell(tab: Any) -> int:
    """Number of the only chosen card of a gallery."""
    return int(tab.locator('.card[aria-selected="true"]').get_attribute("data-cell"))
