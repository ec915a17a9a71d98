"""What the person at the bench should do now, in two or three words."""

from __future__ import annotations

from edge_all.cameras.camera_state import CameraState
from edge_all.session.analysis import FieldResult
from edge_all.vocabulary import Unreadable

_BY_REASON = {
    "same field": "",
    "out of focus": "refocus",
    "too dark": "more light",
    "overexposed": "less light",
    "empty": "empty: move to the smear",
    "too thick": "too thick: move to the monolayer",
    "too thin": "too thin: move towards the thicker part",
}


def hint_of(result: FieldResult | Unreadable) -> str:
    """Empty for a good field and for one that is known already; a reason without words of its own is its own hint."""
    if isinstance(result, Unreadable):
        return "a frame could not be read"
    return "" if result.skip is None else _BY_REASON.get(result.skip.reason, result.skip.reason)


def camera_hint(state: CameraState) -> str:
    """Empty while frames come."""
    return str(state) if state in (CameraState.LOST, CameraState.GIVEN_UP) else ""
