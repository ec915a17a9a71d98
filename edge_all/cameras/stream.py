"""Network cameras: RTSP and MJPEG over HTTP, through PyAV (FFmpeg)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edge_all.cameras.camera import Settings
from edge_all.cameras.device_uri import has_password, without_passwords
from edge_all.errors import CameraError
from edge_all.vocabulary import Frame

_OPEN_S, _READ_S = 5.0, 2.0


class NetworkStream:
    """``rtsp://``, ``rtsps://``, ``http://`` or ``https://``. The password stays in this object."""

    live = True
    independent_fields = False
    # A still scene behind a video codec may give bit-identical pictures.
    physical = False
    silent = False
    settles_s = 0.0

    def __init__(self, uri: str) -> None:
        self._url = uri
        self.uri = without_passwords(uri)
        self.identity: str | None = self.uri
        self._container: Any = None
        self._frames: Any = None
        self._codec = ""

    def start(self) -> None:
        """Connect. Raises CameraError (wrong password, refused, not there, no video)."""
        av = _pyav()
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if self._url.startswith("rtsp"):
            # Over TCP no packet is lost; half a picture would be judged otherwise.
            options |= {"rtsp_transport": "tcp"}
        try:
            self._container = av.open(self._url, timeout=(_OPEN_S, _READ_S), options=options)
            stream = self._container.streams.video[0]
        except IndexError:
            raise CameraError(f"{self.uri} carries no video", "name the address of its video stream") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._told(error) from None
        stream.thread_type = "SLICE"  # threads by frame would each hold a frame back
        self._codec = str(stream.codec_context.name)
        self._frames = self._container.decode(stream)

    def read(self) -> Frame | None:
        """The next frame. Raises CameraError when the connection is gone."""
        from av.error import FFmpegError

        try:
            decoded = next(self._frames)
            rgb = decoded.to_ndarray(format="rgb24")
        except StopIteration:
            raise CameraError(f"{self.uri} ended the stream", "see whether the camera runs") from None
        except (FFmpegError, OSError, ValueError) as error:
            raise self._told(error) from None
        return Frame(np.ascontiguousarray(rgb, np.uint8), 0, time.time(), "")

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """A network camera's exposure is set in its own pages; what it sends is told."""
        context = self._container.streams.video[0].codec_context
        return {"format": self._codec, "size": f"{context.width}x{context.height}"}

    def stop(self) -> None:
        """Disconnect."""
        container, self._container, self._frames = self._container, None, None
        if container is not None:
            container.close()

    def _told(self, error: Exception) -> CameraError:
        """One line without what FFmpeg says of the address: a password may stand in it."""
        import av.error as errors

        if isinstance(error, (errors.HTTPUnauthorizedError, errors.HTTPForbiddenError)):
            if has_password(self._url):
                return CameraError(f"{self.uri} refuses the user name or password", "check both in its address")
            return CameraError(f"{self.uri} wants a password", "name it: rtsp://USER:PASSWORD@HOST/...")
        if isinstance(error, errors.HTTPNotFoundError):
            return CameraError(f"{self.uri} is no address of that camera", "check the part after the host")
        if isinstance(error, ConnectionRefusedError):
            return CameraError(f"{self.uri} refuses the connection", "check host and port, and that the camera runs")
        if isinstance(error, (errors.ExitError, TimeoutError)):
            return CameraError(f"{self.uri} does not answer", "check host, port, network and power")
        if isinstance(error, EOFError):
            return CameraError(f"{self.uri} ended the stream", "see whether the camera runs")
        what = getattr(error, "strerror", None) or type(error).__name__
        return CameraError(f"{self.uri} cannot be read ({what})", "check address and network")


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise CameraError(
            "network cameras need PyAV, which is not installed", "pip install 'edge-all[stream]'"
        ) from error
    import av.logging

    # What FFmpeg writes would show the address with its password.
    av.logging.set_level(None)
    return av
