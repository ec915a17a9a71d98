"""Short hints for the person at the bench, two or three words each."""

from __future__ import annotations

from edge_all.cameras.events import CameraState
from edge_all.domain.types import Unreadable
from edge_all.session.field_result import FieldResult

_BY_REASON = {
    "same field": "",
    "out of focus": "refocus",
    "too dark": "more light",
    "overexposed": "less light",
    "empty": "empty: move to the smear",
    "too thick": "too thick: move to the monolayer",
    "too thin": "too thin: move toward the thicker part",
}


def hint_of(result: FieldResult | Unreadable) -> str:
    """Return the hint for a frame, or an empty string for a good or already known field.

    A field in which the models do not work has its reason.

    A skip reason without its own wording is returned unchanged.
    """
    if isinstance(result, Unreadable):
        return "a frame could not be read"
    if result.outside_limits:
        return result.outside_limits[0].reason
    return "" if result.skip is None else _BY_REASON.get(result.skip.reason, result.skip.reason)


def camera_hint(state: CameraState) -> str:
    """Return the hint for a lost camera, or an empty string while frames arrive."""
    return str(state) if state in (CameraState.LOST, CameraState.GIVEN_UP) else ""
