"""Makes images smaller by a whole number: averages of whole blocks."""

from __future__ import annotations

import cv2
import numpy as np

from edge_all.vocabulary import Image


def shrunk(image: Image, block: int) -> Image:
    """The average of every whole block x block pixels, uint8; pixels left over at the right and the bottom are left
    out. At least one pixel large.

    Averages of 2x2 take a twentieth of the time of any others: an even ``block`` begins with these. No pixel differs by
    more than 1 from the average in one step.
    """
    width, height = max(1, image.shape[1] // block), max(1, image.shape[0] // block)
    image = image[: height * block, : width * block]
    for step in (2, block // 2) if block % 2 == 0 else (block,):
        if step > 1:
            block //= step
            size = (width * block, height * block)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image
