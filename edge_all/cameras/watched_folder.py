"""``dir:FOLDER``: images that a microscope's own software saves while the session runs."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from edge_all.cameras.camera import Settings
from edge_all.cameras.files import natural_order
from edge_all.cameras.opening import IMAGE_SUFFIXES
from edge_all.errors import CameraError
from edge_all.file_name import in_utf8
from edge_all.vocabulary import Frame, Unreadable

_LOOKS_EVERY_S = 0.25
_STILL_LOOKS = 2
"""A file is read once so many looks found its size and time unchanged: a program that saves pauses for less."""
_BROKEN_WAIT_S = 2.0
"""One that cannot be decoded then may still be written, with a pause: it gets this long."""


class WatchedFolder:
    """Each image once, in the order of their names within a look; those that were there before too.

    The folder is looked at, not listened to: network shares and memory cards send no events.
    """

    live = False
    independent_fields = True
    physical = False
    silent = True
    settles_s = 0.0

    def __init__(self, uri: str, seen: set[tuple[str, int, int]]) -> None:
        """seen: name, size and time of what was read before; kept over a loss of the folder."""
        self.uri = in_utf8(uri)
        self.identity: str | None = None
        self._folder = Path(uri.partition(":")[2]).expanduser()
        self._seen = seen
        self._still: dict[Path, tuple[int, int, int]] = {}
        self._broken_since: dict[Path, float] = {}
        self._ready: deque[Path] = deque()

    def start(self) -> None:
        """Raises CameraError when there is no such folder."""
        self._look()

    def read(self) -> Frame | Unreadable | None:
        """The next finished image; None when there is none yet. Raises CameraError when the folder is gone."""
        if not self._ready:
            time.sleep(_LOOKS_EVERY_S)
            self._look()
            return None
        path = self._ready.popleft()
        try:
            mark = _mark(path)
        except OSError:  # taken away again before it was read
            self._still.pop(path, None)
            return None
        return self._decoded(path, mark)

    def lock(self, earlier: Settings | None) -> Settings:  # noqa: ARG002
        """The microscope's own software holds the camera."""
        return {}

    def stop(self) -> None:
        """Nothing to release."""

    def _decoded(self, path: Path, mark: tuple[int, int]) -> Frame | Unreadable | None:
        from edge_all.cameras.image_decoding import UndecodableError, decode_image_file

        got: Frame | Unreadable
        try:
            got = Frame(decode_image_file(path), 0, time.time(), in_utf8(path.name))
        except UndecodableError as error:
            since = self._broken_since.setdefault(path, time.monotonic())
            if time.monotonic() - since < _BROKEN_WAIT_S:
                return None
            got = Unreadable(0, time.time(), in_utf8(path.name), str(error))
        self._broken_since.pop(path, None)
        self._still.pop(path, None)
        self._seen.add((path.name, *mark))
        return got

    def _look(self) -> None:
        try:
            paths = [
                p
                for p in self._folder.iterdir()
                if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith((".", "~"))
            ]
        except OSError as error:
            raise CameraError(
                f"the folder {in_utf8(self._folder)} cannot be read ({error.strerror})",
                "check the path, its rights, and that its disk or share is there",
            ) from error
        for path in sorted(paths, key=natural_order):
            try:
                mark = _mark(path)
            except OSError:
                continue
            if (path.name, *mark) in self._seen or path in self._ready or not path.is_file():
                continue
            before = self._still.get(path)
            looks = before[2] + 1 if before is not None and before[:2] == mark else 0
            self._still[path] = (*mark, looks)
            if looks >= _STILL_LOOKS and mark[0] > 0:
                self._ready.append(path)


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
