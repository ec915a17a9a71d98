"""Network cameras: RTSP and MJPEG over HTTP, through PyAV (FFmpeg)."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from edge_all.cameras.base import Camera, Settings
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame
from edge_all.errors import CameraError, UsageError
from edge_all.text.uri import has_password, redacted

_OPEN_S, _READ_S = 5.0, 2.0


class NetworkStream:
    """Network camera: ``rtsp://``, ``rtsps://``, ``http://`` or ``https://``. The password stays in this object."""

    live = True
    independent_fields = False
    # A video codec can deliver bit-identical frames of a still scene.
    physical = False
    silent = False
    settles_s = 0.0

    def __init__(self, uri: str) -> None:
        self._url = uri
        self.uri = redacted(uri)
        self.identity: str | None = self.uri
        self._container: Any = None
        self._frames: Any = None
        self._codec = ""

    def start(self) -> None:
        """Connect to the camera.

        Raises:
            CameraError: when the password is wrong, the connection fails, or there is no video.
        """
        av = _pyav()
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if self._url.startswith("rtsp"):
            # TCP loses no packets; with UDP, incomplete images would be classified.
            options |= {"rtsp_transport": "tcp"}
        try:
            self._container = av.open(self._url, timeout=(_OPEN_S, _READ_S), options=options)
            stream = self._container.streams.video[0]
        except IndexError:
            raise CameraError(f"{self.uri} has no video", "use the address of its video stream") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._translated(error) from None
        stream.thread_type = "SLICE"  # frame threads would each delay one frame
        self._codec = str(stream.codec_context.name)
        self._frames = self._container.decode(stream)

    def read(self) -> Frame | None:
        """Return the next frame.

        Raises:
            CameraError: when the connection is lost.
        """
        from av.error import FFmpegError

        try:
            decoded = next(self._frames)
            rgb = decoded.to_ndarray(format="rgb24")
        except StopIteration:
            raise CameraError(f"{self.uri} ended the stream", "check that the camera is running") from None
        except (FFmpegError, OSError, ValueError) as error:
            raise self._translated(error) from None
        return Frame(np.ascontiguousarray(rgb, np.uint8), 0, time.time(), "")

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """Return the stream's format and size. Nothing is locked: exposure is set on the camera's own web pages."""
        context = self._container.streams.video[0].codec_context
        return {"format": self._codec, "size": f"{context.width}x{context.height}"}

    def stop(self) -> None:
        """Disconnect."""
        container, self._container, self._frames = self._container, None, None
        if container is not None:
            container.close()

    def _translated(self, error: Exception) -> CameraError:
        """Translate an error to one line without FFmpeg's text, which can contain the address with its password."""
        import av.error as errors

        if isinstance(error, (errors.HTTPUnauthorizedError, errors.HTTPForbiddenError)):
            if has_password(self._url):
                return CameraError(f"{self.uri} rejects the user name or password", "check both in its address")
            return CameraError(f"{self.uri} requires a password", "add it: rtsp://USER:PASSWORD@HOST/...")
        if isinstance(error, errors.HTTPNotFoundError):
            return CameraError(f"{self.uri} was not found on that camera", "check the part after the host")
        if isinstance(error, ConnectionRefusedError):
            return CameraError(
                f"{self.uri} refuses the connection", "check host and port, and that the camera is running"
            )
        if isinstance(error, (errors.ExitError, TimeoutError)):
            return CameraError(f"{self.uri} does not answer", "check host, port, network and power")
        if isinstance(error, EOFError):
            return CameraError(f"{self.uri} ended the stream", "check that the camera is running")
        reason = getattr(error, "strerror", None) or type(error).__name__
        return CameraError(f"{self.uri} cannot be read ({reason})", "check address and network")


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise CameraError(
            "network cameras need PyAV, which is not installed", "pip install 'edge-all[stream]'"
        ) from error
    import av.logging

    # FFmpeg's log would show the address with its password.
    av.logging.set_level(None)
    return av


def open_stream(uri: str) -> Camera:
    """Create the supervised camera of a stream's URL.

    Raises:
        UsageError: when the URL has no host.
    """
    scheme = uri.partition(":")[0]
    rest = uri.partition("://")[2]
    if not re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]:
        raise UsageError(f"{redacted(uri) if rest else scheme + '://'} names no host", f"write {scheme}://HOST/PATH")
    return SupervisedCamera(lambda _: NetworkStream(uri))
