"""Fields on disk, read one at a time like frames from a camera driver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from edge_all.domain.image import Image


class StoredFields(Sequence[Image]):
    """Sequence that reads a field on each access, so that a measuring process uses no more memory than the product."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob("*.npy"))

    @classmethod
    def of(cls, fields: Sequence[Image], folder: Path) -> StoredFields:
        """Write fields (RGB uint8) to a folder."""
        for index, image in enumerate(fields):
            np.save(folder / f"{index:04d}.npy", image)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [np.load(file) for file in self._files[index]]
        image: Image = np.load(self._files[index])
        return image
