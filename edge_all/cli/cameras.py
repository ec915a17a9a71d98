"""Command 'edge-all cameras': list the attached cameras, or save a frame from one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from edge_all.cli.options.common import plain


class _ListsChoices(click.Command):
    """Command whose help ends with all kinds of cameras, read from the registry only when the help is shown."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per kind of camera."""
        from edge_all.cameras.registry import camera_choices

        with formatter.section("Cameras"):
            formatter.write_dl([(start, rest) for start, _, rest in (c.partition(" ") for c in camera_choices())])
        super().format_epilog(ctx, formatter)


@click.command("cameras", cls=_ListsChoices)
@click.option("--camera", "uri", metavar="URI", help="Camera to use for --preview. Default: the only attached one.")
@click.option("--preview", metavar="FILE.png", help="Save one frame to FILE.png.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON on standard output.")
def command(uri: str | None, preview: str | None, as_json: bool) -> int:
    """List the attached cameras with their formats, or save one frame from one of them.

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
        raise UsageError(
            "--camera requires --preview", "add --preview FILE.png, or leave out --camera to list the cameras"
        )
    from dataclasses import asdict

    from edge_all.cameras.discovery import find_cameras
    from edge_all.cameras.registry import undiscoverable_line

    found = find_cameras()
    if as_json:
        click.echo(json.dumps([asdict(c) for c in found], ensure_ascii=False, indent=1))
        return 0
    if not found:
        click.echo(
            f"no camera is attached; cameras that cannot be discovered ({undiscoverable_line()}) must be given with "
            "--camera"
        )
    for camera in found:
        click.echo(f"{plain(camera.uri)}  {plain(camera.name)}  {plain(camera.where)}")
        for line in camera.formats:
            click.echo(f"    {line}")
        if camera.trouble:
            click.echo(f"    unusable: {plain(camera.trouble)}")
    return 0


def _preview(uri: str | None, path: Path) -> int:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # OpenCV would print its own lines among ours
    import cv2

    from edge_all.cameras.discovery import only_camera
    from edge_all.cameras.opening import open_camera
    from edge_all.cameras.registry import CameraKind, scheme_of
    from edge_all.cli.output.files import require_png
    from edge_all.domain.types import Frame
    from edge_all.errors import CameraError, EdgeAllError, UsageError

    require_png(path)
    camera = open_camera(uri or only_camera().uri)
    scheme = None if uri is None else scheme_of(uri)
    if scheme is not None and scheme.kind is CameraKind.WATCHED:
        raise UsageError(f"{plain(camera.uri)} ({scheme.help}) has no live picture", "open one of its images instead")
    with camera:
        frame = camera.read()
    if not isinstance(frame, Frame):
        reason = "it returned no frame" if frame is None else frame.reason
        raise CameraError(f"{camera.uri}: {reason}", "check whether another program can show its picture")
    data = cv2.imencode(".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise EdgeAllError(f"{path} cannot be written ({error.strerror})", "choose another file") from error
    click.echo(f"{plain(camera.uri)}: {frame.width_px}x{frame.height_px} in {path}")
    return 0
