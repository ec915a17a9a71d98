"""A real browser for the tests of the pages."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.helpers.pages_rig import PATIENCE_S


@pytest.fixture(scope="session")
def chromium():
    """Debian's, headless; installed here when root."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if shutil.which("chromium") is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "chromium"], check=False, capture_output=True, timeout=600)
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-background-networking"],
            timeout=PATIENCE_S * 1000,
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A tab in which every refused resource, script error and request to another machine is a failure."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, ignore_https_errors=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    tab.on("request", lambda asked: faults.append(asked.url) if not _local(asked.url) else None)
    yield tab
    context.close()
    assert faults == []


def _local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "https://127.0.0.1:", "blob:", "data:", "about:"))
