"""A finding's picture as it may leave the device: its pixels alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def sent_picture(record_folder: Path, payload: str) -> dict[str, Any]:
    """{"picture_png": base64} of the finding that a message tells of; {} where none was kept. The crop on disk carries
    its row with it, and that names the file or camera it came from: only pixels are taken."""
    import cv2

    finding = json.loads(payload)
    path = record_folder / "crops" / str(finding["session"]) / f"{finding['cell']}.png"
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if pixels is None:
        return {}
    _, encoded = cv2.imencode(".png", pixels)
    return {"picture_png": base64.b64encode(encoded.tobytes()).decode()}
