"""A network camera on loopback: MJPEG over HTTP that stalls, drops, comes back and wants a password, on request."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from tests.helpers.scripted_device import picture


class MjpegCamera:
    """stalls: connections stay open and nothing comes. size: of the pictures, from the next one on."""

    def __init__(self, port: int = 0, password: str | None = None, fps: float = 25.0) -> None:
        self.password, self.fps = password, fps
        self.stalls, self.size, self.sent = False, (64, 48), 0
        self.pictures: list[Any] | None = None
        """RGB uint8, shown in turn; None: noise."""
        self._connections: list[Any] = []
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Ignore the error because a client that disconnects is expected."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, user: str = "") -> str:
        return f"http://{user + '@' if user else ''}127.0.0.1:{self.port}/live"

    def close(self) -> None:
        """Off, all connections with it."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> MjpegCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        if self.password is not None:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if request.headers.get("Authorization") != expected:
                request.send_response(401)
                request.send_header("WWW-Authenticate", 'Basic realm="camera"')
                request.end_headers()
                return
        if request.path != "/live":
            request.send_error(404)
            return
        self._connections.append(request.connection)
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        while True:
            while self.stalls:
                time.sleep(0.02)
            image = picture(self.sent, *self.size)
            if self.pictures is not None:
                image = self.pictures[self.sent % len(self.pictures)]
            data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            request.wfile.write(head.encode() + data.tobytes() + b"\r\n")
            self.sent += 1
            time.sleep(1 / self.fps)
