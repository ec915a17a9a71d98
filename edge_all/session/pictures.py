"""The pictures of a field that are kept, made while the record is busy with the field before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_all.cells.crops import portrait
from edge_all.record.pictures import encode_field
from edge_all.record.png import PackedPixels, pack_pixels
from edge_all.session.analysis import FieldResult


@dataclass(frozen=True)
class Pictures:
    """crops: by the cell's number, ready for their files. field: JPEG; None where there is no finding."""

    crops: Mapping[int, PackedPixels] = field(default_factory=dict)
    field: bytes | None = None


NONE = Pictures()


def pictures_of(result: FieldResult) -> Pictures:
    """Of the cells that are to be pictured, and of the whole field where one of them is a finding."""
    if result.field is None:
        return NONE
    seen = result.field
    crops = {c.number: pack_pixels(portrait(seen, c.detection)) for c in result.cells if c.number in result.pictured}
    return Pictures(crops, encode_field(result.frame.image) if any(c.is_finding for c in result.cells) else None)
