"""Image file or folder of images as a camera. Each image is an independent field, and none is dropped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from edge_all.cameras.image_names import IMAGE_SUFFIXES, natural_order
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError
from edge_all.files.file_names import in_utf8


class ImageFiles:
    """Camera that reads image files in the given order."""

    live = False
    independent_fields = True

    def __init__(self, paths: Sequence[Path], uri: str) -> None:
        self.uri = in_utf8(uri)
        self._paths = list(paths)
        self.frame_count: int | None = len(self._paths)
        self._next = 0

    @classmethod
    def of_folder(cls, folder: Path, uri: str) -> ImageFiles:
        """Open the images directly in a folder, in natural order. Hidden files and other file types are ignored.

        Raises:
            CameraError: when the folder cannot be read or contains no image.
        """
        try:
            paths = [
                p
                for p in folder.iterdir()
                if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and not p.is_dir()
            ]
        except OSError as error:
            raise CameraError(
                f"the folder {in_utf8(folder)} cannot be read ({error.strerror})", "check the path and its permissions"
            ) from error
        if not paths:
            endings = " ".join(s[1:] for s in IMAGE_SUFFIXES)
            raise CameraError(
                f"the folder {in_utf8(folder)} contains no images",
                f"image names end in {endings}; subfolders are not searched",
            )
        return cls(sorted(paths, key=natural_order), uri)

    def start(self) -> None:
        """Start with the first file."""
        self._next = 0

    def read(self) -> Frame | Unreadable | None:
        """Return the next image, Unreadable with the reason if it cannot be decoded, or None at the end."""
        from edge_all.cameras.decode import UndecodableError, decode_image_file

        if self._next >= len(self._paths):
            return None
        index, path = self._next, self._paths[self._next]
        self._next += 1
        try:
            image = decode_image_file(path)
        except UndecodableError as error:
            return Unreadable(index, time.time(), in_utf8(path.name), str(error))
        return Frame(image, index, time.time(), in_utf8(path.name))

    def stop(self) -> None:
        """Do nothing; there is nothing to release."""

    def __enter__(self) -> ImageFiles:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
