"""Web server of the pages, in a thread next to a session or alone."""

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
from edge_all.files.state_dir import state_folder
from edge_all.web.auth.accounts import Accounts, accounts_file
from edge_all.web.tls.certificate import fingerprint, own_certificate, tls_context

if TYPE_CHECKING:
    from edge_all.web.microscope import Microscope

DEFAULT_PORT = 8080
_SEND_BUFFER = 128 << 10
_STARTS_WITHIN_S = 20.0
_ENDS_WITHIN_S = 4.0
"""Seconds to wait at the end. A page that takes longer, such as a report, is abandoned."""


@dataclass(frozen=True)
class Address:
    """Address of the pages and their certificate (None: a self-signed one, created on first use)."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    """Additional names that browsers may use, besides the addresses and the machine's host name."""

    @property
    def loopback(self) -> bool:
        """True if only this machine can reach the pages."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> tuple[str, int]:
    """Parse "HOST:PORT", "HOST", ":PORT" or "PORT", with [] around an IPv6 address.

    Raises:
        UsageError: when the port is not valid.
    """
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
        raise UsageError(f"{text!r} is not a valid address", "write HOST:PORT, such as 127.0.0.1:8080")
    return host, int(port)


class Server:
    """Web server that runs in a separate thread from entering its "with" block to leaving it."""

    def __init__(
        self,
        address: Address,
        record_folder: Path,
        models: Path | None = None,
        microscope: Microscope | None = None,
        *,
        create: bool = False,
        started: bool = False,
    ) -> None:
        """Prepare the server and listen on its address.

        Args:
            address: Address of the pages.
            record_folder: Folder of the record.
            models: Folder of the models for occlusion maps. Default: the models in use.
            microscope: The connected microscope, if there is one.
            create: Create the record, and repair it unless ``started``.
            started: The record was already repaired by this program.

        Raises:
            EdgeAllError: when a package is missing.
            UsageError: when there are no accounts for remote access, or the address is not usable.
            RecordError: when the record cannot be used.
        """
        self._uvicorn = _uvicorn()
        from edge_all.record.thread_local import ThreadLocalRecord
        from edge_all.web.app import make_app
        from edge_all.web.context import Endpoint, ReviewContext

        accounts = Accounts(accounts_file())
        self.fingerprint: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._served = b""
        if not address.loopback:
            if not accounts.all():
                raise UsageError(
                    f"serving pages to other machines ({address.host}) requires a user account",
                    "create one with 'edge-all users add NAME --role admin', or omit the host",
                )
            self.use_certificate(*certificate_of(address))
        self._socket = _listen(address)
        port = int(self._socket.getsockname()[1])
        names = {n.lower() for n in address.names}
        if not address.loopback:
            own = socket.gethostname().lower()
            names |= {own, f"{own}.local", address.host.lower()}
        self.context = ReviewContext(
            ThreadLocalRecord(record_folder, create=create, started=started),
            accounts,
            models or _models_in_use(),
            Endpoint(address.loopback, self._tls is not None, port, frozenset(names)),
            microscope,
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
                raise EdgeAllError("the pages cannot be served", "run the command again with --debug")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_soon()
        self._thread.join(_ENDS_WITHIN_S)
        if not self._thread.is_alive():  # otherwise a connection is still in use
            self.context.records.close()

    @property
    def has_tls(self) -> bool:
        """True if the pages are served over TLS."""
        return self._tls is not None

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """Serve this certificate to new connections. Do nothing if it is already served.

        Raises:
            UsageError: when certificate and key do not match. The previous certificate stays in use.
        """
        context = tls_context(certificate, key)
        content = certificate.read_bytes()
        if content == self._served:
            return
        self._served, self.fingerprint = content, fingerprint(certificate)
        if self._tls is None:
            self._tls = context
            return

        # Loading into the context in use would keep the previous certificate next to one with another kind of key.
        def hand_over(connection: ssl.SSLObject, _name: str, _of: ssl.SSLContext) -> None:
            connection.context = context

        self._tls.sni_callback = hand_over

    def end_soon(self) -> None:
        """Stop accepting requests and end live pictures. Return immediately."""
        self.context.closing = True
        self._server.should_exit = True

    def _serve(self) -> None:
        # Its messages about browsers that left are of no use; internal errors are logged by the middleware.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.run(sockets=[self._socket])


def _models_in_use() -> Path:
    """Return the model folder for occlusion maps. If it is unknown, the pages work and explain why maps do not."""
    from edge_all.modelstore.installed import models_in_use

    try:
        return models_in_use()
    except ModelError:
        return state_folder() / "models"


def certificate_of(address: Address) -> tuple[Path, Path]:
    """Return the given certificate and key, or a self-signed pair.

    Raises:
        UsageError: when only one of certificate and key is given.
        EdgeAllError: when none can be created.
    """
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
        # Pictures that a slow reader has not read yet are outdated, so the kernel buffers only a few.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listening.bind((address.host, address.port))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address.host}:{address.port} ({error.strerror or error})",
            "choose another port, or stop the program that uses it",
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
