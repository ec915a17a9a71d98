"""The pages in a real browser: a simulated session is started, watched, reviewed by keyboard and approved.

Needs Debian's chromium (installed here when root) and the Python package playwright. With EDGE_ALL_SCREENSHOTS=FOLDER
it writes the pictures of docs/review.md.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_all.record.browsing import cell_labels, find_session
from edge_all.record.record import Record
from edge_all.record.verdicts import all_verdicts, approvals, latest_verdicts

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
ROOT = Path(__file__).resolve().parents[2]
SHOTS = os.environ.get("EDGE_ALL_SCREENSHOTS")
CAMERA = "sim:?seed=5&fields=400&fps=8&frames_per_field=4&blast_fraction=0.25"


@pytest.fixture(scope="module")
def chromium():
    if shutil.which("chromium") is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "chromium"], check=False, capture_output=True, timeout=600)
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


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
        end = time.monotonic() + 60
        while (found := re.search(r"Pages at (\S+)", self._log.read_text())) is None:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        self.url = found[1]

    @property
    def said(self) -> str:
        return self._log.read_text()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("station"), "run", "--camera", CAMERA, "--web", "127.0.0.1:0")
    yield program
    if program.process.poll() is None:
        program.end()


@pytest.fixture
def page(chromium):
    """A tab in which every refused resource, script error and request to another machine is a failure."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, ignore_https_errors=True)
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


def shot(tab, name: str) -> None:
    if SHOTS:
        tab.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def counted(tab) -> int:
    return int(tab.locator('[data-show="leukocytes"]').inner_text())


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def run_a_session(tab, url: str, sample: str, cells: int) -> str:
    tab.goto(url)
    tab.locator("#sample").fill(sample)
    tab.keyboard.press("Enter")  # as a barcode reader ends its word
    wait_for(lambda: tab.locator("#dot").get_attribute("data-phase") == "running")
    wait_for(lambda: counted(tab) >= cells, 120)
    return tab.locator("#to-gallery").get_attribute("href").rsplit("/", 1)[1]


def test_a_session_is_started_watched_reviewed_and_approved(station, page):
    session = run_a_session(page, station.url, "SIMULATED-1", 60)
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 960
    first = page.evaluate(PICTURE)
    wait_for(lambda: page.evaluate(PICTURE) != first)  # it moves
    wait_for(
        lambda: page.locator("#gate").get_attribute("data-good") == "1" and "Same" in page.locator("#gate").inner_text()
    )
    shot(page, "live")

    page.get_by_role("button", name="Pause").click()
    wait_for(lambda: page.locator("#dot").get_attribute("data-phase") == "paused")
    time.sleep(1.0)
    stands = counted(page)
    time.sleep(1.5)
    assert counted(page) == stands
    page.get_by_role("button", name="Go on").click()
    wait_for(lambda: counted(page) > stands)

    # A review while the session still runs, in a second tab.
    second = page.context.new_page()
    second.goto(f"{station.url}sessions/{session}")
    second.get_by_label("Your name").fill("Dr. Simulated")
    second.get_by_role("button", name="Begin to review").click()
    second.wait_for_selector("#classes button")
    before = counted(page)
    second.keyboard.press("ArrowRight")
    numbers = []
    for key in ("b", "n", "u", "2"):
        numbers.append(int(second.locator('.card[aria-selected="true"]').get_attribute("data-cell")))
        second.keyboard.press(key)
        second.wait_for_selector(f'.card[data-cell="{numbers[-1]}"]:not([data-said=""])')
        wait_for(lambda: int(second.locator('.card[aria-selected="true"]').get_attribute("data-cell")) != numbers[-1])
    second.keyboard.press("z")
    second.wait_for_selector(f'.card[data-cell="{numbers[3]}"][data-said=""]')
    second.keyboard.press("Shift+ArrowRight")
    second.keyboard.press("Shift+ArrowRight")
    three = [int(c.get_attribute("data-cell")) for c in second.locator('.card[aria-selected="true"]').all()]
    assert len(three) == 3
    second.keyboard.press("x")
    second.wait_for_selector(f'.card[data-cell="{three[2]}"][data-said="not_a_cell"]')
    wait_for(lambda: counted(page) > before)  # the session was not held up

    # Dragged onto a verdict.
    dragged = second.locator('.card[data-said=""]').nth(5)
    number = int(dragged.get_attribute("data-cell"))
    dragged.drag_to(second.locator('#classes [data-kind="monocyte"]'))
    second.wait_for_selector(f'.card[data-cell="{number}"][data-said="normal"]')

    # Nothing is lost by loading the page again.
    second.reload()
    assert second.locator(f'.card[data-cell="{numbers[0]}"]').get_attribute("data-said") == "blast"

    page.get_by_role("button", name="Stop").click()
    wait_for(lambda: page.locator("#dot").get_attribute("data-phase") == "idle")
    with Record.open(station.record, create=False, check=False) as record:
        said = latest_verdicts(record, session)
        assert [said[n].label for n in numbers[:3]] == ["blast", "normal", "unidentified"]
        assert said[number].kind == "monocyte"
        assert [said[n].label for n in three] == ["not_a_cell"] * 3
        assert not said[number].proven
        assert find_session(record, session).sample == "SIMULATED-1"
        trail = all_verdicts(record, session)
        assert [v.undoes is not None for v in trail].count(True) == 1

    second.goto(f"{station.url}sessions/{session}")
    for label, count in (("b", 6), ("1", 6), ("2", 4)):
        for _ in range(count):
            second.keyboard.press("ArrowRight")
            chosen = second.locator('.card[aria-selected="true"]').get_attribute("data-cell")
            second.keyboard.press(label)
            second.wait_for_selector(f'.card[data-cell="{chosen}"]:not([data-said=""])')
    second.reload()
    second.keyboard.press("ArrowRight")
    second.keyboard.press("Shift+ArrowRight")
    second.wait_for_function("[...document.images].slice(0, 18).every(i => i.complete && i.naturalWidth)")
    second.evaluate("scrollTo(0, 0)")
    shot(second, "gallery")
    second.keyboard.press("Escape")
    second.locator(".card a.crop").first.click()
    second.wait_for_selector("svg.field image")
    second.locator("#saliency button").click()
    second.wait_for_selector("#saliency img")
    second.locator("#neighbours button").click()
    second.wait_for_selector("#neighbours .card img")
    second.wait_for_load_state("networkidle")
    second.set_viewport_size({"width": 1280, "height": 1250})
    second.evaluate("scrollTo(0, 0)")
    shot(second, "cell")
    second.set_viewport_size({"width": 1280, "height": 800})
    second.goto(f"{station.url}sessions/{session}/summary")
    second.get_by_label("Note (optional)").fill("seen")
    second.get_by_role("button", name="Approve and lock").click()
    second.wait_for_selector(".signed")
    shot(second, "summary")
    second.goto(f"{station.url}sessions/{session}")
    assert second.get_by_text("Approved and locked.").is_visible()
    with Record.open(station.record, create=False, check=False) as record:
        assert [(a.action, a.reviewer, a.note) for a in approvals(record, session)] == [
            ("approve", "Dr. Simulated", "seen")
        ]
    report = second.locator('a[href$="/report/pdf"]')
    second.goto(f"{station.url}sessions/{session}/summary")
    if report.count():
        with second.expect_download() as waiting:
            report.click()
        assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF")


PICTURE = """() => { const i = document.getElementById('picture'), c = document.createElement('canvas');
c.width = 96; c.height = 54; c.getContext('2d').drawImage(i, 0, 0, 96, 54); return c.toDataURL(); }"""


def test_sessions_are_listed_searched_and_compared_and_a_phone_shows_them(station, page, chromium):
    run_a_session(page, station.url, "SIMULATED-2", 40)
    page.get_by_role("button", name="Stop").click()
    wait_for(lambda: page.locator("#dot").get_attribute("data-phase") == "idle")
    page.goto(f"{station.url}sessions")
    shot(page, "sessions")
    page.get_by_placeholder("sample, camera, result").fill("SIMULATED-2")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('input[name=session]').length === 1")

    assert "SIMULATED-2" not in page.url  # a sample id stands in no address
    page.goto(f"{station.url}sessions")
    boxes = page.locator('input[name="session"]')
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector("main.compare")
    page.wait_for_load_state("networkidle")
    shot(page, "compare")
    phone = chromium.new_context(viewport={"width": 390, "height": 780}, device_scale_factor=1)
    small = phone.new_page()
    with Record.open(station.record, create=False, check=False) as record:
        session = find_session(record, "last").id
    small.goto(f"{station.url}sessions/{session}")
    small.wait_for_load_state("networkidle")
    assert small.evaluate("document.documentElement.scrollWidth") <= 390
    shot(small, "phone")
    small.goto(station.url)
    assert small.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()


def test_the_gallery_loads_crops_as_it_is_scrolled(station, page):
    with Record.open(station.record, create=False, check=False) as record:
        session = find_session(record, "last").id
        total = len(cell_labels(record, session))
    asked: set[str] = set()
    page.on("request", lambda r: asked.add(r.url) if r.url.endswith("/crop") else None)
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto(f"{station.url}sessions/{session}")
    page.wait_for_load_state("networkidle")
    at_first = len(asked)
    assert 0 < at_first < total
    wait_for(lambda: (page.mouse.wheel(0, 3000), page.locator(".more").count() == 0)[1])
    assert page.locator(".card").count() == total


def test_the_program_ends_cleanly(station):
    assert station.end() == 0
    assert "Traceback" not in station.said
    assert "SIMULATED" not in station.said.replace(CAMERA, "")


def test_off_the_loopback_wrong_logins_wait_and_a_right_one_reviews_as_proven(station, page, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_ALL_STATE": str(tmp_path / "state")}
    made = subprocess.run(
        [sys.executable, "-m", "edge_all", "users", "add", "hilde", "--role", "reviewer", "--password-stdin"],
        input="correct horse battery\n",
        text=True,
        capture_output=True,
        env=environment,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    shutil.copytree(station.record, tmp_path / "record")
    program = Program(tmp_path, "review", "--host", "0.0.0.0", "--port", "0")
    try:
        port = program.url.rstrip("/").rsplit(":", 1)[1]
        url = f"https://127.0.0.1:{port}/"
        page.goto(f"{url}sessions")
        assert page.url.endswith("/login")
        for _ in range(5):
            page.get_by_label("Name").fill("hilde")
            page.get_by_label("Password").fill("wrong password")
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("alert").wait_for()
        page.get_by_label("Name").fill("hilde")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        assert "Too many wrong tries" in page.get_by_role("alert").inner_text()
        shot(page, "login")
        wait = int(re.search(r"Wait (\d+) s", page.get_by_role("alert").inner_text())[1])
        assert 1 < wait <= 31
        time.sleep(wait + 1)
        page.get_by_label("Name").fill("hilde")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector(".list")
        with Record.open(program.record, create=False) as record:
            session = find_session(record, "last").id
        page.goto(f"{url}sessions/{session}")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("s")
        page.wait_for_selector('.card[data-said="smudge"]')
        with Record.open(program.record, create=False) as record:
            (said,) = all_verdicts(record, session)
        assert (said.reviewer, said.proven) == ("hilde", True)
        assert page.get_by_text("Delete the pictures").count() == 0  # a reviewer is no admin
    finally:
        assert program.end() == 0
    assert "correct horse" not in program.said
