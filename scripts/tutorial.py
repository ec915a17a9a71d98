"""Run the commands of docs/tutorial.md in an empty folder and compare what they print with the page.

Every line that starts with ``$ `` in a ``console`` block is run by bash. Its standard output is compared with the lines
below it, where each number counts as any number, and ``[...]`` stands for any lines. ``edge-all review`` is started in
the background, and the clicks of the reader follow from the comment ``<!-- in the browser: ... -->`` below it.

    python scripts/tutorial.py           # compare; exit code 1 if something differs
    python scripts/tutorial.py --write   # put what the commands print into the page
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
ANY_LINES = "[...]"


@dataclass
class Step:
    """One command of the page.

    line: number of its line in the page, from 1. expected: the lines below it. clicks: what the reader does in the
    browser while the command runs, by name.
    """

    command: str
    line: int
    expected: list[str] = field(default_factory=list)
    clicks: dict[str, str] = field(default_factory=dict)


def steps_of(page: str) -> list[Step]:
    """Return the commands of the ``console`` blocks of a page, in order."""
    steps: list[Step] = []
    inside = False
    for number, line in enumerate(page.split("\n"), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            steps.append(Step(line[2:], number))
        elif inside and steps:
            steps[-1].expected.append(line)
        elif clicks := re.match(r"<!-- in the browser: (.*) -->", line):
            steps[-1].clicks = dict(pair.split("=", 1) for pair in clicks.group(1).split(", "))
    return steps


def same(expected: list[str], printed: list[str]) -> bool:
    """Compare lines; each number counts as any number, and ``[...]`` as any lines."""
    pattern = "\n".join(".*" if line == ANY_LINES else re.escape(_masked(line)) for line in expected)
    return re.fullmatch(pattern, "\n".join(_masked(line) for line in printed), re.DOTALL) is not None


def _masked(line: str) -> str:
    line = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "SESSION", line)
    line = re.sub(r"\b[0-9a-f]{10,64}\b", "HASH", line)
    line = re.sub(r"\d+([.,]\d+)*", "0", line)
    # Columns are as wide as their longest number.
    return re.sub(r" +", " ", line.rstrip())


class Runner:
    """Runs the steps, one after another, in one folder with its own state and home."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "bin"
        self._work = folder / "work"
        self._work.mkdir(parents=True)
        programs.mkdir()
        program = programs / "edge-all"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edge_all "$@"\n')
        program.chmod(0o755)
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'export'}",
            "HOME": str(folder / "home"),
            "COLUMNS": "200",
            "LC_ALL": "C.UTF-8",
            "EDGE_ALL_STATE": str(folder / "state"),
        }

    def run(self, step: Step) -> list[str]:
        """Run a step and return the lines of its standard output. Raise RuntimeError if it fails."""
        if step.clicks:
            return self._serve(step)
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=self._work,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"line {step.line}: {step.command!r} exits with {done.returncode}: {done.stderr[-2000:]}"
            )
        return self._cleaned(done.stdout)

    def _cleaned(self, output: str) -> list[str]:
        return (
            output.rstrip("\n")
            .replace(self._environment["EDGE_ALL_STATE"], "/home/lab/.local/state/edge-all")
            .split("\n")
        )

    def _serve(self, step: Step) -> list[str]:
        port = _free_port()
        process = subprocess.Popen(
            ["bash", "-c", f"exec {step.command} --port {port}"],
            cwd=self._work,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            Reader(f"http://127.0.0.1:{port}").click(step.clicks)
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        return self._cleaned(output.replace(str(port), "8080"))


class Reader:
    """Does in the pages what the tutorial asks of its reader."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._token = ""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({})
        )

    def click(self, clicks: dict[str, str]) -> None:
        """Enter the name, give a verdict on all cells of each label, and approve the newest session."""
        start = self._wait()
        self._post("/name", urllib.parse.urlencode({"name": clicks["name"], "back": "/sessions"}))
        found = re.search(r"/sessions/(\d{8}-\d{6}-[0-9a-f]{4})", start)
        assert found is not None
        session = found.group(1)
        for label, verdict in clicks.items():
            if label in ("name", "approve"):
                continue
            gallery = self._get(f"/sessions/{session}?label={label}")
            cells = [int(number) for number in re.findall(r'data-cell="(\d+)"', gallery)]
            if not cells:
                raise RuntimeError(f"the gallery shows no cell labeled {label}")
            body = json.dumps({"cells": cells, "label": verdict})
            self._post(f"/sessions/{session}/verdicts", body, "application/json")
        if "approve" in clicks:
            self._post(f"/sessions/{session}/approve", urllib.parse.urlencode({"note": clicks["approve"]}))

    def _wait(self) -> str:
        for _ in range(300):
            try:
                return self._get("/sessions")
            except urllib.error.URLError:
                time.sleep(0.1)
        raise RuntimeError(f"no pages at {self._address}")

    def _get(self, path: str) -> str:
        with self._opener.open(self._address + path, timeout=30) as answer:
            text: str = answer.read().decode()
        if found := re.search(r'data-csrf="([^"]+)"', text):
            self._token = found.group(1)
        return text

    def _post(self, path: str, body: str, kind: str = "application/x-www-form-urlencoded") -> None:
        headers = {"Origin": self._address, "X-CSRF-Token": self._token, "Content-Type": kind}
        with self._opener.open(
            urllib.request.Request(self._address + path, body.encode(), headers), timeout=60
        ) as answer:
            answer.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def written(page: str, printed: list[list[str]]) -> str:
    """Return the page with what the commands printed. Where the page has ``[...]``, its lines stay as they are."""
    lines = page.split("\n")
    for step, output in reversed(list(zip(steps_of(page), printed, strict=True))):
        if ANY_LINES not in step.expected:
            lines[step.line : step.line + len(step.expected)] = output if output != [""] else []
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the page. Return 1 if what a command prints differs from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="update the page")
    options = parser.parse_args(argv)
    page = PAGE.read_text(encoding="utf-8")
    folder = Path(tempfile.mkdtemp(prefix="edge-all-tutorial-"))
    differences = 0
    printed = []
    try:
        runner = Runner(folder)
        for step in steps_of(page):
            output = runner.run(step)
            printed.append(output)
            if not options.write and not same(step.expected or [""], output):
                differences += 1
                print(f"{PAGE.name}:{step.line}: $ {step.command}\n--- page\n" + "\n".join(step.expected))
                print("--- printed\n" + "\n".join(output))
    finally:
        shutil.rmtree(folder)
    if options.write:
        PAGE.write_text(written(page, printed), encoding="utf-8")
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main())
