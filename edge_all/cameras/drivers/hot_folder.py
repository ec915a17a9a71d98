"""Hot folder (``dir:FOLDER``): images that a microscope's own software saves while the session runs."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from edge_all.cameras.base import Camera, Settings
from edge_all.cameras.image_names import IMAGE_SUFFIXES, natural_order
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError
from edge_all.files.file_names import in_utf8

_POLL_S = 0.25
_STABLE_POLLS = 2
"""Number of polls with unchanged size and time after which a file is read; a saving program pauses for less."""
_DAMAGED_WAIT_S = 2.0
"""Seconds to wait for a file that cannot be decoded, because it may still be being written."""


class HotFolder:
    """Driver that reads each image of a folder once, including existing ones; by name within one poll.

    The folder is polled, because network shares and memory cards send no events.
    """

    live = False
    independent_fields = True
    physical = False
    silent = True
    settles_s = 0.0

    def __init__(self, uri: str, seen: set[tuple[str, int, int]]) -> None:
        """Create the driver.

        Args:
            uri: The ``dir:FOLDER`` URI.
            seen: Name, size and modification time of the files read so far; survives a loss of the folder.
        """
        self.uri = in_utf8(uri)
        self.identity: str | None = None
        self._folder = Path(uri.partition(":")[2]).expanduser()
        self._seen = seen
        self._still: dict[Path, tuple[int, int, int]] = {}
        self._broken_since: dict[Path, float] = {}
        self._ready: deque[Path] = deque()

    def start(self) -> None:
        """Poll the folder for the first time.

        Raises:
            CameraError: when the folder cannot be read.
        """
        self._poll()

    def read(self) -> Frame | Unreadable | None:
        """Return the next complete image, or None if there is none yet.

        Raises:
            CameraError: when the folder is gone.
        """
        if not self._ready:
            time.sleep(_POLL_S)
            self._poll()
            return None
        path = self._ready.popleft()
        try:
            mark = _mark(path)
        except OSError:  # removed before it was read
            self._still.pop(path, None)
            return None
        return self._decoded(path, mark)

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """Do nothing, because the microscope's own software controls the camera."""
        return {}

    def stop(self) -> None:
        """Do nothing; there is nothing to release."""

    def _decoded(self, path: Path, mark: tuple[int, int]) -> Frame | Unreadable | None:
        from edge_all.cameras.decode import UndecodableError, decode_image_file

        got: Frame | Unreadable
        try:
            got = Frame(decode_image_file(path), 0, time.time(), in_utf8(path.name))
        except UndecodableError as error:
            since = self._broken_since.setdefault(path, time.monotonic())
            if time.monotonic() - since < _DAMAGED_WAIT_S:
                return None
            got = Unreadable(0, time.time(), in_utf8(path.name), str(error))
        self._broken_since.pop(path, None)
        self._still.pop(path, None)
        self._seen.add((path.name, *mark))
        return got

    def _poll(self) -> None:
        try:
            paths = [
                p
                for p in self._folder.iterdir()
                if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith((".", "~"))
            ]
        except OSError as error:
            raise CameraError(
                f"the folder {in_utf8(self._folder)} cannot be read ({error.strerror})",
                "check the path, its permissions, and that its disk or share is connected",
            ) from error
        for path in sorted(paths, key=natural_order):
            try:
                mark = _mark(path)
            except OSError:
                continue
            if (path.name, *mark) in self._seen or path in self._ready or not path.is_file():
                continue
            before = self._still.get(path)
            polls = before[2] + 1 if before is not None and before[:2] == mark else 0
            self._still[path] = (*mark, polls)
            if polls >= _STABLE_POLLS and mark[0] > 0:
                self._ready.append(path)


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def open_hot_folder(uri: str) -> Camera:
    """Create the supervised camera of a ``dir:`` URI. A loss of the folder does not repeat files."""
    seen: set[tuple[str, int, int]] = set()
    return SupervisedCamera(lambda _: HotFolder(uri, seen))
