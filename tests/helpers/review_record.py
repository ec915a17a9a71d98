"""A small record as sessions make it, and a simulated browser, for the tests of the pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_all.domain.labels import MODEL_KINDS
from edge_all.domain.types import Cell, Frame, Label, ModelIdentity, Thresholds
from edge_all.record.rows import FrameEntry, SessionInfo
from edge_all.record.store import Record
from edge_all.record.thread_local import ThreadLocalRecord
from edge_all.session.station import Station
from edge_all.web.auth.accounts import Accounts
from edge_all.web.context import Endpoint, ReviewContext
from edge_all.web.live.live_view import LiveView
from edge_all.web.microscope import Microscope
from tests.helpers.cells import make_cell, make_counts

if TYPE_CHECKING:
    from httpx import Response

LABELS = (Label.BLAST, Label.NORMAL, Label.UNIDENTIFIED, Label.SMUDGE)


def info(sample: str | None = "S1", camera: str = "sim:") -> SessionInfo:
    return SessionInfo(
        sample, camera, "default", (ModelIdentity("m", "1", "ff" * 32),), "test", Thresholds(0.8, 0.2, 0.5), None, "0"
    )


def fill(folder: Path, cells: int = 12, sample: str | None = "S1", ended: bool = True, frame: str = "field.png") -> str:
    """Write one session of ``cells`` cells, in fields of 640 x 480 with four cells each. Return its id."""
    rng = np.random.default_rng(cells)
    with Record.open(folder) as record:
        session = record.begin_session(info(sample))
        for index in range(-(-cells // 4)):
            image = rng.integers(150, 220, (480, 640, 3), np.uint8)
            record.write_frame(
                session,
                FrameEntry(index, frame, 1.0, 640, 480, "analysed", "", 0.1, "profile", 1.1, 0, (64.0 * index, 0.0)),
            )
            record.keep_field(session, Frame(image, index, 1.0, frame))
            numbers = range(4 * index + 1, min(4 * index + 4, cells) + 1)
            made = [_cell(n, index, frame) for n in numbers]
            record.write_cells(session, [(c, _crop(c.number) if c.number % 4 else None) for c in made])
        counts = make_counts(fields=1, frames=1, blasts=cells // 4, normals=cells // 4, unidentified=cells // 4)
        if ended:
            record.end_session(session, counts, "words", False)
    return session


def fill_with_kinds(folder: Path, cells: Sequence[tuple[str, str, float]], sample: str | None = "S1") -> str:
    """Write a session of a model of kinds: label, kind and blast probability of each cell. Return its id."""
    with Record.open(folder) as record:
        session = record.begin_session(info(sample))
        record.write_frame(
            session, FrameEntry(0, "f.png", 1.0, 640, 480, "analysed", "", 0.1, "profile", 1.1, 0, (0, 0))
        )
        made = [
            _with_kind(make_cell(number, Label(label), probability, "f.png"), Label(label), kind, probability)
            for number, (label, kind, probability) in enumerate(cells, 1)
        ]
        record.write_cells(session, [(cell, _crop(cell.number)) for cell in made])
        record.end_session(session, record.counted(session), "words", False)
    return session


def _with_kind(cell: Cell, label: Label, kind: str, probability: float) -> Cell:
    given = cell.classification or make_cell(1, Label.NORMAL).classification
    assert given is not None
    shares = tuple(1 / len(MODEL_KINDS) for _ in MODEL_KINDS)
    classification = replace(given, label=label, kind=kind, kinds=shares, blast_probability=probability)
    return replace(cell, classification=classification)


def _cell(number: int, frame_index: int, frame: str) -> Cell:
    label = LABELS[(number - 1) % 4]
    x, y = 100.0 + 120 * ((number - 1) % 4), 200.0
    cell = make_cell(number, label, round(1 - number / 10000, 4), frame, frame_index, x, y)
    return replace(cell, place_um=(x * 0.1 + 64.0 * frame_index, y * 0.1))


def _crop(number: int) -> np.ndarray:
    image = np.full((192, 192, 3), 215, np.uint8)
    color = (90 + number % 60, 40, 130 - number % 50)
    cv2.circle(image, (96, 96), 40 + number % 20, color, -1)
    return image


def context(folder: Path, users: Path | None = None, station: Station | None = None, **endpoint: Any) -> ReviewContext:
    from edge_all.modelstore.shipped import models_folder

    return ReviewContext(
        ThreadLocalRecord(folder),
        Accounts(users or folder / "users.json"),
        models_folder(),
        Endpoint(port=8080, **endpoint),
        None if station is None else Microscope(folder, station, LiveView()),
    )


class Browser:
    """Keeps its cookie, sends its origin and the token of the last page, as a browser does."""

    def __init__(self, context: ReviewContext, scheme: str = "http") -> None:
        from starlette.testclient import TestClient

        from edge_all.web.app import make_app

        self.origin = f"{scheme}://127.0.0.1:8080"
        self.client = TestClient(make_app(context), base_url=self.origin, follow_redirects=False)
        self.token = ""

    def get(self, path: str, **values: Any) -> Response:
        answer: Response = self.client.get(path, **values)
        found = (
            re.search(r'data-csrf="([^"]+)"', answer.text) if "html" in answer.headers.get("content-type", "") else None
        )
        self.token = found[1] if found else self.token
        return answer

    def post(
        self, path: str, data: dict[str, Any] | None = None, json: object = None, **headers: str | None
    ) -> Response:
        sent = {"Origin": self.origin, "X-CSRF-Token": self.token} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        sent = {k: v for k, v in sent.items() if v is not None}
        answer: Response = self.client.post(path, data=data, json=json, headers=sent)
        return answer

    def named(self, name: str = "Ada") -> Browser:
        self.get("/sessions")
        assert self.post("/name", {"name": name, "back": "/sessions"}).status_code == 303
        return self
