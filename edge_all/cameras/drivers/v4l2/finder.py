"""List of the attached V4L2 cameras and of a Jetson's CSI ports."""

from __future__ import annotations

import sys

from edge_all.cameras.base import FoundCamera
from edge_all.cameras.drivers.v4l2.camera import READ_FORMATS
from edge_all.cameras.drivers.v4l2.ioctl import FrameFormat
from edge_all.cameras.drivers.v4l2.nodes import list_nodes


def attached_cameras() -> list[FoundCamera]:
    """Return all cameras with a V4L2 node. CSI ports are numbered in the order of their nodes."""
    if not sys.platform.startswith("linux"):
        return []
    found, ports = [], 0
    for node in list_nodes():
        formats = tuple(_words(f) for f in node.formats if f.fourcc in READ_FORMATS)
        if others := sorted({f.fourcc for f in node.formats} - set(READ_FORMATS)):
            formats += (f"not supported: {', '.join(others)}",)
        if node.is_csi:
            found.append(FoundCamera(f"csi:{ports}", node.card, str(node.path), formats))
            ports += 1
        else:
            uri = f"v4l2:{node.identity or node.path}"
            found.append(FoundCamera(uri, node.card, str(node.path), formats, node.trouble))
    return found


def _words(f: FrameFormat) -> str:
    rates = f" {'/'.join(f'{r:g}' for r in f.rates)} fps" if f.rates else ""
    return f"{f.fourcc} {f.width}x{f.height}{rates}"
