"""Cameras of libcamera boards (Raspberry Pi), through picamera2."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import os
import time
from pathlib import Path
from typing import Any

from edge_all.cameras.base import Camera, FoundCamera, Settings
from edge_all.cameras.drivers.libcamera_formats import READ_FORMATS, to_rgb
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.cameras.uri import parse_device_uri
from edge_all.domain.types import Frame
from edge_all.errors import CameraError, UsageError

OPTIONS = {
    "size": "1280x720",
    "fps": "frames per second",
    "exposure": "fixed exposure time, microseconds",
    "gain": "fixed analog gain",
    "focus": "fixed lens position, diopters",
    "lock": "0 leaves automatic exposure and white balance on",
}
_REQUESTED_FORMAT = "BGR888"
"""libcamera names formats by the order in a little-endian word, so this one is stored as R, G, B."""
_READ_S = 2.0


class PicameraCamera:
    """Camera of a libcamera board: ``picamera2:0?size=1280x720&fps=30``."""

    live = True
    independent_fields = False
    physical = True
    silent = False

    def __init__(self, uri: str) -> None:
        """Parse the URI.

        Raises:
            UsageError: when the URI is not valid.
        """
        self.uri = uri
        self.identity: str | None = None
        named = parse_device_uri(uri, OPTIONS)
        if not named.name.isdigit():
            raise UsageError(f"picamera2: {named.name!r} is not a number", "picamera2:0 is the first camera")
        self._number = int(named.name)
        self._size = named.size() or (1280, 720)
        self._fps = named.number("fps", 0.1, 1000)
        self._fixed = {
            name: value
            for option, name, low, high in (
                ("exposure", "ExposureTime", 1, 1e8),
                ("gain", "AnalogueGain", 1, 1000),
                ("focus", "LensPosition", 0, 100),
            )
            if (value := named.number(option, low, high)) is not None
        }
        self._locks = named.options.get("lock", "1") != "0"
        self.settles_s = 1.0 if self._locks else 0.0
        self._camera: Any = None
        self._format = ""
        self._stride = 0
        self._full_range = True

    def start(self) -> None:
        """Open, configure and start the camera.

        Raises:
            CameraError: when it is not found, cannot be opened, or does not support the format or size.
        """
        picamera2 = _picamera2()
        there = picamera2.Picamera2.global_camera_info()
        if self._number >= len(there):
            names = ", ".join(f"picamera2:{c['Num']} ({c['Model']})" for c in there) or "none"
            raise CameraError(f"camera {self.uri} not found", f"check its cable; libcamera finds: {names}")
        try:
            camera = self._camera = picamera2.Picamera2(self._number)
        except (RuntimeError, IndexError) as error:
            raise CameraError(
                f"the camera {self.uri} cannot be opened ({_line(error)})",
                "close the program that uses it, and join the 'video' group",
            ) from error
        controls = {"FrameRate": self._fps} if self._fps is not None else {}
        main = {"size": self._size, "format": _REQUESTED_FORMAT}
        wanted = camera.create_video_configuration(
            main=main, colour_space=_full_range(), controls=controls, buffer_count=4, queue=False
        )
        try:
            camera.configure(wanted)
            camera.start()
        except (RuntimeError, ValueError) as error:
            raise CameraError(
                f"the camera {self.uri} refuses {self._size[0]}x{self._size[1]} ({_line(error)})",
                f"its sizes are {self._sizes()}",
            ) from error
        # libcamera silently changes what it does not support, so read back the actual configuration.
        main = camera.camera_configuration()["main"]
        self._format, self._stride = str(main["format"]), int(main["stride"])
        space = camera.camera_configuration()["colour_space"]
        self._full_range = space is None or str(space.range).endswith("Full")
        if self._format not in READ_FORMATS:
            raise CameraError(
                f"the camera {self.uri} delivers {self._format}, which is not supported",
                f"supported formats are {', '.join(READ_FORMATS)}",
            )
        if tuple(main["size"]) != self._size:
            raise CameraError(
                f"the camera {self.uri} has no size {self._size[0]}x{self._size[1]}",
                f"the nearest is {main['size'][0]}x{main['size'][1]}",
            )
        properties = camera.camera_properties
        self.identity = str(there[self._number].get("Id") or properties.get("Model"))

    def read(self) -> Frame | None:
        """Return the next frame, or None if none arrived within two seconds."""
        job = self._camera.capture_request(wait=False)
        try:
            request = self._camera.wait(job, timeout=_READ_S)
        except concurrent.futures.TimeoutError:  # Python 3.10 has two exceptions of this name
            self._camera.cancel_all_and_flush()
            return None
        if request is None:
            return None
        try:
            data = request.make_buffer("main")
        finally:
            request.release()
        return Frame(to_rgb(data, self._format, self._size, self._stride, self._full_range), 0, time.time(), "")

    def lock(self, earlier: Settings | None) -> Settings:
        """Lock exposure, gain and colors at the earlier or current values, if the camera has these controls."""
        camera = self._camera
        in_force: dict[str, float | str] = {
            "format": self._format,
            "size": f"{self._size[0]}x{self._size[1]}",
            "camera": str(camera.camera_properties.get("Model", "")),
        }
        has, now, before = camera.camera_controls, camera.capture_metadata(), earlier or {}
        controls: dict[str, Any] = {}
        for name in ("ExposureTime", "AnalogueGain", "LensPosition"):
            value = self._fixed.get(name, before.get(name, now.get(name) if self._locks else None))
            if name in has and value is not None:
                controls[name] = int(float(value)) if name == "ExposureTime" else float(value)
                in_force[name] = controls[name]
        if "ExposureTime" in controls and "AeEnable" in has:
            controls["AeEnable"] = False
        gains = now.get("ColourGains")
        if self._locks and "ColourGains" in has and gains is not None:
            red = float(before.get("colour_gain_red", gains[0]))
            blue = float(before.get("colour_gain_blue", gains[1]))
            controls |= {"AwbEnable": False, "ColourGains": (red, blue)}
            in_force |= {"colour_gain_red": red, "colour_gain_blue": blue}
        if "LensPosition" in controls and "AfMode" in has:
            controls["AfMode"] = 0  # manual
        if controls:
            camera.set_controls(controls)
        return in_force

    def stop(self) -> None:
        """Stop and close the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.stop()
            camera.close()

    def _sizes(self) -> str:
        modes = sorted({tuple(m["size"]) for m in self._camera.sensor_modes})
        return ", ".join(f"{w}x{h}" for w, h in modes) or "unknown"


def _full_range() -> Any:
    """Return the color space with values from 0 to 255, as in JPEG, so that video limits do not clip anything."""
    import libcamera

    return libcamera.ColorSpace.Sycc()


def _picamera2() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise CameraError(
            "this camera needs picamera2, which is not installed",
            "apt install python3-picamera2, in an environment with access to the system packages; it does not support "
            "a Jetson's CSI ports, for which use csi:0",
        ) from error
    return picamera2


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def open_picamera(uri: str) -> Camera:
    """Create the supervised camera of a ``picamera2:`` URI."""
    return SupervisedCamera(lambda _: PicameraCamera(uri))


def attached_cameras() -> list[FoundCamera]:
    """Return libcamera's cameras. Skip the import of picamera2, which takes a second, if it cannot find any."""
    if importlib.util.find_spec("picamera2") is None or (
        not any(Path("/dev").glob("media*")) and importlib.util.find_spec("libcamera") is None
    ):
        return []
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")  # its log lines would appear in the list
    try:
        from picamera2 import Picamera2  # type: ignore[import-not-found, unused-ignore]

        there = Picamera2.global_camera_info()
    except Exception as error:  # libcamera can raise anything if its parts do not match
        line = " ".join(str(error).split())
        return [FoundCamera("picamera2:0", "libcamera", "libcamera", (), f"libcamera cannot be used: {line}")]
    # Its USB cameras are also V4L2 cameras.
    return [
        FoundCamera(f"picamera2:{c['Num']}", str(c["Model"]), str(c["Id"]))
        for c in there
        if "usb" not in str(c["Id"]).lower()
    ]
