"""Storage of calibrations: one JSON file per camera, in the device's state folder."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from edge_all.calibration.model import Calibration
from edge_all.calibration.serialization import (
    DamagedCalibrationError,
    NewerCalibrationError,
    from_json,
    to_json,
)
from edge_all.errors import CalibrationError
from edge_all.files.atomic_write import write_atomically
from edge_all.files.state_dir import state_folder

_SUFFIX = ".json"
_log = logging.getLogger(__name__)


class CalibrationStore:
    """Calibration files of a device. Files are written atomically. A damaged file is set aside, never deleted."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder, which is created on the first save. Default: "calibration" in the state folder."""
        self.folder = folder or state_folder() / "calibration"

    def path_of(self, camera: str) -> Path:
        """Return the path of a camera's file, whether or not it exists. camera: the camera's identity."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", camera).strip("-")[:40]
        return self.folder / f"{readable}-{hashlib.sha256(camera.encode()).hexdigest()[:10]}{_SUFFIX}"

    def load(self, camera: str) -> Calibration:
        """Load the calibration of a camera; return an empty one if none is stored.

        A damaged file is set aside, and a warning is logged.

        Raises:
            CalibrationError: when the file was written by a newer edge-all or cannot be read.
        """
        path = self.path_of(camera)
        found = self._read(path)
        return found if found is not None and found.camera == camera else Calibration(camera)

    def all(self) -> list[Calibration]:
        """Load the calibrations of all cameras, sorted by file name; see load."""
        try:
            paths = sorted(p for p in self.folder.iterdir() if p.suffix == _SUFFIX)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(error, "read") from error
        return [found for p in paths if (found := self._read(p)) is not None]

    def save(self, calibration: Calibration) -> Path:
        """Replace the stored calibration of a camera and return its path.

        A calibration without parts removes the file. Raises CalibrationError if the folder cannot be written.
        """
        path = self.path_of(calibration.camera)
        try:
            if not calibration.parts:
                path.unlink(missing_ok=True)
                return path
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(to_json(calibration)).encode())
        except OSError as error:
            raise self._failed(error, "written") from error
        return path

    def check_writable(self) -> None:
        """Check that a calibration could be saved, before the user spends time on measuring it.

        Raises CalibrationError if the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise self._failed(error, "written") from error

    def _read(self, path: Path) -> Calibration | None:
        try:
            return from_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error, "read") from error
        except NewerCalibrationError as error:
            raise CalibrationError(
                f"the calibration {path} was written by a newer edge-all ({error})",
                "update edge-all, or move the file away and calibrate again",
            ) from error
        except DamagedCalibrationError as error:
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            where = "left where it is"
            with suppress(OSError):
                path.rename(aside)
                where = f"set aside as {aside.name}"
            _log.warning("the calibration %s is damaged (%s) and was %s: calibrate again", path, error, where)
            return None

    def _failed(self, error: OSError, what: str) -> CalibrationError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return CalibrationError(f"the disk of the calibration folder {self.folder} is full", "free some space")
        return CalibrationError(
            f"the calibration folder {self.folder} cannot be {what} ({error.strerror or error})",
            "check its permissions, or set another state folder with EDGE_ALL_STATE",
        )
