"""Command 'edge-all review': serve the web pages for reviewing recorded sessions."""

from __future__ import annotations

import signal
import threading

import click

from edge_all.cli.options.common import RESEARCH_USE, record_option
from edge_all.cli.options.models import models_folder
from edge_all.cli.options.web import web_address, web_options


@click.command("review")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Address to listen on. Any address except loopback requires a user with a password and uses TLS.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on. 0 picks a free port.",
)
@click.option("--models", metavar="DIR", help="Models for saliency maps. Default: the shipped models.")
@web_options
@record_option
def command(
    host: str,
    port: int,
    models: str | None,
    certificate: str | None,
    key: str | None,
    web_name: tuple[str, ...],
    record: str | None,
) -> int:
    """Serve the web pages for reviewing recorded sessions: gallery, verdicts, differential, approval.

    Press Ctrl-C to stop. Running sessions can also be reviewed.

    \b
    Example:
      edge-all review --record /data/record
      edge-all users add hilde --role admin && edge-all review --host 0.0.0.0 --port 8443
    """
    from edge_all.record.location import record_folder
    from edge_all.web.server import Server

    folder = models_folder(models)
    address = web_address(f"[{host}]:{port}", certificate, key, web_name)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Server(address, record_folder(record), folder) as server:
        click.echo(f"Pages at {server.url} . Press Ctrl-C to stop. {RESEARCH_USE}", err=True)
        if server.fingerprint:
            click.echo(f"Certificate SHA-256 {server.fingerprint}: compare it when the browser warns", err=True)
        while not ended.wait(0.5):
            pass
    return 0
