"""Analysis of one frame: gate, detector, tracker and classifier."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_all.calibration.model import Calibration
from edge_all.cells.classifier import CellClassifier
from edge_all.cells.crops import Cropper
from edge_all.cells.tracking.tracker import TrackedDetection, Tracker
from edge_all.cells.tracking.view_fusion import SharpViews
from edge_all.domain.picture_limits import NOT_LABELED, PictureLimits
from edge_all.domain.types import (
    Cell,
    Classification,
    Detection,
    Field,
    Frame,
    ModelIdentity,
    Reclassified,
    Thresholds,
)
from edge_all.errors import ModelError
from edge_all.field.detector import LeukocyteDetector
from edge_all.field.gate import Gate, Skip
from edge_all.inference.loader import EngineOptions, LoadedModel, engines_in_words, load_engine
from edge_all.modelstore.installed import fall_back, models_in_use
from edge_all.profile import Profile
from edge_all.record.sessions.tracker_state import TrackerState
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.metrics.step_times import OFF, StepTimes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Models:
    """The two loaded networks: detector and classifier."""

    finder: LeukocyteDetector
    cropper: Cropper
    classifier: CellClassifier
    loaded: tuple[LoadedModel, ...]

    @property
    def thresholds(self) -> Thresholds:
        """Thresholds of the classifier."""
        return self.classifier.thresholds

    @property
    def limits(self) -> PictureLimits:
        """Limits of the pictures in which the networks work."""
        detector, classifier = (one.engine.contract for one in self.loaded)
        return PictureLimits(classifier.coarsest_um_per_px, classifier.least_sharpness, detector.coarsest_um_per_px)

    @property
    def identities(self) -> tuple[ModelIdentity, ...]:
        """Identities of the model files now in use."""
        return tuple(one.engine.identity for one in self.loaded)

    @property
    def engines_in_words(self) -> str:
        """The engines in use, and why a faster one is not used."""
        return engines_in_words(self.loaded)

    def close(self) -> None:
        """Close both engines."""
        for one in self.loaded:
            one.engine.close()


def load_models(
    folder: Path,
    profile: Profile,
    blast_threshold: float | None = None,
    *,
    wait_for_engine: bool = False,
) -> Models:
    """Load and self-check both models of a folder on the best available engines.

    Args:
        folder: Folder that holds the `detector` and `classifier` models.
        profile: Device settings: engine, precision, threads and batch size.
        blast_threshold: Blast probability threshold, or None for the model's own.
        wait_for_engine: Build the TensorRT engine before returning, not in the background during the first frames.

    Raises:
        ModelError: when a model cannot be loaded or fails its self-check.
        EngineUnavailableError: when the requested engine is not available.
        UsageError: when the options are not valid.
    """
    wanted = EngineOptions(
        profile.engine,
        profile.precision,
        profile.threads,
        profile.max_batch,
        profile.build_memory_mib or None,
        wait_for_engine,
    )
    detector = load_engine(folder / "detector", "detector", wanted)
    try:
        classifier = load_engine(folder / "classifier", "classifier", wanted)
    except BaseException:
        detector.engine.close()
        raise
    try:
        cell_classifier = CellClassifier(classifier.engine, blast_threshold, profile.max_batch)
    except BaseException:
        detector.engine.close()
        classifier.engine.close()
        raise
    cropper = Cropper(classifier.engine.contract)
    return Models(LeukocyteDetector(detector.engine), cropper, cell_classifier, (detector, classifier))


def load_models_in_use(
    named: Path | None,
    profile: Profile,
    blast_threshold: float | None = None,
    *,
    wait_for_engine: bool = False,
) -> Models:
    """Load a named model set, or the set in use, as load_models does.

    If the set in use cannot be loaded, switch to the previous one and log a warning.

    Args:
        named: Folder of the model set, or None for the set in use.
        profile: See load_models.
        blast_threshold: See load_models.
        wait_for_engine: See load_models.

    Raises:
        ModelError: when no model set can be loaded.
        EngineUnavailableError: when the requested engine is not available.
        UsageError: when the options are not valid.
    """
    folder = named or models_in_use()
    while True:
        try:
            return load_models(folder, profile, blast_threshold, wait_for_engine=wait_for_engine)
        except ModelError as error:
            before = fall_back(folder) if named is None else None
            if before is None:
                raise
            _log.warning("the models %s cannot be used (%s); switched to %s", folder.name, error, before.name)
            folder = before


class Analysis:
    """Frame analysis of one session. Frames must be passed in camera order."""

    def __init__(
        self,
        profile: Profile,
        models: Models,
        um_per_px: float | None,
        independent_fields: bool,
        times: StepTimes = OFF,
        keep_all_crops: bool = False,
        last_number: int = 0,
        smear: TrackerState | None = None,
    ) -> None:
        """Create the steps of the analysis.

        Args:
            profile: Device settings.
            models: The two loaded networks.
            um_per_px: Image scale in micrometers per pixel, or None if unknown.
            independent_fields: True if each frame is an independent field, which turns tracking off.
            times: Timer of the steps.
            keep_all_crops: Save crops of all cells, not only of findings.
            last_number: Last cell number of a resumed session; numbering continues after it.
            smear: Tracker state of a resumed session; its cells count as known.
        """
        self._models = models
        self._limits = models.limits
        self._times = times
        self._keep_all_crops = keep_all_crops
        self._independent = independent_fields
        self._gate = Gate(profile.gate, um_per_px, independent_fields)
        self._tracker = Tracker(independent_fields, last_number)
        self._views = SharpViews()
        if smear is not None and not independent_fields:
            self._gate.restore(smear.fields, smear.regions, smear.um_per_px)
            self._tracker.restore(smear.cells)
            self._views.restore(smear.cells)

    def use(self, calibration: Calibration) -> None:
        """Apply the bench's calibration. Call this before the first frame."""
        self._gate.use(calibration)
        self._models.classifier.use(calibration.cells)

    def analyze(self, frame: Frame) -> FieldResult:
        """Run all steps on one frame."""
        located = self.locate(frame)
        return located if isinstance(located, FieldResult) else self.classify(located)

    def locate(self, frame: Frame) -> Located | FieldResult:
        """Run the first half: gate, detection and tracking.

        Call it in frame order, from one thread. Returns the final result if the frame is skipped.
        """
        step = self._times.step
        with step("gate"):
            checked = self._gate.check(frame)
        if isinstance(checked, Skip):
            return FieldResult(frame, skip=checked)
        with step("detect"):
            detections = self._models.finder.find(checked)
        with step("track"):
            checked = self._placed(checked, detections)
            tracked_detections = self._tracker.track(checked, detections)
            left = () if self._independent else tuple(self._tracker.left(checked))
        stage_field = None if self._independent else self._gate.newest
        outside = tuple(self._limits.outside(checked.um_per_px, checked.quality.sharpness))
        if outside:
            reasons = (*checked.quality.reasons, *(one.reason for one in outside))
            checked = replace(checked, quality=replace(checked.quality, reasons=reasons))
        return Located(checked, tuple(tracked_detections), left, stage_field, outside)

    def classify(self, located: Located) -> FieldResult:
        """Run the second half: crops, classification and counting.

        Call it in field order, from one thread. Another thread may locate the next frame at the same time.
        """
        models, step, field, tracked_detections = (
            self._models,
            self._times.step,
            located.field,
            located.tracked_detections,
        )
        # A model that gives kinds decides on smudges itself; for the other form, the detector's decision counts.
        also_smudges = models.classifier.gives_kinds
        to_classify = [s for s in tracked_detections if s.classified and (also_smudges or not s.detection.smudge)]
        with step("crop"):
            crops = [models.cropper.crop(field, s.detection) for s in to_classify]
        reason = next((one.reason for one in located.outside_limits if one.reason in NOT_LABELED), "")
        with step("classify"):
            classified, features = models.classifier.classify_with_features(crops, reason)
        with step("count"):
            numbers = [s.number for s in to_classify]
            cells, reclassified = self._combined(
                field,
                tracked_detections,
                dict(zip(numbers, classified, strict=True)),
                dict(zip(numbers, features, strict=True)),
            )
            pictured = frozenset(c.number for c in cells if self._keep_all_crops or c.is_finding)
            updated = {c.number for c in cells} | {r.number for r in reclassified}
            return FieldResult(
                field.frame,
                field,
                cells=tuple(cells),
                reclassified=tuple(reclassified),
                pictured=pictured,
                views={s.number: s.views for s in tracked_detections if s.number not in updated},
                left=located.left,
                tracked_detections=tracked_detections,
                stage_field=located.stage_field,
                outside_limits=located.outside_limits,
            )

    def _placed(self, field: Field, detections: Sequence[Detection]) -> Field:
        """Return the field at its position on the smear.

        If the stage position was lost and cells seem new, search for known cells in the same arrangement.
        """
        if self._independent or self._gate.regions < 2 or not self._tracker.unknown(field, detections):
            return field
        found = self._gate.recognize(field, self._tracker.perhaps_at(field, detections))
        if found is None:
            return field
        away = (found.place_um[0] - field.place_um[0], found.place_um[1] - field.place_um[1])
        self._tracker.join(field.region, found.region, *away)
        return found

    def _combined(
        self,
        field: Field,
        tracked_detections: Sequence[TrackedDetection],
        classifications: Mapping[int, Classification],
        features: Mapping[int, bytes | None],
    ) -> tuple[list[Cell], list[Reclassified]]:
        """Return updated cells: full rows where this view is their best, and only the classification otherwise."""
        cells, reclassified = [], []
        for s in tracked_detections:
            one = classifications.get(s.number)
            if one is None:
                # A classified cell stays a cell, even if one view looks like a smudge, so that none is missed.
                if s.sharper and s.number not in self._views:
                    cells.append(self._cell(field, s, None, None))
                continue
            if self._independent:
                cells.append(self._cell(field, s, one, features[s.number]))
                continue
            before = self._views.newest(s.number)
            now = self._views.add(s.number, field.quality.sharpness, s.whole, one)
            # A finding needs a crop. Use this view's crop if the cell was not a finding before.
            if s.sharper or before is None or (_is_finding(now) and not _is_finding(before)):
                cells.append(self._cell(field, s, now, features[s.number]))
            else:
                reclassified.append(Reclassified(s.number, now, s.views))
        return cells, reclassified

    def _cell(
        self,
        field: Field,
        tracked: TrackedDetection,
        classification: Classification | None,
        features: bytes | None,
    ) -> Cell:
        d = tracked.detection
        x, y = field.place_um
        return Cell(
            number=tracked.number,
            frame_index=field.frame.index,
            frame_source=field.frame.source,
            detection=d,
            um_per_px=field.um_per_px,
            classification=classification,
            views=tracked.views,
            sharpness=field.quality.sharpness,
            final=self._independent,
            place_um=(x + d.x_px * field.um_per_px, y + d.y_px * field.um_per_px),
            region=field.region,
            features=features,
        )


def _is_finding(classification: Classification) -> bool:
    return classification.label.info.is_finding and not classification.reason
