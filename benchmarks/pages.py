"""Speed of the pages, and the cost of the live page to the analysis."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.board import Row
from edge_all.bench.still_fields import StillFields, drawn_fields
from edge_all.domain.image import Image
from edge_all.domain.types import Cell, Classification, Counts, Detection, Frame, Label, ModelIdentity, Thresholds
from edge_all.record.rows import FrameEntry, SessionInfo
from edge_all.record.store import Record
from edge_all.record.write.crop_file import encode_crop
from edge_all.record.write.files import write_files
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.station import Station, StationState
from edge_all.web.live.live_view import LiveView
from edge_all.web.microscope import Microscope
from edge_all.web.server import Address, Server

SESSIONS, CELLS, VERDICTS = 500, 5000, 2500
_LIMIT_MS = 200.0
_ASKED = 9
_LABELS = (Label.BLAST, Label.NORMAL, Label.NORMAL, Label.UNIDENTIFIED, Label.NORMAL, Label.SMUDGE)
_PAIRS = 6
_FRAMES = 50
_MOST_COST = 5.0
_VIEWERS = 4


def page_rows() -> list[Row]:
    """All pages of a full record over HTTP, and the initial requests of a gallery."""
    with tempfile.TemporaryDirectory() as folder:
        session = _full_record(Path(folder))
        with Server(Address(port=0), Path(folder)) as server:
            ask = _Asker(server.context.endpoint.port)
            times = {path: [ask(path) for _ in range(_ASKED)] for path in _pages(session)}
            gallery = ask.get(f"/sessions/{session}").decode()
        slowest = max(times, key=lambda path: statistics.median(times[path]))
        median, worst = statistics.median(times[slowest]), max(max(t) for t in times.values())
        crops = gallery.count('/crop"')
        name = slowest.replace(session, "ID")
        return [
            Row(
                f"slowest page, a session of {CELLS} cells in a record of {SESSIONS} sessions",
                f"median under {_LIMIT_MS:.0f} ms",
                f"{median:.0f} ms ({name})",
                f"{len(times)} pages, each requested {_ASKED} times; slowest single response {worst:.0f} ms",
                median < _LIMIT_MS,
            ),
            Row(
                "crops in a gallery before scrolling",
                f"under 100 of {CELLS}",
                str(crops),
                "each with loading=lazy, so that a browser requests only visible ones",
                0 < crops < 100 and gallery.count('loading="lazy"') == crops,
            ),
        ]


def live_rows() -> list[Row]:
    """Cost of one and of four viewers to the analysis, alternating with no viewer.

    The cost is the processor time of the pages' own threads relative to that of all others: with all cores busy, the
    rate is reduced by this share. The rate itself, also measured, mostly shows the other load of the machine.
    """
    runs: dict[int, list[_Run]] = {0: [], 1: [], _VIEWERS: []}
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder) / "warm", 0)
        for i in range(_PAIRS):
            for viewers, done in runs.items():
                done.append(_run(Path(folder) / f"{viewers}-{i}", viewers))
    one, one_spread = _cost(runs[0], runs[1])
    four, four_spread = _cost(runs[0], runs[_VIEWERS])
    pictures = [p for run in runs[_VIEWERS] for p in run.pictures_per_s]
    rate = statistics.median(r.fields_per_s for r in runs[0])
    return [
        Row(
            "live page: cost of one viewer to the analysis",
            f"under {_MOST_COST:.0f} % (median)",
            f"{one:.1f} % of the analysis's processor time, at {rate:.1f} fields/s",
            f"{_PAIRS} runs of {_FRAMES} fields each, alternating with no viewer; {one_spread}",
            one < _MOST_COST,
        ),
        Row(
            f"live page for {_VIEWERS} viewers at once",
            "each gets pictures, at most 10 a second",
            f"{min(pictures):.1f} to {max(pictures):.1f} pictures/s each; costs {four:.1f} %",
            f"{_PAIRS} runs; {four_spread}",
            min(pictures) > 0.5 and max(pictures) <= 11.0,
        ),
    ]


def _cost(alone: Sequence[_Run], watched: Sequence[_Run]) -> tuple[float, str]:
    """Return median and spread, in percent of the analysis's processor time."""
    costs = [100 * w.pages_cpu_s / w.other_cpu_s for w in watched]
    rates = [100 * (1 - w.fields_per_s / a.fields_per_s) for a, w in zip(alone, watched, strict=True)]
    spread = (
        f"{min(costs):.1f} to {max(costs):.1f} %; rate reduced by {min(rates):.0f} to {max(rates):.0f} %, incl. noise"
    )
    return statistics.median(costs), spread


def rows() -> list[Row]:
    """All rows of the pages."""
    return page_rows() + live_rows()


def _pages(session: str) -> list[str]:
    own = f"/sessions/{session}"
    return [
        "/sessions",
        "/sessions?page=9",
        "/help",
        "/login",
        own,
        f"{own}?label=blast&reviewed=no",
        f"{own}?part=1&from=2400",
        f"{own}/summary",
        f"{own}/cells/1",
        f"{own}/cells/4999",
        f"{own}/cells/1/crop",
        f"{own}/fields/0",
        f"/sessions/compare?session={session}&session={session}",
    ]


class _Asker:
    """Client that acts as one browser."""

    def __init__(self, port: int) -> None:
        self._port, self._cookie = port, ""

    def __call__(self, path: str) -> float:
        started = time.perf_counter()
        self.get(path)
        return 1000 * (time.perf_counter() - started)

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", path, headers={"Cookie": self._cookie} if self._cookie else {})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        self._cookie = (answer.getheader("Set-Cookie") or self._cookie).split(";")[0]
        connection.close()
        return body


def _full_record(folder: Path) -> str:
    """Write 499 sessions of 100 cells and one of 5,000 with crops and verdicts; return the id of the last."""
    identity, thresholds = ModelIdentity("m", "1", "ff" * 32), Thresholds(0.8, 0.2, 0.5)
    info = SessionInfo("S", "sim:", "default", (identity,), "test", thresholds, None, "0")
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 255, (192, 192, 3), np.uint8)
    frame = Frame(rng.integers(100, 230, (720, 1280, 3), np.uint8), 0, 1.0, "f")
    png = encode_crop(crop, {})
    with Record.open(folder) as record:
        for number in range(SESSIONS):
            session = record.begin_session(info)
            count = CELLS if number == SESSIONS - 1 else 100
            for index in range(max(1, count // 8)):
                place = (100.0 * index, 0.0)
                entry = FrameEntry(index, "f", 1.0, 1280, 720, "analysed", "", 0.1, "profile", 1.0, 0, place)
                record.write_frame(session, entry)
            cells = [_cell(n + 1, float(rng.random()), identity, thresholds) for n in range(count)]
            record.write_cells(session, [(c, None) for c in cells])
            counts = Counts(
                fields=count // 8, frames=count // 8, by_label={Label.BLAST: count // 6, Label.NORMAL: count // 2}
            )
            record.end_session(session, counts, "words", False)
        record.keep_field(session, frame)
        record.flush()
        with record.transaction() as database:
            database.execute("UPDATE cell SET crop = 'crops/' || session || '/1.png' WHERE session = ?", (session,))
            database.executemany(
                "INSERT INTO verdict (session, cell, reviewer, proven, label, time) VALUES (?, ?, 'A', 0, 'blast', ?)",
                [(session, n + 1, float(n)) for n in range(VERDICTS)],
            )
        write_files([(folder / "crops" / session / "1.png", png)])
    return session


def _cell(number: int, probability: float, identity: ModelIdentity, thresholds: Thresholds) -> Cell:
    label = _LABELS[number % len(_LABELS)]
    classified = None
    if label is not Label.SMUDGE:
        classified = Classification(probability, 0.1, label, thresholds, identity, "test")
    x = 60.0 + 150 * (number % 8)
    index = (number - 1) // 8
    return Cell(
        number, index, "f", Detection(x, 300.0, 55.0, 0.9), 0.1, classified, place_um=(100.0 * index + x / 10, 30.0)
    )


@lru_cache(maxsize=1)
def _fields() -> list[Image]:
    return drawn_fields(1280, 720, 6, 10)


@dataclass(frozen=True)
class _Run:
    """One session: its rate, processor time of the pages' threads and of all others, pictures per viewer."""

    fields_per_s: float
    pages_cpu_s: float
    other_cpu_s: float
    pictures_per_s: tuple[float, ...]


def _run(folder: Path, viewers: int) -> _Run:
    live = LiveView()
    camera = StillFields(_fields(), _FRAMES, independent=True)
    station = Station(camera.uri, lambda *_: None)  # type: ignore[arg-type]
    with (
        Session(camera, folder, SessionOptions(keep_all_crops=True)) as session,
        Server(Address(port=0), folder, microscope=Microscope(folder, station, live), create=True) as server,
    ):
        station._set(StationState("running"))
        watchers = [_watch(server.context.endpoint.port) for _ in range(viewers)]
        times: list[float] = []

        def told(progress: object) -> None:
            times.append(time.perf_counter())
            live.take(progress)  # type: ignore[arg-type]

        all_before, pages_before = time.process_time(), _pages_cpu_s()
        session.run(told)
        pages = _pages_cpu_s() - pages_before
        others = time.process_time() - all_before - pages
    # The first fields fill the queues.
    rate = (len(times) - 6) / (times[-1] - times[5])
    seen = tuple(int((w.communicate(timeout=30)[0] or "0").strip()) / (times[-1] - times[0]) for w in watchers)
    return _Run(rate, pages, others, seen)


def _pages_cpu_s() -> float:
    """Return the processor time of the serving threads (Linux: /proc/self/task/ID/schedstat, ns)."""
    own = [t for t in threading.enumerate() if t.name == "pages" or t.name.startswith("AnyIO worker")]
    return sum(int(Path(f"/proc/self/task/{t.native_id}/schedstat").read_text().split()[0]) for t in own) / 1e9


def _watch(port: int) -> subprocess.Popen[str]:
    """Act as a browser in a separate process: read the stream, and request the counts once a second."""
    code = (
        "import http.client,threading,time,sys\n"
        f"def ask():\n c=http.client.HTTPConnection('127.0.0.1',{port})\n"
        " h={}\n while True:\n  c.request('GET','/live/state',headers=h); a=c.getresponse(); a.read(); time.sleep(1)\n"
        "  if a.getheader('Set-Cookie'): h={'Cookie':a.getheader('Set-Cookie').split(';')[0]}\n"
        "threading.Thread(target=ask,daemon=True).start()\n"
        f"c=http.client.HTTPConnection('127.0.0.1',{port})\n"
        "c.request('GET','/live/picture.mjpg'); a=c.getresponse(); n=0\n"
        "try:\n while True:\n  b=a.read1(65536)\n  if not b: break\n  n+=b.count(b'Content-Type: image/jpeg')\n"
        "except Exception: pass\nprint(n)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.verdict:<12} {row.what}: {row.value} (target {row.target}) {row.spread}")
