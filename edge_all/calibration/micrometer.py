"""Micrometres per pixel from the lines of a stage micrometer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.calibration import ScaleCalibration
from edge_all.errors import CalibrationError
from edge_all.vocabulary import Frame, Image

LEAST_LINES = 4
_SPECTRUM_PX = 512
_LEAST_PERIOD_PX = 5.0
_PERIODIC = 0.35
"""Autocorrelation that a period must reach; stray edges stay under it."""
_LINE_SHARE = 0.25
"""Of the picture's variance that lines explain; a smear's erythrocytes, averaged along any direction, explain less."""
_MOST_JITTER = 0.12
"""Scatter of the lines about even places, in pitches."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinePitch:
    """Distance between neighbouring lines."""

    pitch_px: float
    jitter: float
    """Standard deviation of the lines about even places, in pitches."""
    lines: int
    angle_deg: float
    """Of the direction across the lines, from the x axis, -90 to 90."""


def scale_from_micrometer(frames: Sequence[Frame], pitch_um: float) -> ScaleCalibration:
    """um per px from frames of a stage micrometer with lines pitch_um apart: the median over the frames.

    The spread is the larger of the lines' scatter and the frames'. Raises CalibrationError where no frame shows at
    least four even lines.
    """
    found = [(frame, pitch) for frame in frames if (pitch := measure_line_pitch(frame.image)) is not None]
    if not found:
        raise CalibrationError(
            f"no lines: not one of {len(frames)} frames shows at least {LEAST_LINES} even, parallel lines",
            "bring the micrometer's divisions into focus so that they fill the field",
        )
    scales = np.array([pitch_um / p.pitch_px for _, p in found])
    scale = float(np.median(scales))
    jitter = float(np.median([p.jitter for _, p in found]))
    first = found[0][0]
    if not 0.01 <= scale <= 2.0:
        raise CalibrationError(
            f"{scale:.4g} um per px cannot be (0.01 to 2)", "check --micrometer-um, the distance of two lines in um"
        )
    lines = int(np.median([p.lines for _, p in found]))
    spread = max(jitter, float(scales.std() / scale))
    return ScaleCalibration(first.time, first.width_px, first.height_px, scale, spread, lines, "micrometer")


def measure_line_pitch(image: Image) -> LinePitch | None:
    """Pitch of dark, even, parallel lines in an RGB uint8 image; None where there are none.

    The spectrum's strongest peak gives the direction, and the sum along the lines a profile. The profile's first strong
    autocorrelation peak is the pitch to a pixel: thin lines have harmonics as strong as their fundamental, and longer
    lines at every fifth give a longer period too. A straight line through the places of the profile's minima, each by
    its parabola, gives it below a pixel.
    """
    grey = image[..., 1].astype(np.float32)
    block = max(1, max(grey.shape) // (2 * _SPECTRUM_PX))
    small = cv2.resize(grey, (grey.shape[1] // block, grey.shape[0] // block), interpolation=cv2.INTER_AREA)
    flat = np.asarray(small - cv2.GaussianBlur(small, (0, 0), max(small.shape) / 12), np.float32)
    if float(flat.std()) < 1.0:
        return None
    angle = _direction(flat)
    best: tuple[float, FloatArray] | None = None
    for step in (1.2, 0.4, 0.1, 0.025):  # the sharpest profile is the one along the lines
        for candidate in (angle, angle - 2 * step, angle - step, angle + step, angle + 2 * step):
            profile, share = _profile(flat, candidate)
            if best is None or share > best[0]:
                best, angle = (share, profile), candidate
    assert best is not None
    share, profile = best
    if share < _LINE_SHARE:
        return None
    period = _period(profile)
    if period is None:
        return None
    fitted = _fit_lines(profile, period)
    if fitted is None:
        return None
    pitch, jitter, lines = fitted
    return LinePitch(pitch * block, jitter, lines, (angle + 90) % 180 - 90)


def _direction(flat: npt.NDArray[np.float32]) -> float:
    """Degrees of the direction across the lines."""
    height, width = flat.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.abs(np.fft.rfft2(flat * window)) ** 2
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fy, fx)
    power[(frequency < LEAST_LINES / max(height, width)) | (frequency > 1 / _LEAST_PERIOD_PX)] = 0
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    return float(np.degrees(np.arctan2(fy[row, 0], fx[0, column])))


def _profile(flat: npt.NDArray[np.float32], angle_deg: float) -> tuple[FloatArray, float]:
    """Mean along the lines, a value a pixel across them, and the share of the variance that it explains."""
    height, width = flat.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    cos, sin = abs(np.cos(np.radians(angle_deg))), abs(np.sin(np.radians(angle_deg)))
    # The largest upright box that the turned picture fills, so that no line is cut.
    across = int(min(width / max(cos, 1e-6), height / max(sin, 1e-6)) * 0.98)
    along = int(min(width, height) * 0.35)
    across = min(across, int((width - along * sin) / max(cos, 1e-6)), int((height - along * cos) / max(sin, 1e-6)))
    across = max(8, min(across, int(np.hypot(width, height))))
    turn = cv2.getRotationMatrix2D(centre, angle_deg, 1.0)
    turn[0, 2] += (across - 1) / 2 - centre[0]
    turn[1, 2] += (along - 1) / 2 - centre[1]
    turned = cv2.warpAffine(flat, turn, (across, along), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    profile = turned.mean(0).astype(np.float64)
    smooth = cv2.GaussianBlur(turned, (0, 0), 1.0)
    return profile, float(profile.var() / max(float(smooth.var()), 1e-9))


def _period(profile: FloatArray) -> float | None:
    """Of the first autocorrelation peak that is nearly as high as the highest, px."""
    centred = profile - profile.mean()
    n = len(centred)
    spectrum = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[: n - n // LEAST_LINES]
    overlap = np.arange(n, n - len(correlation), -1)
    correlation = correlation / overlap / max(correlation[0] / n, 1e-9)
    inner = correlation[1:-1]
    peaks = np.nonzero((inner >= correlation[:-2]) & (inner > correlation[2:]))[0] + 1
    peaks = peaks[(peaks >= _LEAST_PERIOD_PX) & (correlation[peaks] >= _PERIODIC)]
    if not len(peaks):
        return None
    strong = peaks[correlation[peaks] >= 0.6 * correlation[peaks].max()]
    k = int(strong[0])
    return k + _vertex(correlation[k - 1], correlation[k], correlation[k + 1])


def _fit_lines(profile: FloatArray, period: float) -> tuple[float, float, int] | None:
    """Pitch px, scatter in pitches, number of lines, by least squares over the places of the minima."""
    smooth = np.asarray(cv2.GaussianBlur(profile[None], (0, 0), max(0.8, period / 20)), np.float64)[0]
    reach = max(1, int(0.3 * period))
    places: list[float] = []
    for i in range(reach, len(smooth) - reach):
        around = smooth[i - reach : i + reach + 1]
        if int(around.argmin()) == reach:
            places.append(i - _vertex(-smooth[i + 1], -smooth[i], -smooth[i - 1]))
    depth = np.array([-np.interp(p, np.arange(len(smooth)), smooth) for p in places])
    if len(places) < LEAST_LINES:
        return None
    kept = np.array(places)[depth > 0.3 * np.quantile(depth, 0.8)]
    if len(kept) < LEAST_LINES:
        return None
    number = np.round((kept - kept[0]) / period)
    for _ in range(3):  # the period may be a little off, and many lines away it counts
        pitch, start = np.polyfit(number, kept, 1)
        number = np.round((kept - start) / pitch)
    jitter = float((kept - start - pitch * number).std() / pitch)
    expected = number[-1] - number[0] + 1
    if jitter > _MOST_JITTER or len(kept) < 0.7 * expected or not 0.8 < pitch / period < 1.25:
        return None
    return float(pitch), jitter, len(kept)


def _vertex(before: float, top: float, after: float) -> float:
    """Offset of the parabola's top, -0.5 to 0.5."""
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
