"""Options shared by the commands that serve web pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edge_all.web.server import Address

F = TypeVar("F", bound=Callable[..., Any])


def web_options(command: F) -> F:
    """Add --certificate, --key and --web-name to a command."""
    for option in (
        click.option(
            "--web-name",
            multiple=True,
            metavar="NAME",
            help="Host name by which browsers may reach this machine. Repeatable.",
        ),
        click.option("--key", metavar="FILE", help="Private key of the certificate (PEM)."),
        click.option(
            "--certificate",
            metavar="FILE",
            help="TLS certificate (PEM) for remote access. Default: a self-signed certificate, created in the state "
            "directory on first use.",
        ),
    ):
        command = option(command)
    return command


def web_address(where: str, certificate: str | None, key: str | None, names: tuple[str, ...]) -> Address:
    """Return the address given by the options.

    Raises:
        UsageError: when the address is invalid, or a certificate is given for a loopback address.
    """
    from edge_all.errors import UsageError
    from edge_all.web.server import Address, parse_address

    address = Address(
        *parse_address(where), Path(certificate) if certificate else None, Path(key) if key else None, names
    )
    if address.loopback and (certificate or key):
        raise UsageError(
            f"pages on {address.host} are served to this machine only and do not use a certificate",
            "leave out --certificate and --key, or choose another host, such as 0.0.0.0",
        )
    return address
