"""Command 'edge-all service': the long-lived service that systemd runs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edge_all.cli.options.common import record_option
from edge_all.cli.options.models import models_option
from edge_all.cli.output.reporter import current_reporter

if TYPE_CHECKING:
    from firmware_config.resolving import Resolved


@click.command("service")
@click.option(
    "--profile", "profile_name", metavar="NAME|FILE", help="Profile to use. Default: the device's own settings."
)
@models_option
@record_option
def command(profile_name: str | None, models: str | None, record: str | None) -> NoReturn:
    """Run as a long-lived service with the web interface, live view and on-demand sessions.

    systemd runs this command (docs/service.md). A session starts from the live page, with a barcode reader, or with
    'edge-all session start'. Problems are shown on the page, in systemctl status and in the journal; the service keeps
    running. SIGTERM ends the session cleanly; SIGHUP reloads the settings.

    \b
    Example:
      edge-all service
      edge-all service --profile bench.toml
    """
    from edge_all.cli.output.quiet_libraries import quiet_opencv
    from edge_all.record.location import record_folder
    from edge_all.service.control import control_socket
    from edge_all.service.service import Service

    quiet_opencv()

    def settings() -> tuple[Resolved, str | None]:
        from firmware_config.resolving import resolve_what_can_be

        resolved, problems = resolve_what_can_be(profile_name)
        return resolved, "; ".join(map(str, problems)) or None

    service = Service(
        settings,
        record_folder(record),
        Path(models) if models else None,
        control_socket(),
        lambda line: click.echo(line, err=True),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.close())
    signal.signal(signal.SIGHUP, lambda *_: service.reread())
    current_reporter().hand_over()  # the journal's events carry the same texts
    service.run()
    _leave()


def _leave() -> NoReturn:
    """Exit without interpreter shutdown; everything is already closed and on disk.

    A regular shutdown frees the engines' memory block by block and waits for library threads. On a busy machine that
    takes seconds, long enough to exceed systemd's stop timeout.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
