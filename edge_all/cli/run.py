"""Command 'edge-all run': analyze one smear, or serve the live page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import record_option
from edge_all.cli.options.engine import engine_options, with_engine
from edge_all.cli.options.finite_range import FiniteRange
from edge_all.cli.options.models import models_folder, models_option
from edge_all.cli.options.web import web_address, web_options

if TYPE_CHECKING:
    from edge_all.cameras.base import Camera
    from edge_all.session.progress import Progress, Summary
    from edge_all.session.session import Session
from edge_all.cli.interrupts import Interrupts


@click.command("run")
@click.option(
    "--camera",
    "camera_uri",
    metavar="[URI]",
    is_flag=False,
    flag_value="",
    default="",
    help="A camera (see 'edge-all cameras'), sim:, an image, a folder of images or a video. Without a value: the "
    "profile's camera, or the only attached one.",
)
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="A shipped profile or a TOML file.")
@models_option
@click.option(
    "--threshold",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    metavar="P",
    help="Blast threshold to use instead of the model's. The lower threshold is unchanged.",
)
@click.option(
    "--um-per-px",
    type=FiniteRange(0.01, 2.0),
    metavar="UM",
    help="Scale to use instead of the profile's or one measured from erythrocytes.",
)
@engine_options
@click.option(
    "--wait-for-engine", is_flag=True, help="Build the TensorRT engine before the first frame, not in the background."
)
@click.option(
    "--give-up-after",
    type=FiniteRange(1),
    metavar="SECONDS",
    help="Stop if the camera stays disconnected for SECONDS. By default, wait indefinitely.",
)
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@click.option("--stop-at", type=click.IntRange(1), metavar="N", help="Stop after N leukocytes are counted.")
@click.option("--sample", metavar="ID", help="Sample id of the smear, stored in the record.")
@click.option("--operator", metavar="NAME", help="Name of the operator, stored in the record and shown in reports.")
@click.option("--log-json", is_flag=True, help="Print each finding as one JSON line on standard output.")
@click.option(
    "--crops",
    type=click.Choice(["findings", "all"]),
    help="Cells to save crops of. Default: findings only; all cells with --web.",
)
@click.option(
    "--web",
    metavar="[HOST:PORT]",
    is_flag=False,
    flag_value="127.0.0.1:8080",
    help="Serve the live page and start sessions from it. With --sample, the first session starts immediately.",
)
@web_options
@record_option
def command(
    camera_uri: str,
    profile_name: str | None,
    models: str | None,
    threshold: float | None,
    um_per_px: float | None,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    wait_for_engine: bool,
    give_up_after: float | None,
    max_frames: int | None,
    stop_at: int | None,
    sample: str | None,
    operator: str | None,
    log_json: bool,
    crops: str | None,
    web: str | None,
    certificate: str | None,
    key: str | None,
    web_name: tuple[str, ...],
    record: str | None,
) -> int:
    """Analyze a smear: detect, classify and count each leukocyte once, and record the findings.

    Research use only, not a diagnosis. Ctrl-C ends the session and prints its summary.

    \b
    Example:
      edge-all run --camera 'sim:?seed=3&blast_fraction=0.1'
      edge-all run --camera smears/patient7 --sample S7 --record /data/record
      edge-all run --camera 'sim:?fps=10&fields=400' --web
    """
    from edge_all.calibration.store import CalibrationStore
    from edge_all.cameras.discovery import AUTO, only_camera
    from edge_all.cameras.opening import open_camera
    from edge_all.cameras.supervised import SupervisedCamera
    from edge_all.cli.output.progress import ProgressPrinter
    from edge_all.cli.output.quiet_libraries import quiet_opencv
    from edge_all.cli.output.summary import summary_lines
    from edge_all.errors import UsageError
    from edge_all.profile import load_settings, profile_of
    from edge_all.record.location import record_folder
    from edge_all.session.commands import Start
    from edge_all.session.hooks import SessionHooks
    from edge_all.session.operator import Operator
    from edge_all.session.options import SessionOptions
    from edge_all.session.session import Session
    from edge_all.telemetry.mqtt.client import MqttClient

    quiet_opencv()
    if web is None and (certificate or key or web_name):
        raise UsageError("--certificate, --key and --web-name require --web", "add --web HOST:PORT to serve the pages")
    resolved = load_settings(profile_name)
    profile = with_engine(profile_of(resolved.name, resolved.settings), engine, precision, threads)
    folder_of_models = models_folder(models)
    uri = camera_uri or profile.camera
    if uri == AUTO:
        found = only_camera()
        click.echo(f"Using the only attached camera: {found.uri} ({found.name}, {found.where})", err=True)
        uri = found.uri

    first = Start(sample, operator=None if operator is None else Operator(operator))
    folder = record_folder(record)
    options = SessionOptions(
        profile=profile,
        models=folder_of_models,
        wait_for_engine=wait_for_engine,
        blast_threshold=threshold,
        um_per_px=um_per_px,
        calibrations=CalibrationStore(),
        max_frames=max_frames,
        stop_at=stop_at,
        keep_all_crops=(crops or ("all" if web else "findings")) == "all",
    )

    def open_named() -> Camera:
        opened = open_camera(uri)
        if isinstance(opened, SupervisedCamera):
            opened.give_up_after(give_up_after)
        return opened

    camera = open_named()

    def run_session(session: Session, camera: Camera, also: Callable[[Progress], None] | None = None) -> Summary:
        click.echo(f"Camera {camera.uri}, profile {profile.name}, {session.engines_in_words}", err=True)
        with ProgressPrinter(camera.frame_count, log_json) as printer:

            def on_progress(progress: Progress) -> None:
                printer(progress)
                if also is not None:
                    also(progress)

            summary = session.run(on_progress)
        for line in summary_lines(summary):
            click.echo(line, err=log_json)
        return summary

    if web is not None:
        from edge_all.cli.run_web import serve_station

        address = web_address(web, certificate, key, web_name)
        return serve_station(
            camera.uri,
            open_named,
            folder,
            options,
            run_session,
            address,
            first if sample is not None else None,
            resolved.settings,
        )
    telling = MqttClient(folder)
    telling.begin(resolved.settings.mqtt)
    try:
        hooks = SessionHooks(listener=telling.listener())
        session = Session(camera, folder, options.for_start(first), hooks)
        with session, Interrupts(session.stop):
            summary = run_session(session, camera)
    finally:
        telling.end()
    if summary.error is not None:
        raise summary.error
    if summary.nothing_readable:
        click.echo("edge-all: no frame could be read: see the reasons above", err=True)
        return 1
    return 0
