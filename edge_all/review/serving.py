"""Serves the pages: in a thread beside a session, or alone."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from edge_all.errors import EdgeAllError, ModelError, UsageError
from edge_all.review.accounts import Accounts, accounts_file
from edge_all.review.certificate import fingerprint, own_certificate, tls_context
from edge_all.state_folder import state_folder

if TYPE_CHECKING:
    from edge_all.review.live_view import LiveView
    from edge_all.service.device_state import DeviceState
    from edge_all.session.station import Station

DEFAULT_PORT = 8080
_SEND_BUFFER = 128 << 10
_STARTS_WITHIN_S = 20.0
_ENDS_WITHIN_S = 4.0
"""A page that is still being made then, a report for example, is not waited for."""


@dataclass(frozen=True)
class Address:
    """Where pages are served, and with which certificate (None: an own one, made at first use)."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    """Names under which browsers reach it, besides its addresses and the machine's own name."""

    @property
    def loopback(self) -> bool:
        """Only this machine reaches it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> tuple[str, int]:
    """ "HOST:PORT", "HOST", ":PORT" or "PORT"; [] around an IPv6 address. Raises UsageError."""
    host, port = "127.0.0.1", str(DEFAULT_PORT)
    if text.isdigit():
        port = text
    elif text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text:
        before, _, after = text.partition(":")
        host, port = before or host, after or port
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise UsageError(f"{text!r} is no address", "write HOST:PORT, as 127.0.0.1:8080")
    return host, int(port)


class Server:
    """Serves from entering to leaving its context, in a thread of its own."""

    def __init__(
        self,
        address: Address,
        record_folder: Path,
        models: Path | None = None,
        station: Station | None = None,
        live: LiveView | None = None,
        *,
        create: bool = False,
        started: bool = False,
        device: DeviceState | None = None,
        monitoring_token: str = "",
    ) -> None:
        """create: make the record; mend it too, unless that was done (started). Raises EdgeAllError (a package is
        missing), UsageError (no password off the loopback), RecordError."""
        self._uvicorn = _uvicorn()
        from edge_all.record.by_thread import RecordByThread
        from edge_all.review.app import make_app
        from edge_all.review.context import ReviewContext

        accounts = Accounts(accounts_file())
        self.fingerprint: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._served = b""
        if not address.loopback:
            if not accounts.all():
                raise UsageError(
                    f"pages for other machines ({address.host}) need a password",
                    "make one with 'edge-all users add NAME --role admin', or leave the host out",
                )
            self.use_certificate(*certificate_of(address))
        self._socket = _listen(address)
        port = int(self._socket.getsockname()[1])
        names = {n.lower() for n in address.names}
        if not address.loopback:
            own = socket.gethostname().lower()
            names |= {own, f"{own}.local", address.host.lower()}
        self.context = ReviewContext(
            RecordByThread(record_folder, create=create, started=started),
            accounts,
            models or _models_in_use(),
            loopback=address.loopback,
            secure=self._tls is not None,
            port=port,
            host_names=frozenset(names),
            station=station,
            live=live,
            device=device,
            monitoring_token=monitoring_token,
        )
        host = socket.gethostname() if address.host in ("0.0.0.0", "::") else address.host
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if self._tls else 'http'}://{shown}:{port}/"
        config = self._uvicorn.Config(
            make_app(self.context),
            log_config=None,
            access_log=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=100,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=32 << 10,
        )
        config.load()
        config.ssl = self._tls
        self._server = self._uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="pages", daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        end = time.monotonic() + _STARTS_WITHIN_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise EdgeAllError("the pages cannot be served", "run it again with --debug")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_soon()
        self._thread.join(_ENDS_WITHIN_S)
        if not self._thread.is_alive():  # else one of them is in use
            self.context.records.close()

    @property
    def has_tls(self) -> bool:
        """It is served off the loopback."""
        return self._tls is not None

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """For whoever comes from now on; nothing where it is served already. Raises UsageError when the two do not fit,
        and goes on with the one before."""
        context = tls_context(certificate, key)
        content = certificate.read_bytes()
        if content == self._served:
            return
        self._served, self.fingerprint = content, fingerprint(certificate)
        if self._tls is None:
            self._tls = context
            return

        # A context that is in use keeps the certificate of before beside one with another kind of key.
        def hand_over(connection: ssl.SSLObject, _name: str, _of: ssl.SSLContext) -> None:
            connection.context = context

        self._tls.sni_callback = hand_over

    def end_soon(self) -> None:
        """Take no more requests, let live pictures end; returns at once."""
        self.context.closing = True
        self._server.should_exit = True

    def _serve(self) -> None:
        # What it would say of browsers that left is no news; faults of ours are told by the guard.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.run(sockets=[self._socket])


def _models_in_use() -> Path:
    """For maps of a cell. Where it cannot be told which they are there are no maps, but pages that say why."""
    from edge_all.engines.installed import models_in_use

    try:
        return models_in_use()
    except ModelError:
        return state_folder() / "models"


def certificate_of(address: Address) -> tuple[Path, Path]:
    """The given one, with its key, or an own one. Raises UsageError, EdgeAllError (none can be made)."""
    if address.certificate is not None and address.key is not None:
        return address.certificate, address.key
    if address.certificate is not None or address.key is not None:
        raise UsageError("a certificate and its key belong together", "name both --certificate and --key")
    return own_certificate(state_folder() / "tls", address.host, address.names)


def _listen(address: Address) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Pictures that a slow reader has not taken yet are old: few of them wait in the kernel.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listening.bind((address.host, address.port))
    except OSError as error:
        raise UsageError(
            f"{address.host}:{address.port} cannot be listened on ({error.strerror or error})",
            "name another port, or end the program that has it",
        ) from error
    return listening


def _uvicorn() -> ModuleType:
    try:
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            f"the package {error.name}, which the pages need, is not installed", "pip install 'edge-all[web]'"
        ) from error
    return uvicorn
