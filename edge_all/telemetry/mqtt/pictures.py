"""Picture of a finding for sending, reduced to its pixels."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def sent_picture(record_folder: Path, payload: str) -> dict[str, Any]:
    """Return ``{"picture_png": base64}`` of a message's finding, or ``{}`` if no crop was saved.

    The crop on disk also contains its row, which names the source file or camera. Therefore only the pixels are sent.
    """
    import cv2

    finding = json.loads(payload)
    path = record_folder / "crops" / str(finding["session"]) / f"{finding['cell']}.png"
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if pixels is None:
        return {}
    _, encoded = cv2.imencode(".png", pixels)
    return {"picture_png": base64.b64encode(encoded.tobytes()).decode()}
