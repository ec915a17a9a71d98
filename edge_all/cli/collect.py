"""Command 'edge-all collect': store a fleet's MQTT messages in PostgreSQL."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import click

DATABASE_VARIABLE = "EDGE_ALL_DATABASE"


@click.command("collect")
@click.option(
    "--broker",
    required=True,
    metavar="URL",
    help="mqtts://[USER@]HOST[:PORT], or mqtt:// without TLS. The password is read from EDGE_ALL_MQTT_PASSWORD or "
    "--password-file.",
)
@click.option(
    "--database",
    metavar="URL",
    help="postgresql://[USER@]HOST/DATABASE. Default: EDGE_ALL_DATABASE. The password is read from PGPASSWORD or "
    "~/.pgpass.",
)
@click.option("--topic", default="edge-all", show_default=True, metavar="TOPIC", help="Prefix of the devices' topics.")
@click.option(
    "--name", default="collector", show_default=True, metavar="NAME", help="Name of this collector at the broker."
)
@click.option("--password-file", default="", metavar="FILE", help="File whose first line is the broker password.")
@click.option("--ca-file", default="", metavar="FILE", help="CA certificate (PEM) that must have signed the broker's.")
@click.option("--certificate", default="", metavar="FILE", help="Client certificate (PEM) of this collector.")
@click.option("--key", default="", metavar="FILE", help="Private key (PEM) of the client certificate.")
def command(
    broker: str,
    database: str | None,
    topic: str,
    name: str,
    password_file: str,
    ca_file: str,
    certificate: str,
    key: str,
) -> int:
    """Store the messages of a laboratory's devices in PostgreSQL, each exactly once, until Ctrl-C.

    The first start creates the tables device, device_model, device_version, session, finding, message and refused.

    \b
    Example:
      edge-all collect --broker mqtts://collector@broker.lab --database postgresql://edge_all@localhost/edge_all
    """
    import os

    from edge_all.cli.interrupts import Interrupts
    from edge_all.cli.options.common import plain
    from edge_all.cli.output.reporter import current_reporter
    from edge_all.errors import UsageError
    from edge_all.fleet.collector import Collector
    from edge_all.fleet.store import Store
    from edge_all.telemetry.mqtt.settings import MqttSettings

    try:
        parts = urlsplit(broker)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path not in ("", "/"):
        raise UsageError(
            f"{plain(broker)!r} is not a valid broker address", "write mqtts://HOST or mqtts://USER@HOST:8883"
        )
    if parts.password:
        raise UsageError("a password on the command line is visible to other users", "use --password-file")
    where = database or os.environ.get(DATABASE_VARIABLE)
    if not where:
        raise UsageError("no database is configured", f"set one with --database or {DATABASE_VARIABLE}")
    settings = MqttSettings(
        host=host,
        port=port,
        tls=parts.scheme == "mqtts",
        ca_file=ca_file,
        certificate_file=certificate,
        key_file=key,
        username=unquote(parts.username or ""),
        password_file=password_file,
        device=name,
        topic=topic,
    )
    with Store(where) as store:
        collector = Collector(settings, store)
        with Interrupts(collector.stop), current_reporter().lines("collect: "):
            collector.run()
    click.echo(f"{collector.stored} messages stored, {collector.refused} refused", err=True)
    return 0
