"""Levey-Jennings chart of a control's trend (Levey and Jennings 1950): each run in standard deviations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from edge_all.qc.control_runs import MEASURES, ControlRun, Limit
from edge_all.text.display_text import shown

_WIDTH, _PANEL, _LEFT, _TOP, _RIGHT = 900, 150, 190, 44, 24
_MOST_RUNS = 60
_BANDS = ((3, "#d55e00"), (2, "#e69f00"), (1, "#999999"))
_OUT, _WARN, _GOOD = "#d55e00", "#e69f00", "#0072b2"


def levey_jennings(runs: Sequence[ControlRun]) -> str:
    """Return an SVG of the last 60 runs of one control, with a panel for each measure that has limits.

    The limits are those of the newest run. Points beyond 2 SD are diamonds and points beyond 3 SD are crosses, so they
    can be distinguished without color.
    """
    runs = runs[-_MOST_RUNS:]
    name = shown(runs[-1].name) if runs else ""
    limits = dict(runs[-1].limits) if runs else {}
    panels = [m for m in MEASURES if m in limits]
    height = _TOP + max(len(panels), 1) * _PANEL + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222222">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="16">Control {escape(name)}: {len(runs)} runs</text>',
    ]
    if not panels:
        parts.append(f'<text x="12" y="{_TOP + 40}">No limits yet. They need 3 runs or expected values.</text>')
    for i, measure in enumerate(panels):
        parts += _panel(runs, measure, limits[measure], _TOP + i * _PANEL)
    if runs:
        parts += _dates(runs, height - 12)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(i: int, count: int) -> float:
    span = _WIDTH - _LEFT - _RIGHT - 20
    return _LEFT + 10 + (span * i / (count - 1) if count > 1 else span / 2)


def _panel(runs: Sequence[ControlRun], measure: str, limit: Limit, top: float) -> list[str]:
    middle, unit = top + _PANEL / 2, (_PANEL - 30) / 8

    def y(z: float) -> float:
        return middle - max(-3.8, min(3.8, z)) * unit

    parts = [
        f'<text x="12" y="{middle - 10:.1f}">{measure.replace("_", " ")}</text>',
        f'<text x="12" y="{middle + 8:.1f}" fill="#555555">{limit.target:.4g} {MEASURES[measure]}</text>',
        f'<text x="12" y="{middle + 24:.1f}" fill="#555555">SD {limit.sd:.2g}</text>',
        f'<line x1="{_LEFT}" y1="{middle:.1f}" x2="{_WIDTH - _RIGHT}" y2="{middle:.1f}" stroke="#222222"/>',
    ]
    for z, color in _BANDS:
        for side in (z, -z):
            parts.append(
                f'<line x1="{_LEFT}" y1="{y(side):.1f}" x2="{_WIDTH - _RIGHT}" y2="{y(side):.1f}" stroke="{color}" '
                'stroke-dasharray="5 4"/>'
            )
            parts.append(
                f'<text x="{_LEFT - 6}" y="{y(side) + 4:.1f}" text-anchor="end" font-size="10">{side:+d}s</text>'
            )
    points = [(_x(i, len(runs)), limit.z(r.values[measure])) for i, r in enumerate(runs) if measure in r.values]
    line = " ".join(f"{x:.1f},{y(z):.1f}" for x, z in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_GOOD}" stroke-width="1"/>')
    parts += [_mark(x, y(z), z) for x, z in points]
    return parts


def _mark(x: float, y: float, z: float) -> str:
    if abs(z) > 3:
        d = f"M{x - 5:.1f} {y - 5:.1f}L{x + 5:.1f} {y + 5:.1f}M{x - 5:.1f} {y + 5:.1f}L{x + 5:.1f} {y - 5:.1f}"
        return f'<path d="{d}" stroke="{_OUT}" stroke-width="2.5"/>'
    if abs(z) > 2:
        d = f"M{x:.1f} {y - 6:.1f}L{x + 6:.1f} {y:.1f}L{x:.1f} {y + 6:.1f}L{x - 6:.1f} {y:.1f}Z"
        return f'<path d="{d}" fill="{_WARN}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_GOOD}"/>'


def _dates(runs: Sequence[ControlRun], y: float) -> list[str]:
    def day(run: ControlRun) -> str:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.time))

    first = f'<text x="{_LEFT}" y="{y}" font-size="11">{day(runs[0])}</text>'
    last = f'<text x="{_WIDTH - _RIGHT}" y="{y}" font-size="11" text-anchor="end">{day(runs[-1])}</text>'
    return [first, last] if len(runs) > 1 else [last]
