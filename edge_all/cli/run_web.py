"""Station for 'edge-all run --web': runs sessions one after another as requested from the pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import RESEARCH_USE

if TYPE_CHECKING:
    from edge_all.cameras.base import Camera
    from edge_all.session.commands import Start
    from edge_all.session.options import SessionOptions
    from edge_all.session.progress import Progress, Summary
    from edge_all.session.session import Session
    from edge_all.web.server import Address
    from firmware_config.schema import Settings


def serve_station(
    camera_uri: str,
    open_camera: Callable[[], Camera],
    record: Path,
    options: SessionOptions,
    run_session: Callable[[Session, Camera, Callable[[Progress], None] | None], Summary],
    address: Address,
    first: Start | None,
    settings: Settings,
) -> int:
    """Serve the pages and run the requested sessions until Ctrl-C.

    Args:
        camera_uri: The camera's URI, shown on the pages.
        open_camera: Opens the camera of a session.
        record: The record folder.
        options: Options of every session, except those that a start request names.
        run_session: Runs a session to its end and returns its summary.
        address: Address and certificate of the pages.
        first: A session to start immediately.
        settings: Settings of MQTT and metrics.

    Returns:
        The exit code.

    Raises:
        EdgeAllError: when the pages cannot be served.
        UsageError: when a setting or an address is invalid.
    """
    from edge_all.cli.interrupts import Interrupts
    from edge_all.errors import EdgeAllError
    from edge_all.session.session import Session
    from edge_all.session.station import Station
    from edge_all.telemetry.mqtt.client import monitoring_token
    from edge_all.web.live.live_view import LiveView
    from edge_all.web.microscope import Microscope
    from edge_all.web.server import Server

    def start_session(start: Start, made: Callable[[Session], None]) -> Summary:
        try:
            camera = open_camera()
            with Session(camera, record, options.for_start(start), microscope.hooks()) as session:
                made(session)
                summary = run_session(session, camera, microscope.took)
        except EdgeAllError as error:
            click.echo(f"edge-all: {error}", err=True)
            raise
        if summary.error is not None:
            click.echo(f"edge-all: {summary.error_in_words}", err=True)
        return summary

    station = Station(camera_uri, start_session, on_heartbeat=lambda: microscope.device.on_heartbeat())
    microscope = Microscope(record, station, LiveView(), monitoring_token(settings.metrics))
    pages = Server(address, record, options.models, microscope, create=True)
    with pages as server, Interrupts(station.close), ExitStack() as stack:
        microscope.start_mqtt(settings.mqtt)
        stack.callback(microscope.mqtt.end)
        click.echo(f"Pages at {server.url} . Press Ctrl-C to stop. {RESEARCH_USE}", err=True)
        if server.fingerprint:
            click.echo(f"Certificate SHA-256 {server.fingerprint}: compare it when the browser warns", err=True)
        if first is not None:
            station.commands.put(first)
        station.run()
    return 0
