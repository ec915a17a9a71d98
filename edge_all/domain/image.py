"""The type of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    pass


Image = npt.NDArray[np.uint8]
"""RGB image, uint8, height x width x 3."""
