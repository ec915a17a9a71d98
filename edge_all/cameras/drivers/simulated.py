"""Simulated microscope: a camera that renders a smear and knows the ground truth of each frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qsl

import numpy as np

from edge_all.domain.types import Frame
from edge_all.errors import UsageError
from edge_all.simulator.kinds import Kind
from edge_all.simulator.optics import Optics
from edge_all.simulator.slides import EmptySlide, StageMicrometer
from edge_all.simulator.smear import RESTING_BLUR_UM, Smear, SmearSettings


@dataclass(frozen=True)
class Setting:
    """Option of a sim: URI."""

    default: float
    low: float
    high: float
    whole: bool
    meaning: str


SETTINGS: dict[str, Setting] = {
    "seed": Setting(1, 0, 2**31 - 1, True, "random seed; each seed gives another smear"),
    "fields": Setting(40, 1, 1_000_000, True, "number of stage stops"),
    "blast_fraction": Setting(0.2, 0, 1, False, "share of blasts among the classified leukocytes"),
    "cells": Setting(5, 0, 30, False, "mean number of leukocytes in a field of 1280x720 at 0.1 um per px"),
    "defocus": Setting(0, 0, 20, False, "um out of focus, added to the small error of each stop"),
    "width": Setting(1280, 64, 4096, True, "px"),
    "height": Setting(720, 64, 4096, True, "px"),
    "um_per_px": Setting(0.1, 0.03, 0.5, False, "scale of the camera"),
    "frames_per_field": Setting(3, 1, 1000, True, "still frames at each stop; one moving frame comes between stops"),
    "step": Setting(0.8, 0.05, 3, False, "distance between stops in fields; below 1 they overlap"),
    "fps": Setting(0, 0, 1000, False, "frames per second of a live, paced sensor; 0 delivers frames on demand"),
    "empty": Setting(0, 0, 1, True, "1 shows clear glass in place of the smear"),
    "micrometer_um": Setting(0, 0, 100, False, "above 0, shows a stage micrometer with this line pitch in um"),
    "angle": Setting(0, -180, 180, False, "angle of the micrometer's lines, degrees from vertical"),
    "focus_turn": Setting(0, 0, 20, False, "um; the still frames of each stop sweep through focus over this range"),
}
_COLUMNS = 8


@dataclass(frozen=True)
class TrueCell:
    """Ground truth of one cell: center and radius in frame pixels, id, and position on the smear in micrometers."""

    id: int
    kind: Kind
    x_px: float
    y_px: float
    radius_px: float
    x_um: float
    y_um: float


@dataclass(frozen=True)
class FrameTruth:
    """Ground truth of one frame."""

    cells: tuple[TrueCell, ...]
    """All objects except erythrocytes whose center is in the frame."""
    left_um: float
    top_um: float
    defocus_um: float
    moving: bool
    stop: int


@dataclass(frozen=True)
class _Pose:
    left_px: int
    top_px: int
    defocus_um: float
    motion_px: tuple[int, int]
    stop: int


def parse_settings(uri: str) -> dict[str, float]:
    """Parse the options of a ``sim:?key=value&...`` URI.

    Raises:
        UsageError: when an option is unknown or out of range.
    """
    values = {name: setting.default for name, setting in SETTINGS.items()}
    _, _, query = uri.partition(":")
    query = query.removeprefix("?")
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in SETTINGS:
            raise UsageError(
                f"the simulated microscope has no setting '{name}'", f"its settings are {', '.join(SETTINGS)}"
            )
        setting = SETTINGS[name]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not setting.low <= value <= setting.high or (setting.whole and value != int(value)):
            kind = "a whole number" if setting.whole else "a number"
            # Not :g, which writes a million as 1e+06.
            limits = f"{setting.low:.10g} to {setting.high:.10g}"
            raise UsageError(f"sim: {name}={text} is not valid", f"use {kind} from {limits}")
        values[name] = value
    return values


class SimulatedMicroscope:
    """Camera over a rendered smear. The stage moves from stop to stop, row by row, with small errors.

    It is deterministic: two cameras with the same URI deliver byte-identical frames.
    """

    def __init__(self, uri: str = "sim:") -> None:
        values = parse_settings(uri)
        self.uri = uri
        self.independent_fields = False
        self.um_per_px = values["um_per_px"]
        self._fps = values["fps"]
        self.live = self._fps > 0
        self._seed = int(values["seed"])
        self._stops = int(values["fields"])
        self._still = int(values["frames_per_field"])
        self.frame_count: int | None = self._stops * self._still + self._stops - 1
        self._width, self._height = int(values["width"]), int(values["height"])
        self._defocus = values["defocus"]
        self._step = values["step"]
        per_um2 = values["cells"] / (1280 * 720 * 0.1**2)
        self._settings = SmearSettings(self._seed, self.um_per_px, per_um2, values["blast_fraction"])
        self._focus_turn = values["focus_turn"]
        self._slide: EmptySlide | StageMicrometer | None = None
        if values["empty"]:
            self._slide = EmptySlide()
        elif values["micrometer_um"]:
            self._slide = StageMicrometer(values["micrometer_um"], values["angle"], self.um_per_px, RESTING_BLUR_UM)
        self._smear: Smear | None = None
        self._optics: Optics | None = None
        self._next = 0
        self._started = 0.0

    @property
    def identity(self) -> str:
        """Identity of the optics alone: another slide or another stage path is still the same microscope."""
        return f"sim:?seed={self._seed}&um_per_px={self.um_per_px:g}&width={self._width}&height={self._height}"

    def start(self) -> None:
        """Prepare the smear."""
        self._smear = Smear(self._settings) if self._slide is None else None
        self._optics = Optics(self._seed, self._width, self._height, self.um_per_px)
        self._next = 0
        self._started = time.monotonic()

    def read(self) -> Frame | None:
        """Return the next frame, or None after the last stop."""
        if self._optics is None:
            self.start()
        shown = self._slide or self._smear
        assert shown is not None
        assert self._optics is not None
        assert self.frame_count is not None
        if self.live:
            # A sensor does not wait, so frames that were not read in time are lost.
            due = int((time.monotonic() - self._started) * self._fps)
            wait = self._started + self._next / self._fps - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            else:
                self._next = max(self._next, due)
        if self._next >= self.frame_count:
            return None
        index = self._next
        self._next += 1
        pose = self._pose(index)
        rng = np.random.Generator(np.random.PCG64([self._seed, 20, index]))
        window = shown.cut(pose.left_px, pose.top_px, self._width, self._height)
        image = self._optics.see(window, pose.defocus_um, pose.motion_px, rng)
        return Frame(image, index, time.time(), f"{self.uri}#{index}")

    def seek(self, index: int) -> None:
        """Set the index of the next frame to read."""
        self._next = index

    def stop(self) -> None:
        """Discard the smear."""
        self._smear = None
        self._optics = None

    def __enter__(self) -> SimulatedMicroscope:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def truth(self, index: int) -> FrameTruth:
        """Return the ground truth of a frame."""
        pose = self._pose(index)
        if self._slide is not None:
            left, top = pose.left_px * self.um_per_px, pose.top_px * self.um_per_px
            return FrameTruth((), left, top, pose.defocus_um, max(map(abs, pose.motion_px)) > 0, pose.stop)
        smear = self._smear or Smear(self._settings)
        upp = self.um_per_px
        left, top = pose.left_px * upp, pose.top_px * upp
        cells = tuple(
            TrueCell(
                o.id,
                o.kind,
                (o.x_um - left) / upp,
                (o.y_um - top) / upp,
                o.radius_um / upp,
                o.x_um,
                o.y_um,
            )
            for o in smear.objects_within(left, top, self._width * upp, self._height * upp)
        )
        return FrameTruth(cells, left, top, pose.defocus_um, max(map(abs, pose.motion_px)) > 0, pose.stop)

    def _pose(self, index: int) -> _Pose:
        stop, within = divmod(index, self._still + 1)
        x, y, defocus = self._stop_pose(stop)
        if within < self._still:
            rng = np.random.Generator(np.random.PCG64([self._seed, 31, index]))
            shake = rng.integers(-1, 2, 2)
            if self._focus_turn and self._still > 1:
                defocus += abs(2 * within / (self._still - 1) - 1) * self._focus_turn
            return _Pose(x + int(shake[0]), y + int(shake[1]), defocus, (0, 0), stop)
        # Halfway to the next stop, with motion blur along the path.
        nx, ny, _ = self._stop_pose(stop + 1)
        path = (round((nx - x) / 12), round((ny - y) / 12))
        return _Pose((x + nx) // 2, (y + ny) // 2, defocus, path, stop)

    def _stop_pose(self, stop: int) -> tuple[int, int, float]:
        rng = np.random.Generator(np.random.PCG64([self._seed, 30, stop]))
        row, column = divmod(stop, _COLUMNS)
        if row % 2:  # back and forth, as a person moves the stage
            column = _COLUMNS - 1 - column
        jitter = rng.normal(0, 0.02, 2)
        x = round((column * self._step + jitter[0]) * self._width)
        y = round((row * self._step + jitter[1]) * self._height)
        return x, y, self._defocus + abs(float(rng.normal(0, 0.15)))
