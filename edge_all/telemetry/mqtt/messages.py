"""Messages from a device to its laboratory: findings, summaries and states.

The only patient-related item is the sample id, and only where the profile allows it. Messages contain no names of
files, cameras or reviewers, and no notes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edge_all._version import __version__
from edge_all.domain.statistics import blast_percent
from edge_all.domain.types import Cell, Counts, ModelIdentity, Thresholds

FORMAT = 1
"""Version of the message format; a collector accepts the versions it knows."""


def finding_message(session: str, cell: Cell, time: float) -> dict[str, Any]:
    """Return the message of a finding, or of a cell that was one. ``time``: of the frame, seconds since the epoch."""
    classification = cell.classification
    message: dict[str, Any] = {
        "session": session,
        "cell": cell.number,
        "label": str(cell.label),
        "time": time,
        "frame_index": cell.frame_index,
        "size_um": round(cell.diameter_um, 2),
        "views": cell.views,
    }
    if classification is not None:
        message |= {
            "blast_probability": round(float(classification.blast_probability), 6),
            "unfamiliarity": round(float(classification.unfamiliarity), 6),
            "thresholds": asdict(classification.thresholds),
            "model": asdict(classification.model),
            "engine": classification.engine,
        }
        if classification.kinds:
            message["kind"] = str(classification.kind)
        given = {"reason": classification.reason, "calibration": classification.calibration}
        message |= {name: words for name, words in given.items() if words}
    return message


def begun_message(
    session: str,
    time: float,
    sample: str | None,
    profile: str,
    models: tuple[ModelIdentity, ...],
    engine: str,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """Return the message of a session's start. Pass None for ``sample`` if it must not leave the device."""
    return {
        "state": "session begun",
        "session": session,
        "time": time,
        "sample": sample,
        "profile": profile,
        "version": __version__,
        "models": [asdict(m) for m in models],
        "engine": engine,
        "thresholds": asdict(thresholds),
    }


def summary_message(
    session: str, time: float, sample: str | None, counts: Counts, result: str, interrupted: bool
) -> dict[str, Any]:
    """Return the message of a session's end."""
    percent, low, high = blast_percent(counts)
    return {
        "session": session,
        "time": time,
        "sample": sample,
        "counts": {
            "fields": counts.fields,
            "frames": counts.frames,
            **counts.named(),
            "kinds": counts.named_kinds(),
            "skipped": dict(counts.skipped),
            "warned": dict(counts.warned),
            "outside_limits": [one.to_values() for one in counts.outside_limits],
        },
        "blast_percent": round(percent, 3),
        "blast_percent_interval": [round(low, 3), round(high, 3)],
        "result": result,
        "interrupted": interrupted,
        "research_use_only": True,
    }


def enveloped(payload: str, uid: str, number: int, created: float, device: str, **more: Any) -> str:
    """Return the message as sent to the broker.

    Args:
        payload: The message as a JSON object.
        uid: Unique id by which a receiver recognizes a repeated message.
        number: Number that rises in the order of sending.
        created: Creation time in seconds since the epoch.
        device: The device's name.
        more: Further keys of the message.
    """
    head = {"format": FORMAT, "uid": uid, "number": number, "created": created, "device": device}
    return json.dumps({**json.loads(payload), **more, **head}, ensure_ascii=False, separators=(",", ":"))
