"""The simulated microscope: a camera that draws its own smear and knows the truth of every frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qsl

import numpy as np

from edge_all.errors import UsageError
from edge_all.simulator.kinds import Kind
from edge_all.simulator.optics import Optics
from edge_all.simulator.slides import EmptySlide, StageMicrometer
from edge_all.simulator.smear import RESTING_BLUR_UM, Smear, SmearSettings
from edge_all.vocabulary import Frame, Unreadable


@dataclass(frozen=True)
class Setting:
    """One key of a sim: URI."""

    default: float
    low: float
    high: float
    whole: bool
    meaning: str


SETTINGS: dict[str, Setting] = {
    "seed": Setting(1, 0, 2**31 - 1, True, "another seed is another smear"),
    "fields": Setting(40, 1, 1_000_000, True, "stops of the stage"),
    "blast_fraction": Setting(0.2, 0, 1, False, "share of blasts among the judged leukocytes"),
    "cells": Setting(5, 0, 30, False, "leukocytes in a field of 1280x720 at 0.1 um per px, on average"),
    "defocus": Setting(0, 0, 20, False, "um out of focus, added to each stop's own small error"),
    "width": Setting(1280, 64, 4096, True, "px"),
    "height": Setting(720, 64, 4096, True, "px"),
    "um_per_px": Setting(0.1, 0.03, 0.5, False, "scale of the camera"),
    "frames_per_field": Setting(3, 1, 1000, True, "still frames at each stop; a moving one lies between stops"),
    "step": Setting(0.8, 0.05, 3, False, "way from stop to stop in fields; under 1 they overlap"),
    "fps": Setting(0, 0, 1000, False, "0: as fast as asked; else paced and live, as a sensor"),
    "empty": Setting(0, 0, 1, True, "1: clear glass in place of the smear"),
    "micrometer_um": Setting(0, 0, 100, False, "over 0: a stage micrometer with lines of this pitch, um"),
    "angle": Setting(0, -180, 180, False, "of the micrometer's lines, degrees from upright"),
    "focus_turn": Setting(0, 0, 20, False, "um: each stop's still frames go through focus, from so far to so far"),
}
_COLUMNS = 8


@dataclass(frozen=True)
class TrueCell:
    """What is really there. Centre and radius in pixels of the frame; id and place (um) on the smear."""

    id: int
    kind: Kind
    x_px: float
    y_px: float
    radius_px: float
    x_um: float
    y_um: float


@dataclass(frozen=True)
class FrameTruth:
    """The truth of one frame. ``cells``: all objects but erythrocytes whose centre is in it."""

    cells: tuple[TrueCell, ...]
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
    """Keys and values of ``sim:?key=value&...``. Raises UsageError for an unknown key or an impossible value."""
    values = {name: setting.default for name, setting in SETTINGS.items()}
    _, _, query = uri.partition(":")
    query = query.removeprefix("?")
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in SETTINGS:
            raise UsageError(f"the simulated microscope has no setting '{name}'", f"it has {', '.join(SETTINGS)}")
        setting = SETTINGS[name]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not setting.low <= value <= setting.high or (setting.whole and value != int(value)):
            kind = "a whole number" if setting.whole else "a number"
            raise UsageError(f"sim: {name}={text} cannot be", f"{kind} from {setting.low:g} to {setting.high:g}")
        values[name] = value
    return values


class SimulatedMicroscope:
    """A camera over a drawn smear: the stage goes from stop to stop, row by row, with small errors.

    Deterministic by its URI: two of them give byte-identical frames.
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
        self._begun = 0.0

    @property
    def identity(self) -> str:
        """The optics alone: another slide, or another way of the stage, is the same microscope."""
        return f"sim:?seed={self._seed}&um_per_px={self.um_per_px:g}&width={self._width}&height={self._height}"

    def start(self) -> None:
        """Prepare the smear."""
        self._smear = Smear(self._settings) if self._slide is None else None
        self._optics = Optics(self._seed, self._width, self._height, self.um_per_px)
        self._next = 0
        self._begun = time.monotonic()

    def read(self) -> Frame | Unreadable | None:
        """The next frame; None after the last stop."""
        if self._optics is None:
            self.start()
        shown = self._slide or self._smear
        assert shown is not None
        assert self._optics is not None
        assert self.frame_count is not None
        if self.live:
            # A sensor does not wait: frames that nobody read in time are gone.
            due = int((time.monotonic() - self._begun) * self._fps)
            wait = self._begun + self._next / self._fps - time.monotonic()
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
        """Read frame ``index`` next."""
        self._next = index

    def stop(self) -> None:
        """Forget the smear."""
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
        """What frame ``index`` really shows."""
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
        # Half way to the next stop, smeared along the way.
        nx, ny, _ = self._stop_pose(stop + 1)
        path = (round((nx - x) / 12), round((ny - y) / 12))
        return _Pose((x + nx) // 2, (y + ny) // 2, defocus, path, stop)

    def _stop_pose(self, stop: int) -> tuple[int, int, float]:
        rng = np.random.Generator(np.random.PCG64([self._seed, 30, stop]))
        row, column = divmod(stop, _COLUMNS)
        if row % 2:  # back and forth, as a person does
            column = _COLUMNS - 1 - column
        jitter = rng.normal(0, 0.02, 2)
        x = round((column * self._step + jitter[0]) * self._width)
        y = round((row * self._step + jitter[1]) * self._height)
        return x, y, self._defocus + abs(float(rng.normal(0, 0.15)))
