"""edge-all service."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edge_all.cli.options import record_option

if TYPE_CHECKING:
    from firmware_config.resolving import Resolved


@click.command("service")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Default: the device's own settings.")
@click.option("--models", metavar="DIR", help="Folder with detector/ and classifier/. Default: the shipped ones.")
@record_option
def command(profile_name: str | None, models: str | None, record: str | None) -> NoReturn:
    """Stand by for months: pages, live picture, sessions as they are asked for. What systemd runs (docs/service.md).

    A session starts from the live page, with a barcode reader, or with 'edge-all session start'. What is wrong is said
    on the page, in systemctl status and in the journal; the service stays up. SIGTERM ends the session cleanly,
    SIGHUP reads the settings again.

    \b
    Example:
      edge-all service
      edge-all service --profile bench.toml
    """
    from edge_all.record.folder import record_folder
    from edge_all.service.control import control_socket
    from edge_all.service.service import Service

    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

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
    service.run()
    _leave()


def _leave() -> NoReturn:
    """All is closed and on disk. Taking the interpreter apart would free block by block what engines hold, and wait
    for libraries' threads: seconds on a busy machine, in which systemd's patience ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
