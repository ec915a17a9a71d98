"""Options of the commands that serve pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edge_all.review.serving import Address

F = TypeVar("F", bound=Callable[..., Any])


def web_options(command: F) -> F:
    """Adds --certificate, --key and --web-name."""
    for option in (
        click.option(
            "--web-name",
            multiple=True,
            metavar="NAME",
            help="A name of this machine that browsers may use; repeatable.",
        ),
        click.option("--key", metavar="FILE", help="The certificate's private key, PEM."),
        click.option(
            "--certificate",
            metavar="FILE",
            help="For pages off this machine, PEM. Default: an own one, made at first use in the state folder.",
        ),
    ):
        command = option(command)
    return command


def web_address(where: str, certificate: str | None, key: str | None, names: tuple[str, ...]) -> Address:
    """The address that the options name. Raises UsageError."""
    from edge_all.errors import UsageError
    from edge_all.review.serving import Address, parse_address

    address = Address(
        *parse_address(where), Path(certificate) if certificate else None, Path(key) if key else None, names
    )
    if address.loopback and (certificate or key):
        raise UsageError(
            f"pages on {address.host} are for this machine alone, and need no certificate",
            "leave it out, or name another host, as 0.0.0.0",
        )
    return address
