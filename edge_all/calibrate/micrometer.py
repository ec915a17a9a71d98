"""Measurement of the scale, in micrometers per pixel, from the lines of a stage micrometer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.model import ScaleCalibration
from edge_all.domain.image import Image
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError

LEAST_LINES = 4
_SPECTRUM_PX = 512
_LEAST_PERIOD_PX = 5.0
_PERIODIC = 0.35
"""Autocorrelation that a period must reach; stray edges stay below it."""
_LINE_SHARE = 0.25
"""Share of the image variance that lines must explain. The erythrocytes of a smear, averaged along any direction,
explain less."""
_MOST_JITTER = 0.12
"""Largest scatter of the lines about even positions, in pitches."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinePitch:
    """Distance between neighboring lines."""

    pitch_px: float
    jitter: float
    """Standard deviation of the lines about even positions, in pitches."""
    lines: int
    """Number of lines."""
    angle_deg: float
    """Angle of the direction across the lines from the x axis, -90 to 90 degrees."""


def scale_from_micrometer(frames: Sequence[Frame], pitch_um: float) -> ScaleCalibration:
    """Return the median scale over frames of a stage micrometer whose lines are pitch_um micrometers apart.

    The spread is the larger of the scatter of the lines and the scatter of the frames.

    Raises:
        CalibrationError: when no frame shows at least four even lines, or when the scale is implausible.
    """
    found = [(frame, pitch) for frame in frames if (pitch := measure_line_pitch(frame.image)) is not None]
    if not found:
        raise CalibrationError(
            f"no lines: none of {len(frames)} frames shows at least {LEAST_LINES} even, parallel lines",
            "bring the micrometer's divisions into focus so that they fill the field",
        )
    scales = np.array([pitch_um / p.pitch_px for _, p in found])
    scale = float(np.median(scales))
    jitter = float(np.median([p.jitter for _, p in found]))
    first = found[0][0]
    if not 0.01 <= scale <= 2.0:
        raise CalibrationError(
            f"{scale:.4g} um per px is out of range (0.01 to 2)",
            "check --micrometer-um, the distance between two lines in um",
        )
    lines = int(np.median([p.lines for _, p in found]))
    spread = max(jitter, float(scales.std() / scale))
    return ScaleCalibration(first.time, first.width_px, first.height_px, scale, spread, lines, "micrometer")


def measure_line_pitch(image: Image) -> LinePitch | None:
    """Return the pitch of dark, even, parallel lines in an RGB uint8 image; None if there are none.

    The strongest peak of the spectrum gives the direction, and the mean along the lines gives a profile. The first
    strong autocorrelation peak of the profile gives the pitch to the nearest pixel. The first one is used because thin
    lines have harmonics as strong as their fundamental, and a longer line at each fifth position adds a longer period.
    A straight line through the positions of the profile's minima, each interpolated by a parabola, gives the pitch with
    subpixel accuracy.
    """
    gray = image[..., 1].astype(np.float32)
    block = max(1, max(gray.shape) // (2 * _SPECTRUM_PX))
    small = cv2.resize(gray, (gray.shape[1] // block, gray.shape[0] // block), interpolation=cv2.INTER_AREA)
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
    """Return the direction across the lines, degrees."""
    height, width = flat.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.abs(np.fft.rfft2(flat * window)) ** 2
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fy, fx)
    power[(frequency < LEAST_LINES / max(height, width)) | (frequency > 1 / _LEAST_PERIOD_PX)] = 0
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    return float(np.degrees(np.arctan2(fy[row, 0], fx[0, column])))


def _profile(flat: npt.NDArray[np.float32], angle_deg: float) -> tuple[FloatArray, float]:
    """Return the mean along the lines for each pixel across them, and the share of the variance that it explains."""
    height, width = flat.shape
    center = ((width - 1) / 2, (height - 1) / 2)
    cos, sin = abs(np.cos(np.radians(angle_deg))), abs(np.sin(np.radians(angle_deg)))
    # The largest upright box inside the rotated image, so that no line is cut.
    across = int(min(width / max(cos, 1e-6), height / max(sin, 1e-6)) * 0.98)
    along = int(min(width, height) * 0.35)
    across = min(across, int((width - along * sin) / max(cos, 1e-6)), int((height - along * cos) / max(sin, 1e-6)))
    across = max(8, min(across, int(np.hypot(width, height))))
    rotation = cv2.getRotationMatrix2D(center, angle_deg, 1.0)
    rotation[0, 2] += (across - 1) / 2 - center[0]
    rotation[1, 2] += (along - 1) / 2 - center[1]
    rotated = cv2.warpAffine(flat, rotation, (across, along), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    profile = rotated.mean(0).astype(np.float64)
    smooth = cv2.GaussianBlur(rotated, (0, 0), 1.0)
    return profile, float(profile.var() / max(float(smooth.var()), 1e-9))


def _period(profile: FloatArray) -> float | None:
    """Return the period of the first autocorrelation peak that is nearly as high as the highest, px; None without."""
    centered = profile - profile.mean()
    n = len(centered)
    spectrum = np.abs(np.fft.rfft(centered, 2 * n)) ** 2
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
    """Fit evenly spaced lines to the minima by least squares: pitch in px, scatter in pitches, number of lines."""
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
    strong = np.array(places)[depth > 0.3 * np.quantile(depth, 0.8)]
    if len(strong) < LEAST_LINES:
        return None
    number = np.round((strong - strong[0]) / period)
    for _ in range(3):  # a small error of the period adds up over many lines
        pitch, start = np.polyfit(number, strong, 1)
        number = np.round((strong - start) / pitch)
    jitter = float((strong - start - pitch * number).std() / pitch)
    expected = number[-1] - number[0] + 1
    if jitter > _MOST_JITTER or len(strong) < 0.7 * expected or not 0.8 < pitch / period < 1.25:
        return None
    return float(pitch), jitter, len(strong)


def _vertex(before: float, top: float, after: float) -> float:
    """Return the offset of the vertex of the parabola through three points, -0.5 to 0.5."""
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
