"""Where calibrations lie: one JSON file a camera, in the device's state folder."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge_all.atomic_file import write_atomically
from edge_all.calibration.calibration import Calibration
from edge_all.calibration.json_form import VERSION, DamagedCalibrationError, NewerCalibrationError, from_json, to_json
from edge_all.errors import CalibrationError
from edge_all.state_folder import state_folder

_SUFFIX = ".json"
Say = Callable[[str], None]


class CalibrationStore:
    """Files are written whole or not at all; one that is damaged is set aside, never deleted."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: made when something is stored. Default: "calibration" in the state folder."""
        self.folder = folder or state_folder() / "calibration"

    def path_of(self, camera: str) -> Path:
        """Where a camera's file lies, or would. camera: its identity."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", camera).strip("-")[:40]
        return self.folder / f"{readable}-{hashlib.sha256(camera.encode()).hexdigest()[:10]}{_SUFFIX}"

    def load(self, camera: str, say: Say = lambda _: None) -> Calibration:
        """What is kept for a camera; an empty one where nothing is. A damaged file is set aside, and ``say`` hears of
        it.

        Raises CalibrationError for a file that a newer edge-all wrote, or that may not be read.
        """
        path = self.path_of(camera)
        found = self._read(path, say)
        return found if found is not None and found.camera == camera else Calibration(camera)

    def all(self, say: Say = lambda _: None) -> list[Calibration]:
        """Every camera's, by file name; as load."""
        try:
            paths = sorted(p for p in self.folder.iterdir() if p.suffix == _SUFFIX)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(error, "read") from error
        return [found for p in paths if (found := self._read(p, say)) is not None]

    def save(self, calibration: Calibration) -> Path:
        """In the place of what was there; a calibration without parts removes the file. Raises CalibrationError."""
        path = self.path_of(calibration.camera)
        try:
            if not calibration.parts:
                path.unlink(missing_ok=True)
                return path
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps({"version": VERSION, **to_json(calibration)}).encode())
        except OSError as error:
            raise self._failed(error, "written") from error
        return path

    def check_writable(self) -> None:
        """Before a user turns knobs for nothing. Raises CalibrationError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise self._failed(error, "written") from error

    def _read(self, path: Path, say: Say) -> Calibration | None:
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
            say(f"the calibration {path} is damaged ({error}) and {where}: calibrate again")
            return None

    def _failed(self, error: OSError, what: str) -> CalibrationError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return CalibrationError(f"the disk of the calibration folder {self.folder} is full", "free some space")
        return CalibrationError(
            f"the calibration folder {self.folder} cannot be {what} ({error.strerror or error})",
            "check its rights, or name another state folder with EDGE_ALL_STATE",
        )
