"""Live picture as an endless multipart response (MJPEG). A slow reader does not delay others."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge_all.web.live.live_view import LiveView

_BOUNDARY = b"edge-all-picture"
_LOOKS_EVERY_S = 0.1
_STALLED_S = 10.0
"""Seconds after which a browser that reads nothing is disconnected."""


class Viewers(Protocol):
    """The live view, the number of its viewers, and whether the server is shutting down."""

    watchers: int
    closing: bool

    @property
    def live(self) -> LiveView | None:
        """The live view, if a microscope is connected."""


class MjpegResponse(Response):
    """Response that sends each new picture. Pictures are not queued for a slow reader."""

    def __init__(self, viewers: Viewers) -> None:
        super().__init__(media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}")
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store"
        self.headers["Connection"] = "close"
        self._viewers = viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send pictures until the reader leaves or stalls."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        live = self._viewers.live
        assert live is not None
        self._viewers.watchers += 1
        gone = asyncio.create_task(_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"--" + _BOUNDARY + b"\r\n", "more_body": True})
            sent = -1
            while not gone.done() and not self._viewers.closing:
                newest = await run_in_threadpool(live.picture) if live.has_newer(sent) else None
                if newest is not None and newest[0] != sent:
                    sent, jpeg = newest
                    # The boundary after a picture lets the browser show it at once.
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                    body = head + jpeg + b"\r\n--" + _BOUNDARY + b"\r\n"
                    message = {"type": "http.response.body", "body": body, "more_body": True}
                    await asyncio.wait_for(send(message), _STALLED_S)
                await asyncio.sleep(_LOOKS_EVERY_S)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self._viewers.watchers -= 1
            gone.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
