"""GStreamer pipelines as cameras: the Jetson's CSI ports (``csi:0``), or any pipeline (``gst:...``)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edge_all.cameras.base import Camera, Settings
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.cameras.uri import parse_device_uri
from edge_all.domain.types import Frame
from edge_all.errors import CameraError
from edge_all.text.uri import redacted

OPTIONS = {
    "size": "1920x1080",
    "fps": "frames per second",
    "exposure": "fixed exposure time, microseconds",
    "gain": "fixed analog gain",
    "lock": "0 leaves automatic exposure and white balance on",
}
_SINK = "appsink name=edge_all_sink max-buffers=1 drop=true sync=false"
_TO_RGB = "videoconvert ! video/x-raw,format=RGB"
_READ_S = 1.0


class GstCamera:
    """Camera that runs a GStreamer pipeline; the conversion to RGB and the sink are appended here."""

    live = True
    independent_fields = False
    silent = False
    settles_s = 0.0

    def __init__(self, uri: str) -> None:
        """Create the camera from a ``gst:PIPELINE`` URI."""
        self.uri = redacted(uri)
        self.identity: str | None = None
        self.physical = False
        self._pipeline_text = uri.partition(":")[2].strip()
        self._pipeline: Any = None
        self._sink: Any = None
        self._gst: Any = None
        self._in_force: dict[str, float | str] = {}

    def start(self) -> None:
        """Build and start the pipeline.

        Raises:
            CameraError: when it does not start, with GStreamer's error message.
        """
        gst = self._gst = _gstreamer()
        text = self._description()
        try:
            self._pipeline = gst.parse_launch(f"{text} ! {_TO_RGB} ! {_SINK}")
        except Exception as error:  # gi's GLib.Error, which cannot be named before it is imported
            raise self._refused(str(getattr(error, "message", error))) from None
        self._sink = self._pipeline.get_by_name("edge_all_sink")
        if self._pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
            raise self._refused(self._error() or "it does not start")

    def read(self) -> Frame | None:
        """Return the next frame, or None if none arrived within a second.

        Raises:
            CameraError: when the pipeline fails or ends.
        """
        gst = self._gst
        sample = self._sink.emit("try-pull-sample", int(_READ_S * gst.SECOND))
        if sample is None:
            if (error := self._error()) is not None:
                raise self._refused(error)
            if self._sink.get_property("eos"):
                raise CameraError(f"the pipeline {self.uri} ended", "use a source that does not end")
            return None
        return Frame(_pixels(gst, sample), 0, time.time(), "")

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """Return the settings in force; a pipeline has nothing to lock."""
        pad = self._sink.get_static_pad("sink").get_current_caps()
        found = pad.get_structure(0) if pad is not None else None
        if found is not None:
            self._in_force["size"] = f"{found.get_int('width')[1]}x{found.get_int('height')[1]}"
        return dict(self._in_force)

    def stop(self) -> None:
        """Stop the pipeline."""
        pipeline, self._pipeline, self._sink = self._pipeline, None, None
        if pipeline is not None:
            pipeline.set_state(self._gst.State.NULL)

    def _description(self) -> str:
        return self._pipeline_text

    def _error(self) -> str | None:
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        return None if message is None else str(message.parse_error()[0].message)

    def _refused(self, why: str) -> CameraError:
        line = redacted(" ".join(why.split()))
        return CameraError(f"the pipeline {self.uri} failed ({line})", "try it with gst-launch-1.0 first")


class CsiCamera(GstCamera):
    """Camera on a Jetson's CSI port: ``csi:0?size=1920x1080&fps=30``. nvarguscamerasrc controls the sensor."""

    settles_s = 0.0

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.physical = True
        named = self._named = parse_device_uri(uri, OPTIONS)
        if not named.name.isdigit():
            from edge_all.errors import UsageError

            raise UsageError(f"csi: {named.name!r} is not a port", "csi:0 is the first camera, csi:1 the second")
        self._size = named.size() or (1920, 1080)
        self._fps = named.number("fps", 1, 240) or 30
        self._exposure, self._gain = named.number("exposure", 1, 1e7), named.number("gain", 1, 1000)
        self._locks = named.options.get("lock", "1") != "0"
        self.settles_s = 1.0 if self._locks else 0.0

    def start(self) -> None:
        """Build and start the pipeline.

        Raises:
            CameraError: when it does not start, or when this machine is not a Jetson; the remedy then gives the URI
                kind to use.
        """
        gst = _gstreamer()
        if gst.ElementFactory.find("nvarguscamerasrc") is None:
            raise CameraError(
                f"{self.uri} needs the Jetson's GStreamer element nvarguscamerasrc, which is not installed",
                "on a Jetson, install nvidia-l4t-gstreamer (libcamera and picamera2 do not support its CSI ports); "
                "on a Raspberry Pi, use picamera2:0",
            )
        super().start()

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """Lock automatic exposure and white balance at their current values, and return the settings in force."""
        source = self._pipeline.get_by_name("edge_all_source")
        if self._locks and source is not None:
            for name in ("aelock", "awblock"):
                source.set_property(name, True)
                self._in_force[name] = "on"
        if self._exposure is not None:
            self._in_force["exposure"] = self._exposure
        if self._gain is not None:
            self._in_force["gain"] = self._gain
        self._in_force["fps"] = self._fps
        return super().lock(None)

    def _description(self) -> str:
        (width, height), fps = self._size, round(self._fps)
        fixed = ""
        if self._exposure is not None:
            ns = round(self._exposure * 1000)
            fixed += f' exposuretimerange="{ns} {ns}"'
        if self._gain is not None:
            fixed += f' gainrange="{self._gain:g} {self._gain:g}"'
        return (
            f"nvarguscamerasrc name=edge_all_source sensor-id={self._named.name}{fixed} "
            f"! video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1,format=NV12 "
            "! nvvidconv ! video/x-raw,format=BGRx"
        )


def _pixels(gst: Any, sample: Any) -> Any:
    """Return a sample's pixels as RGB, uint8, H x W x 3, without any row padding."""
    found = sample.get_caps().get_structure(0)
    width, height = found.get_int("width")[1], found.get_int("height")[1]
    buffer = sample.get_buffer()
    ok, mapped = buffer.map(gst.MapFlags.READ)
    if not ok:
        raise CameraError("a frame of the pipeline cannot be read", "memory may be short; close other programs")
    try:
        data = np.frombuffer(mapped.data, np.uint8)
        stride = len(data) // height
        rows = data[: stride * height].reshape(height, stride)
        return rows[:, : width * 3].reshape(height, width, 3).copy()
    finally:
        buffer.unmap(mapped)


def _gstreamer() -> Any:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        raise CameraError(
            "this camera needs GStreamer's Python bindings, which are not installed",
            "apt install python3-gi gir1.2-gst-plugins-base-1.0, in an environment with access to the system packages "
            "(libcamera does not support a Jetson's CSI ports; GStreamer does)",
        ) from error
    if not Gst.is_initialized():
        Gst.init(None)
    return Gst


def open_csi(uri: str) -> Camera:
    """Create the supervised camera of a ``csi:`` URI."""
    return SupervisedCamera(lambda _: CsiCamera(uri))


def open_pipeline(uri: str) -> Camera:
    """Create the supervised camera of a ``gst:`` URI."""
    return SupervisedCamera(lambda _: GstCamera(uri))
