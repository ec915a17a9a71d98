"""Encoding of a field's saved images, done while the previous field is being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_all.cells.crops import portrait
from edge_all.record.write.files import encode_field
from edge_all.record.write.png import PackedPixels, pack_pixels
from edge_all.session.field_result import FieldResult


@dataclass(frozen=True)
class Pictures:
    """Encoded images of one field."""

    crops: Mapping[int, PackedPixels] = field(default_factory=dict)
    """Crops by cell number, ready to be written."""
    field: bytes | None = None
    """The whole field as JPEG, or None if it shows no finding."""


NONE = Pictures()


def pictures_of(result: FieldResult) -> Pictures:
    """Encode the crops to save, and the whole field if it shows a finding."""
    if result.field is None:
        return NONE
    seen = result.field
    crops = {c.number: pack_pixels(portrait(seen, c.detection)) for c in result.cells if c.number in result.pictured}
    return Pictures(crops, encode_field(result.frame.image) if any(c.is_finding for c in result.cells) else None)
