"""edge-all cameras."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from edge_all.cli.options import plain


@click.command("cameras")
@click.option("--camera", "uri", metavar="URI", help="The camera of --preview. Default: the only one there is.")
@click.option("--preview", metavar="FILE.png", help="Save one frame.")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON on standard output.")
def command(uri: str | None, preview: str | None, as_json: bool) -> int:
    """List the cameras that are attached, with their formats, or save one frame of one.

    \b
    Example:
      edge-all cameras
      edge-all cameras --preview now.png
      edge-all cameras --camera rtsp://camera.local/live --preview now.png
    """
    from edge_all.errors import UsageError

    if preview is not None:
        return _preview(uri, Path(preview))
    if uri is not None:
        raise UsageError("--camera alone does nothing here", "add --preview FILE.png, or leave it out for the list")
    from dataclasses import asdict

    from edge_all.cameras.discovery import find_cameras

    found = find_cameras()
    if as_json:
        click.echo(json.dumps([asdict(c) for c in found], ensure_ascii=False, indent=1))
        return 0
    if not found:
        click.echo("no camera is attached; network cameras (rtsp://, http://) and folders (dir:) are named by hand")
    for camera in found:
        click.echo(f"{plain(camera.uri)}  {plain(camera.name)}  {plain(camera.where)}")
        for line in camera.formats:
            click.echo(f"    {line}")
        if camera.trouble:
            click.echo(f"    cannot be used: {plain(camera.trouble)}")
    return 0


def _preview(uri: str | None, path: Path) -> int:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its lines would stand beside ours
    import cv2

    from edge_all.cameras.discovery import only_camera
    from edge_all.cameras.opening import open_camera
    from edge_all.errors import CameraError, EdgeAllError, UsageError
    from edge_all.vocabulary import Frame

    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} is no name of a PNG", "name it FILE.png")
    camera = open_camera(uri or only_camera().uri)
    if uri is not None and uri.startswith("dir:"):
        raise UsageError("a watched folder has no picture of its own", "look at the images in it")
    with camera:
        frame = camera.read()
    if not isinstance(frame, Frame):
        reason = "it gives no frame" if frame is None else frame.reason
        raise CameraError(f"{camera.uri}: {reason}", "see whether its picture shows elsewhere")
    data = cv2.imencode(".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise EdgeAllError(f"{path} cannot be written ({error.strerror})", "name another place") from error
    click.echo(f"{plain(camera.uri)}: {frame.width_px}x{frame.height_px} in {path}")
    return 0
