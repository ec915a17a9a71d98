"""The pages of a service: where the settings say, or, when that cannot be, where they can still say what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.errors import EdgeAllError
from edge_all.review.live_view import LiveView
from edge_all.review.serving import Address, Server
from edge_all.service.kept_certificate import usable
from edge_all.service.problems import Kind, Problems
from edge_all.session.station import Station

if TYPE_CHECKING:
    from edge_all.service.device_state import DeviceState
    from firmware_config.sections.web import Web

_OTHER_PORTS = 9


def address_of(web: Web) -> Address:
    """As the settings say."""
    certificate, key = (Path(web.certificate) if web.certificate else None, Path(web.key) if web.key else None)
    return Address(web.host, web.port, certificate, key, tuple(web.names))


def serve(
    stack: ExitStack,
    wanted: Address,
    problems: Problems,
    make: Callable[[Address], Server],
) -> Server | None:
    """A server that runs until the stack is left; None when there can be none at all. What kept it from the wanted
    address is among the problems."""
    first: EdgeAllError | None = None
    wanted, told = usable(wanted)
    problems.set(Kind.CERTIFICATE, told)
    for address in _ways(wanted):
        try:
            server = stack.enter_context(make(address))
        except EdgeAllError as error:
            first = first or error
            continue
        if first is not None:
            problems.set(Kind.PAGES, f"{first}; until then the pages are at {server.url}")
        return server
    problems.set(Kind.PAGES, str(first))
    return None


def _ways(wanted: Address) -> Iterator[Address]:
    yield wanted
    if wanted.certificate is not None:
        yield replace(wanted, certificate=None, key=None)
    for host in dict.fromkeys((wanted.host, "127.0.0.1")):
        for port in range(wanted.port, min(wanted.port + _OTHER_PORTS, 65535) + 1):
            if (host, port) != (wanted.host, wanted.port):
                yield replace(wanted, host=host, port=port, certificate=None, key=None)


def server_maker(
    record: Path, models: Path | None, station: Station, live: LiveView, device: DeviceState, token: str
) -> Callable[[Address], Server]:
    """Makes servers of one station's pages, of a record that was started. token: of whoever asks for metrics from
    another machine."""
    return lambda address: Server(
        address, record, models, station, live, create=True, started=True, device=device, monitoring_token=token
    )
