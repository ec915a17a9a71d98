"""Results that ``edge-all run`` would give for each smear and each field."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_all.cells.classifier import CellClassifier
from edge_all.cells.crops import Cropper
from edge_all.domain.statistics import result_words
from edge_all.domain.types import Frame
from edge_all.field.detector import LeukocyteDetector
from edge_all.inference.base import Engine
from edge_all.inference.loader import LoadedModel, load_file
from edge_all.modelstore.shipped import models_folder
from edge_all.profile import Profile
from edge_all.session.stages.analysis import Analysis, Models
from edge_all.session.tally import Tally
from edge_all_export.data.classes import BLAST
from edge_all_export.data.labeled_field import LabeledField


@dataclass(frozen=True)
class SmearResult:
    """Result of one smear. known_blasts: blasts labeled in the data, in the fields of this smear."""

    smear: str
    fields: int
    known_blasts: int
    counts: dict[str, int]
    """Count of each label under its name in records: blasts, normals ..."""
    result: str
    each: tuple[tuple[str, str], ...]
    """(field, result) of each field."""

    def to_row(self) -> dict[str, object]:
        """Return the values for JSON, with the counts among them."""
        return {
            "smear": self.smear,
            "fields": self.fields,
            "known_blasts": self.known_blasts,
            **self.counts,
            "result": self.result,
            "each": self.each,
        }


def smear_results(
    classifier: Engine,
    fields: Sequence[LabeledField],
    advance: Callable[[], None] = lambda: None,
    detector: Path | None = None,
) -> list[SmearResult]:
    """Return one result for each group of fields (series, source), with the result of each field in it.

    Uses the shipped detector, unless ``detector`` names a file, and the given classifier. Fields are independent, and
    the scale is measured as on the device.
    """
    finder = load_file(detector or models_folder() / "detector" / "float.onnx", "detector")
    models = Models(
        LeukocyteDetector(finder),
        Cropper(classifier.contract),
        CellClassifier(classifier),
        (LoadedModel(finder), LoadedModel(classifier)),
    )
    groups: dict[str, list[LabeledField]] = {}
    for field in fields:
        groups.setdefault(f"{field.source}/{field.group}", []).append(field)
    return [_smear(name, group, models, advance) for name, group in sorted(groups.items())]


def _smear(name: str, fields: Iterable[LabeledField], models: Models, advance: Callable[[], None]) -> SmearResult:
    analysis = Analysis(Profile(), models, None, independent_fields=True)
    smear, each, known, number = Tally(), [], 0, 0
    for index, field in enumerate(fields):
        known += sum(o.kind == BLAST for o in field.objects)
        try:
            image = field.read()
        except OSError as error:
            each.append((field.file, f"unreadable: {error}"))
            continue
        result = analysis.analyze(Frame(image, index, time.time(), field.file))
        own = Tally()
        own.add(result)
        smear.add(result)
        counts = own.counts()
        words = result_words(counts) if result.skip is None else f"not analyzed: {result.skip.reason}"
        each.append((field.file, words))
        number += 1
        advance()
    total = smear.counts()
    return SmearResult(name, number, known, total.named(), result_words(total), tuple(each))
