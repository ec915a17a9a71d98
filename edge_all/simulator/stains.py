"""Wright-Giemsa stain as the optical density of each dye for red, green and blue light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Natural logarithms per channel, measured in published smears after removing the illumination.
HEMOGLOBIN = (0.14, 0.38, 0.40)
"""Erythrocytes under a halogen lamp."""
HEMOGLOBIN_LED = (0.28, 0.46, 0.26)
"""Erythrocytes under a white LED, in slide scanners for instance."""
AZURE = (0.78, 1.38, 0.34)
"""Chromatin."""
BLUE = (0.62, 0.46, 0.10)
"""Basophilic cytoplasm."""
PINK = (0.06, 0.24, 0.10)
"""Neutrophil cytoplasm."""
EOSIN = (0.07, 0.62, 0.50)
"""Eosinophil granules."""
MAGENTA = (0.26, 0.78, 0.16)
"""Burst nuclei, platelets."""


@dataclass(frozen=True)
class Stain:
    """Strength and hue of the dyes of one smear, including the colors of its camera."""

    strength: float
    """Factor of the density of all dyes."""
    tilt: FloatArray
    """Factor of the density of each channel, float32 of shape (3,)."""
    hemoglobin: tuple[float, float, float] = HEMOGLOBIN
    """Dye of the erythrocytes, which depends on the lamp."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Stain:
        """Draw a random stain that varies as between laboratories: strength 0.75 to 1.3, channels by 12 %."""
        strength, tilt, led = float(rng.uniform(0.75, 1.3)), rng.uniform(0.88, 1.12, 3).astype(np.float32), rng.random()
        red, green, blue = (a + led * (b - a) for a, b in zip(HEMOGLOBIN, HEMOGLOBIN_LED, strict=True))
        return cls(strength, tilt, (float(red), float(green), float(blue)))

    def density(self, dye: tuple[float, float, float]) -> FloatArray:
        """Return the optical density of a dye at unit concentration on this smear, float32 of shape (3,)."""
        return np.asarray(np.array(dye, np.float32) * self.strength * self.tilt)
