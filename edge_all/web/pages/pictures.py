"""Pictures of cells and fields. File names come from the record, never from the request."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX, cut_cell
from edge_all.errors import NotRecordedError
from edge_all.i18n.catalog import text
from edge_all.record.queries import KeptView, find_session, kept_views, picture_path
from edge_all.review.saliency import saliency_png
from edge_all.web.context import context_of, path_number
from edge_all.web.pages.cell import found
from edge_all.web.security.permissions import needs


@needs("viewer")
def crop_picture(request: Request) -> Response:
    """Return the cell as the camera saw it, 25.6 um wide: the saved crop, or else a crop of the saved field."""
    record, session, row = found(request)
    if row["crop"]:
        data = picture_path(record, str(row["crop"])).read_bytes()
        return _picture(request, data, "image/png")
    views = [v for v in kept_views(record, session.id, int(row["cell"])) if v.frame_index == row["frame_index"]]
    if not views:
        raise NotRecordedError(text("cell.no_picture"))
    return _picture(request, _cut(views[0]), "image/jpeg")


@needs("viewer")
def view_picture(request: Request) -> Response:
    """Return the cell cropped from one of the saved fields that show it."""
    record, session, row = found(request)
    wanted = path_number(request, "frame")
    for view in kept_views(record, session.id, int(row["cell"])):
        if view.frame_index == wanted:
            return _picture(request, _cut(view), "image/jpeg")
    raise NotRecordedError(text("cell.no_picture"))


@needs("viewer")
def field_picture(request: Request) -> Response:
    """Return a saved field as the camera saw it."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    index = path_number(request, "frame")
    path = record.field_picture(session.id, index)
    return _picture(request, picture_path(record, str(path.relative_to(record.folder))).read_bytes(), "image/jpeg")


@needs("viewer")
def saliency_picture(request: Request) -> Response:
    """Return the occlusion map, computed on request in about a second."""
    record, session, row = found(request)
    views = [v for v in kept_views(record, session.id, int(row["cell"])) if v.frame_index == row["frame_index"]]
    if not views:
        raise NotRecordedError(text("cell.no_field"))
    made = context_of(request).saliency.make(views[0], row)
    return Response(
        saliency_png(made),
        media_type="image/png",
        headers={
            "Cache-Control": "no-store",
            "X-Blast-Probability": f"{made.blast_probability:.4f}",
            "X-Same-Model": str(int(made.model_sha256 == row["model_sha256"])),
        },
    )


def _cut(view: KeptView) -> bytes:
    image = cv2.imread(str(view.file))
    if image is None:
        raise NotRecordedError(text("cell.no_picture"))
    crop = cut_cell(
        np.asarray(image, np.uint8), view.x_px, view.y_px, view.um_per_px, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX
    )
    return bytes(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def _picture(request: Request, data: bytes, media_type: str) -> Response:
    """Return a picture that browsers revalidate, because a sharper view can replace a crop while a session runs."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
