"""The pages in a real browser, where a simulated session is started, watched, reviewed by keyboard and approved.

Needs Debian's chromium (installed here when root) and the Python package playwright. With EDGE_ALL_SCREENSHOTS=FOLDER
it writes the pictures of docs/review.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from edge_all.record.events.verdicts import all_verdicts, approvals, latest_verdicts
from edge_all.record.queries import cell_labels, find_session
from edge_all.record.store import Record
from tests.helpers.pages_rig import (
    CAMERA,
    PICTURE,
    ROOT,
    Program,
    chosen_cell,
    counted,
    run_a_session,
    shot,
    shown_session,
    stop_the_session,
    wait_for,
    wait_for_phase,
)

# Their waits are long; a machine that does nothing else needs two minutes for all.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("station"), "run", "--camera", CAMERA, "--web", "127.0.0.1:0")
    yield program
    if program.process.poll() is None:
        program.end()


def shows_another_picture(page, before):
    return page.evaluate(PICTURE) != before


def test_a_session_is_started_watched_reviewed_and_approved(station, page):
    session = run_a_session(page, station.url, "SIMULATED-1", 60)
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 960
    first = page.evaluate(PICTURE)
    wait_for(lambda: page.evaluate(PICTURE) != first)  # it moves
    wait_for(
        lambda: page.locator("#gate").get_attribute("data-good") == "1" and "Same" in page.locator("#gate").inner_text()
    )
    page.set_viewport_size({"width": 1280, "height": 830})
    shot(page, "live")

    page.get_by_role("button", name="Pause").click()
    wait_for_phase(page, "paused")
    # The record holds one frame after another, so when the page shows one, those before it are counted.
    wait_for(lambda: "Paused" in page.locator("#gate").inner_text())
    stands = counted(page)
    for _ in range(2):  # the camera continues
        before = page.evaluate(PICTURE)
        wait_for(partial(shows_another_picture, page, before))
    for _ in range(2):  # when the second answer comes, the first is shown
        with page.expect_response("**/live/state"):
            pass
    assert counted(page) == stands
    page.get_by_role("button", name="Resume").click()
    wait_for(lambda: counted(page) > stands)

    # A review while the session still runs, in a second tab.
    second = page.context.new_page()
    second.goto(f"{station.url}sessions/{session}")
    second.get_by_label("Your name").fill("Dr. Simulated")
    second.get_by_role("button", name="Start reviewing").click()
    second.wait_for_selector("#classes button")
    second.wait_for_selector('.card[tabindex="0"]')  # its script listens to the keys
    before = counted(page)
    second.keyboard.press("ArrowRight")
    numbers = []
    for key in ("b", "n", "u", "2"):
        numbers.append(chosen_cell(second))
        second.keyboard.press(key)
        second.wait_for_selector(f'.card[data-cell="{numbers[-1]}"]:not([data-said=""])')
        wait_for(lambda: chosen_cell(second) != numbers[-1])
    second.keyboard.press("z")
    second.wait_for_selector(f'.card[data-cell="{numbers[3]}"][data-said=""]')
    second.keyboard.press("Shift+ArrowRight")
    second.keyboard.press("Shift+ArrowRight")
    three = [int(c.get_attribute("data-cell")) for c in second.locator('.card[aria-selected="true"]').all()]
    assert len(three) == 3
    second.keyboard.press("x")
    second.wait_for_selector(f'.card[data-cell="{three[2]}"][data-said="artifact"]')
    wait_for(lambda: counted(page) > before)  # the session was not held up

    # Dragged onto a verdict.
    dragged = second.locator('.card[data-said=""]').nth(5)
    number = int(dragged.get_attribute("data-cell"))
    dragged.drag_to(second.locator('#classes [data-kind="monocyte"]'))
    second.wait_for_selector(f'.card[data-cell="{number}"][data-said="normal"]')

    # Nothing is lost by loading the page again.
    second.reload()
    assert second.locator(f'.card[data-cell="{numbers[0]}"]').get_attribute("data-said") == "blast"

    stop_the_session(page)
    with Record.open(station.record, create=False, check=False) as record:
        said = latest_verdicts(record, session)
        assert [said[n].label for n in numbers[:3]] == ["blast", "normal", "unidentified"]
        assert said[number].kind == "monocyte"
        assert [said[n].label for n in three] == ["artifact"] * 3
        assert not said[number].proven
        assert find_session(record, session).sample == "SIMULATED-1"
        trail = all_verdicts(record, session)
        assert [v.reverts_id is not None for v in trail].count(True) == 1

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
    second.wait_for_load_state("load")
    second.locator("#saliency button").click()
    second.wait_for_selector("#saliency img")
    second.locator("#neighbors button").click()
    second.wait_for_selector("#neighbors .card img")
    second.locator("#morphology button").click()
    second.wait_for_selector("#morphology dl")
    second.wait_for_load_state("networkidle")
    second.set_viewport_size({"width": 1280, "height": 1400})
    second.evaluate("scrollTo(0, 0)")
    shot(second, "cell")
    second.set_viewport_size({"width": 1280, "height": 800})
    second.goto(f"{station.url}sessions/{session}/summary")
    second.locator("#description button").click()
    second.wait_for_selector("#description table")
    assert "fits L2" in second.locator("#description").inner_text()
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


@pytest.mark.parametrize("way", ["by its button", "by Enter", "pressed twice", "while paused"])
def test_the_next_sample_ends_the_session_and_starts_the_next(tmp_path, page, way):
    program = Program(tmp_path, "run", "--camera", CAMERA, "--web", "127.0.0.1:0", "--sample", "FIRST")
    try:
        page.goto(program.url)
        wait_for_phase(page, "running")
        wait_for(lambda: counted(page) > 0)
        first = shown_session(page)
        if way == "while paused":
            page.get_by_role("button", name="Pause").click()
            wait_for_phase(page, "paused")
        page.get_by_label("Next sample ID").fill("SECOND")
        button = page.get_by_role("button", name="Next")
        if way == "by Enter":
            page.keyboard.press("Enter")
        elif way == "pressed twice":
            button.dblclick()
        else:
            button.click()
        wait_for(lambda: page.locator('[data-show="sample"]').inner_text() == "SECOND")
        wait_for_phase(page, "running")
        wait_for(lambda: counted(page) > 0 and shown_session(page) not in ("", first))
        assert page.get_by_label("Next sample ID").input_value() == ""
        with Record.open(program.record, create=False, check=False) as record:
            known = [(s.sample, s.ended is not None) for s in record.sessions()]
        assert known == [("FIRST", True), ("SECOND", False)]
    finally:
        assert program.end() == 0


def test_a_refused_command_is_shown(station, page):
    """For example, the program was restarted since the page was loaded, so the tokens of its forms have changed."""
    page.goto(station.url)
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach(field => { field.value = 'old'; })")
    page.locator("#sample").fill("REFUSED")
    page.keyboard.press("Enter")
    wait_for(lambda: "Reload the page" in page.locator("#toast").inner_text())
    assert page.locator("#sample").input_value() == "REFUSED"


def test_sessions_are_listed_searched_and_compared(station, page):
    run_a_session(page, station.url, "SIMULATED-2", 40)
    stop_the_session(page)
    page.goto(f"{station.url}sessions")
    shot(page, "sessions")
    page.get_by_placeholder("sample, camera, result").fill("SIMULATED-2")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('input[name=session]').length === 1")

    assert "SIMULATED-2" not in page.url  # no address contains a sample id
    page.goto(f"{station.url}sessions")
    boxes = page.locator('input[name="session"]')
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector("main.compare")
    page.wait_for_load_state("networkidle")
    shot(page, "compare")


def test_keys_faster_than_the_answers_review_one_cell_after_the_other(station, page):
    """A key pressed while a verdict is being sent is meant for the next cell; a user who has moved on stays there."""
    with Record.open(station.record, create=False, check=False) as record:
        session = find_session(record, "last").id
    page.goto(f"{station.url}sessions/{session}")
    page.get_by_label("Your name").fill("Dr. Quick")
    page.get_by_role("button", name="Start reviewing").click()
    page.wait_for_selector('.card[tabindex="0"]')
    page.route("**/verdicts", lambda route: (time.sleep(0.3), route.continue_()))

    def said():
        return [card.get_attribute("data-said") for card in page.locator(".card").all()[:8]]

    before = said()
    page.keyboard.press("ArrowRight")
    for key in "bnus":
        page.keyboard.press(key)
    expected = ["blast", "normal", "unidentified", "smudge"]
    wait_for(lambda: said()[:4] == expected)
    assert said()[4:] == before[4:]
    fifth = chosen_cell(page)
    page.keyboard.press("b")
    page.keyboard.press("ArrowRight")
    sixth = chosen_cell(page)
    assert sixth != fifth
    wait_for(lambda: said()[4] == "blast")
    page.wait_for_timeout(200)
    assert chosen_cell(page) == sixth


@pytest.mark.parametrize("width", [390, 320])
def test_no_page_is_wider_than_a_phone(station, chromium, width):
    with Record.open(station.record, create=False, check=False) as record:
        session, other = (s.id for s in record.sessions()[:2])
    phone = chromium.new_context(viewport={"width": width, "height": 780}, device_scale_factor=1)
    small = phone.new_page()
    paths = ["", "sessions", "help", "login", f"sessions/{session}", f"sessions/{session}/summary", "nowhere"]
    paths += [f"sessions/{session}/cells/1", f"sessions/compare?session={session}&session={other}"]
    for path in paths:
        small.goto(station.url + path)
        assert small.evaluate("document.documentElement.scrollWidth") <= width, path
        if path == f"sessions/{session}" and width == 390:
            small.wait_for_load_state("networkidle")
            shot(small, "phone")
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


def log_in(tab, name, password):
    tab.get_by_label("Name").fill(name)
    tab.get_by_label("Password").fill(password)
    with tab.expect_navigation():
        tab.get_by_role("button", name="Log in").click()


def test_from_another_machine_wrong_logins_wait_and_a_right_one_reviews_as_authenticated(station, page, tmp_path):
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
            log_in(page, "hilde", "wrong password")
            assert page.get_by_role("alert").is_visible()
        log_in(page, "hilde", "correct horse battery")
        assert "Too many failed attempts" in page.get_by_role("alert").inner_text()
        shot(page, "login")
        wait = int(re.search(r"Wait (\d+) s", page.get_by_role("alert").inner_text())[1])
        assert 1 < wait <= 31
        time.sleep(wait + 1)
        log_in(page, "hilde", "correct horse battery")
        page.wait_for_selector(".list")
        with Record.open(program.record, create=False) as record:
            session = find_session(record, "last").id
        page.goto(f"{url}sessions/{session}")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("s")
        page.wait_for_selector('.card[data-said="smudge"]')
        with Record.open(program.record, create=False) as record:
            # The session was reviewed before, by others without a login.
            (said,) = [v for v in all_verdicts(record, session) if v.reviewer == "hilde"]
        assert (said.label, said.proven) == ("smudge", True)
        assert page.get_by_text("Delete the pictures").count() == 0  # a reviewer is not an admin
    finally:
        assert program.end() == 0
    assert "correct horse" not in program.said
