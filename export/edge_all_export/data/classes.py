"""Classes of training cells that are labels of the device, from its table of labels.

Other classes, such as platelets, exist only in data sets; OUTLIERS in cells.py names them.
"""

from __future__ import annotations

from edge_all.domain.labels import LABELS, Label

BLAST = str(Label.BLAST.info.training_class)
NORMAL = str(Label.NORMAL.info.training_class)
SMUDGE = str(Label.SMUDGE.info.training_class)

SCORED = (BLAST, NORMAL)
"""Classes of which a figure about blasts is made."""


def device_classes() -> dict[str, str]:
    """Return the class of each label that has one, by the key of the label."""
    return {row.key: row.training_class for row in LABELS if row.training_class is not None}
