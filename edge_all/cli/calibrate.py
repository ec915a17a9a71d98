"""Command 'edge-all calibrate': light, scale, focus, cells, show, remove."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edge_all.cli.calibrate_cells import cells
from edge_all.cli.options.calibrated_camera import identity_by_uri
from edge_all.cli.options.common import plain
from edge_all.cli.options.finite_range import FiniteRange
from edge_all.domain.plural import counted

if TYPE_CHECKING:
    from edge_all.calibration.model import Calibration, Part
    from edge_all.calibration.store import CalibrationStore
    from edge_all.cameras.base import Camera
    from edge_all.profile import Profile

_F = TypeVar("_F", bound=Callable[..., Any])


def _camera_options(function: _F) -> _F:
    options = (
        click.option(
            "--camera", "camera_uri", metavar="URI", help="Camera, as for 'edge-all run'. Default: the profile's."
        ),
        click.option("--profile", "profile_name", metavar="NAME|FILE", help="A shipped profile or a TOML file."),
        click.option(
            "--for",
            "kept_for",
            metavar="URI",
            help="Store the result for camera URI instead of the measuring one, for pictures saved by other software.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the measurement as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group("calibrate", no_args_is_help=True)
def command() -> None:
    """Calibrate a microscope: light, scale, focus and cells. 'edge-all run' then uses the calibration.

    \b
    Example:
      edge-all calibrate light --camera v4l2:/dev/video0
      edge-all calibrate scale --camera v4l2:/dev/video0 --micrometer-um 10
      edge-all calibrate cells 20260131-093000-ab12 20260131-101500-cd34 20260131-114200-ef56
      edge-all calibrate show
    """


command.add_command(cells)


@command.command("light")
@_camera_options
@click.option(
    "--frames", type=click.IntRange(1, 500), default=16, show_default=True, help="Number of frames to average."
)
@click.option(
    "--max-unevenness",
    type=FiniteRange(0, 0.9),
    metavar="SHARE",
    help="Allowed difference between the darkest and the brightest place, as a share. Default: 0.5.",
)
def light(
    camera_uri: str | None,
    profile_name: str | None,
    kept_for: str | None,
    as_json: bool,
    frames: int,
    max_unevenness: float | None,
) -> int:
    """Measure flat field and color balance.

    Use an empty bright field: clear glass next to the smear, in focus.

    \b
    Example:
      edge-all calibrate light --camera 'sim:?empty=1'
    """
    from itertools import islice

    from edge_all.calibrate.frames import frames_of
    from edge_all.calibrate.light import MAX_UNEVENNESS, measure_light

    with _bench(camera_uri, profile_name, kept_for) as (camera, _, store, _):
        taken = list(islice(frames_of(camera), frames))
        _enough(len(taken), 1, camera)
        part = measure_light(taken, MAX_UNEVENNESS if max_unevenness is None else max_unevenness)
        return _keep(store, _identity(camera, kept_for), part, as_json)


@command.command("scale")
@_camera_options
@click.option(
    "--fields", type=click.IntRange(3, 500), default=8, show_default=True, help="Number of fields to measure."
)
@click.option(
    "--micrometer-um",
    type=FiniteRange(0.5, 1000),
    metavar="UM",
    help="Measure a stage micrometer under the objective; UM is the distance between two of its lines.",
)
@click.option(
    "--seconds", type=FiniteRange(1, 3600), default=120, show_default=True, help="Time limit for a live camera."
)
def scale(
    camera_uri: str | None,
    profile_name: str | None,
    kept_for: str | None,
    as_json: bool,
    fields: int,
    micrometer_um: float | None,
    seconds: float,
) -> int:
    """Measure the scale in micrometers per pixel.

    It is measured from the erythrocytes of several fields (7.2 um) or from a stage micrometer. With erythrocytes, move
    the stage during the measurement; each field counts once.

    \b
    Example:
      edge-all calibrate scale --camera 'sim:?seed=2' --fields 8
      edge-all calibrate scale --camera 'sim:?micrometer_um=10' --micrometer-um 10
    """
    from itertools import islice

    from edge_all.calibrate.erythrocytes import FieldScale, scale_from_erythrocytes
    from edge_all.calibrate.frames import frames_of
    from edge_all.calibrate.micrometer import scale_from_micrometer
    from edge_all.calibration.model import ScaleCalibration

    def on_field(field: FieldScale) -> None:
        if field.um_per_px is None:
            if field.reason != "same field":
                click.echo(f"  {plain(field.source)}: {field.reason}", err=True)
        else:
            words = f"{field.um_per_px:.4f} um per px, {field.circles} clearly round erythrocytes"
            click.echo(f"  {plain(field.source)}: {words}", err=True)

    with _bench(camera_uri, profile_name, kept_for) as (camera, profile, store, _):
        part: ScaleCalibration
        if micrometer_um is not None:
            taken = list(islice(frames_of(camera), fields))
            _enough(len(taken), 1, camera)
            part = scale_from_micrometer(taken, micrometer_um)
        else:
            frames = frames_of(camera, seconds)
            part = scale_from_erythrocytes(frames, fields, profile.gate, camera.independent_fields, on_field)
        return _keep(store, _identity(camera, kept_for), part, as_json)


@command.command("focus")
@_camera_options
@click.option(
    "--seconds", type=FiniteRange(1, 3600), default=20, show_default=True, help="Measuring time for a live camera."
)
@click.option(
    "--share",
    type=FiniteRange(0.1, 0.95),
    metavar="SHARE",
    help="Share of the best sharpness that a field must reach. Default: 0.5.",
)
@click.option(
    "--um-per-px", type=FiniteRange(0.01, 2.0), metavar="UM", help="Scale to use instead of the calibrated one."
)
def focus(
    camera_uri: str | None,
    profile_name: str | None,
    kept_for: str | None,
    as_json: bool,
    seconds: float,
    share: float | None,
    um_per_px: float | None,
) -> int:
    """Measure the best sharpness.

    While it measures, turn the focus slowly through its best point: start out of focus, turn through the sharpest point
    and out of focus again. Use a field with cells. Calibrate the scale first.

    \b
    Example:
      edge-all calibrate focus --camera 'sim:?fields=1&frames_per_field=40&focus_turn=3'
    """
    from edge_all.calibrate.focus import SHARE, focus_calibration, focus_point
    from edge_all.calibrate.frames import frames_of
    from edge_all.errors import CalibrationError
    from edge_all.field.gate import ASSUMED_UM_PER_PX

    with _bench(camera_uri, profile_name, kept_for) as (camera, profile, store, known):
        points, like = [], None
        for frame in frames_of(camera, seconds):
            if like is not None and frame.image.shape != like.image.shape:
                raise CalibrationError(
                    "the frame size changed during the measurement", "keep the camera at one frame size"
                )
            bench = known.of_size(frame.width_px, frame.height_px).scale
            unit = um_per_px or (bench.um_per_px if bench else None) or profile.um_per_px
            if unit is None:
                if like is None:
                    click.echo(f"  scale not calibrated: assuming {ASSUMED_UM_PER_PX:g} um per px", err=True)
                unit = ASSUMED_UM_PER_PX
            like = like or frame
            points.append(focus_point(frame, unit))
        _enough(len(points), 1, camera)
        assert like is not None
        part = focus_calibration(points, like, SHARE if share is None else share)
        return _keep(store, _identity(camera, kept_for), part, as_json)


@command.command("show")
@click.option("--camera", "camera_uri", metavar="URI", help="Show this camera only.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, including the flat field.")
def show(camera_uri: str | None, as_json: bool) -> int:
    """Print the stored calibration of one camera or of all cameras.

    \b
    Example:
      edge-all calibrate show
    """
    from edge_all.calibration.serialization import part_to_json

    store = _store()
    kept = store.all() if camera_uri is None else [store.load(identity_by_uri(store, camera_uri))]
    kept = [c for c in kept if c.parts]
    if as_json:
        content = [{"camera": c.camera, **{n: part_to_json(p) for n, p in c.parts.items()}} for c in kept]
        click.echo(json.dumps(content))
        return 0
    if not kept:
        click.echo(f"No calibration in {store.folder}. See 'edge-all calibrate --help'.")
    for calibration in kept:
        click.echo(plain(calibration.camera))
        for part in calibration.parts.values():
            click.echo(f"  {_in_words(part)}")
        for line in calibration.warnings(time.time()):
            click.echo(f"  {line}")
    return 0


@command.command("remove")
@click.argument("part", type=click.Choice(["light", "scale", "focus", "cells", "all"]))
@click.option("--camera", "camera_uri", metavar="URI", help="The camera's URI, or its name as printed by 'show'.")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose camera to use without --camera.")
def remove(part: str, camera_uri: str | None, profile_name: str | None) -> int:
    """Remove one part of a camera's calibration, or all of it.

    \b
    Example:
      edge-all calibrate remove light --camera v4l2:/dev/video0
    """
    from edge_all.errors import CalibrationError
    from edge_all.profile import load_profile

    store = _store()
    camera = identity_by_uri(store, camera_uri or load_profile(profile_name).camera)
    kept = store.load(camera)
    names = list(kept.parts) if part == "all" else [part]
    if not names or any(name not in kept.parts for name in names):
        missing = "calibration" if part == "all" else f"{part} calibration"
        raise CalibrationError(
            f"{plain(camera)} has no {missing}", "list the calibrations with 'edge-all calibrate show'"
        )
    store.save(kept.without(*names))
    click.echo(f"Removed for {plain(camera)}: {', '.join(names)}")
    return 0


def _store() -> CalibrationStore:
    from edge_all.calibration.store import CalibrationStore

    return CalibrationStore()


@contextmanager
def _bench(
    camera_uri: str | None, profile_name: str | None, kept_for: str | None
) -> Iterator[tuple[Camera, Profile, CalibrationStore, Calibration]]:
    """Yield the started camera, the profile, the calibration store and the stored calibration."""
    from edge_all.cameras.opening import open_camera
    from edge_all.profile import load_profile

    store = _store()
    store.check_writable()
    profile = load_profile(profile_name)
    camera = open_camera(camera_uri or profile.camera)
    camera.start()
    try:
        yield camera, profile, store, store.load(_identity(camera, kept_for))
    finally:
        camera.stop()


def _identity(camera: Camera, kept_for: str | None) -> str:
    from edge_all.cameras.identity import identity_of

    return identity_of(camera) if kept_for is None else identity_by_uri(_store(), kept_for)


def _enough(got: int, needed: int, camera: Camera) -> None:
    from edge_all.errors import CameraError

    if got < needed:
        raise CameraError(f"the camera {camera.uri} returned no frame", "check its cable, or the files")


def _keep(store: CalibrationStore, camera: str, part: Part, as_json: bool) -> int:
    from edge_all.calibration.serialization import part_to_json

    path = store.save(store.load(camera).with_part(part))
    if as_json:
        click.echo(json.dumps({"camera": camera, "file": str(path), **part_to_json(part)}))
        return 0
    click.echo(f"Camera        {plain(camera)}")
    click.echo(_in_words(part))
    click.echo(f"Stored in     {path}")
    return 0


def _in_words(part: Part) -> str:
    from edge_all.calibration.cells import CellAdaptation
    from edge_all.calibration.model import LightCalibration, ScaleCalibration

    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(part.measured))
    if isinstance(part, CellAdaptation):
        of = f"{counted(part.cells, 'reviewed cell')} of {counted(part.smears, 'smear')}"
        return f"Cells         adaptation {part.id} of {part.model}, from {of}, {when}: {part.effect}"
    size = f"{part.width_px}x{part.height_px} px, {when}"
    if isinstance(part, LightCalibration):
        red, green, blue = part.level
        gains = "/".join(f"{g:.2f}" for g in part.color_gain)
        return (
            f"Light         {counted(part.frames, 'frame')}, level {red:.0f}/{green:.0f}/{blue:.0f} of 255, "
            f"color gain {gains}, darkest place {100 * part.unevenness:.0f} % below the brightest; {size}"
        )
    if isinstance(part, ScaleCalibration):
        of = (
            f"{counted(part.count, 'field')} with erythrocytes"
            if part.ruler == "erythrocytes"
            else counted(part.count, "line")
        )
        return f"Scale         {part.um_per_px:.5g} um per px, spread {100 * part.spread:.1f} %, from {of}; {size}"
    return (
        f"Focus         best sharpness {part.best:.2f}, at least {part.min_sharpness:.2f} "
        f"({100 * part.share:.0f} % of it), from {counted(part.frames, 'frame')}; {size}"
    )
