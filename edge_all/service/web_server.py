"""Web server of the service: at the configured address, or at a fallback from which problems can still be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.errors import EdgeAllError
from edge_all.service.certificate_renewal import usable
from edge_all.service.problems import ProblemKind, Problems
from edge_all.web.microscope import Microscope
from edge_all.web.server import Address, Server

if TYPE_CHECKING:
    from firmware_config.sections.web import Web

_OTHER_PORTS = 9


def address_of(web: Web) -> Address:
    """Return the address configured in the settings."""
    certificate, key = (Path(web.certificate) if web.certificate else None, Path(web.key) if web.key else None)
    return Address(web.host, web.port, certificate, key, tuple(web.names))


def serve(
    stack: ExitStack,
    wanted: Address,
    problems: Problems,
    make: Callable[[Address], Server],
) -> Server | None:
    """Start a server that runs until the stack is closed.

    If the wanted address cannot be used, the reason is added to the problems and a fallback address is tried.

    Returns:
        The server, or None when no address can be used.
    """
    first: EdgeAllError | None = None
    wanted, problem = usable(wanted)
    problems.set(ProblemKind.CERTIFICATE, problem)
    for address in _candidates(wanted):
        try:
            server = stack.enter_context(make(address))
        except EdgeAllError as error:
            first = first or error
            continue
        if first is not None:
            problems.set(ProblemKind.PAGES, f"{first}; until then the pages are at {server.url}")
        return server
    problems.set(ProblemKind.PAGES, str(first))
    return None


def _candidates(wanted: Address) -> Iterator[Address]:
    yield wanted
    if wanted.certificate is not None:
        yield replace(wanted, certificate=None, key=None)
    for host in dict.fromkeys((wanted.host, "127.0.0.1")):
        for port in range(wanted.port, min(wanted.port + _OTHER_PORTS, 65535) + 1):
            if (host, port) != (wanted.host, wanted.port):
                yield replace(wanted, host=host, port=port, certificate=None, key=None)


def server_maker(record: Path, models: Path | None, microscope: Microscope) -> Callable[[Address], Server]:
    """Return a factory of servers for one microscope and a record that was started."""
    return lambda address: Server(address, record, models, microscope, create=True, started=True)
