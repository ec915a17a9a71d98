"""Fixtures that several tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.helpers.real_data import DATA


@pytest.fixture(autouse=True)
def no_device_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of this machine (/etc/edge-all and the environment) from the tests."""
    monkeypatch.setenv("EDGE_ALL_CONFIG", str(tmp_path / "no-device-settings"))
    monkeypatch.delenv("EDGE_ALL_PROFILE", raising=False)


@pytest.fixture
def real_data() -> Path:
    """The folder of real images; tests that need it name it when it is absent."""
    if not (DATA / "allidb1" / "images").is_dir():
        pytest.skip("the real images are not there: EDGE_ALL_DATA names their folder")
    return DATA


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """caplog with the program's records of INFO and above; ``logged.messages`` are its lines."""
    import logging

    for name in ("edge_all", "edge_all_export"):
        caplog.set_level(logging.INFO, logger=name)
    return caplog


@pytest.fixture
def edge_all(tmp_path: Path) -> Callable[..., Result]:
    """Runs the program in this process, with a record of its own; gives exit_code, stdout, stderr."""
    import contextlib
    import io

    from edge_all.cli.main import main

    def run(*arguments: object, record: Path | None = None) -> Result:
        given = [str(a) for a in arguments]
        if given and given[0] in ("run", "sessions", "cells", "show", "report", "export-dataset", "qc"):
            given += ["--record", str(record or tmp_path / "record")]
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(given)
            except SystemExit as stop:
                code = int(stop.code or 0)
        result = Result.__new__(Result)
        result.exit_code = code
        result.stdout_bytes = out.getvalue().encode()
        result.stderr_bytes = err.getvalue().encode()
        result.runner = type("Runner", (), {"charset": "utf-8"})()
        return result

    return run
