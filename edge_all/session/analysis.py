"""One frame through gate, finder, tracker and judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_all.calibration.calibration import Calibration
from edge_all.cells.crops import Cropper
from edge_all.cells.judging import Judge
from edge_all.cells.sharp_views import SharpViews
from edge_all.cells.tracking import Sighting, Tracker
from edge_all.engines.installed import fall_back, models_in_use
from edge_all.engines.loading import Loaded, Wanted, engines_in_words, load_engine
from edge_all.errors import ModelError
from edge_all.field.gate import Gate, Skip
from edge_all.field.leukocytes import LeukocyteFinder
from edge_all.field.stage import KnownField
from edge_all.profile import Profile
from edge_all.record.known_smear import KnownSmear
from edge_all.session.step_times import OFF, StepTimes
from edge_all.vocabulary import (
    Cell,
    Detection,
    Field,
    Frame,
    Judgement,
    Label,
    ModelIdentity,
    Rejudged,
    Thresholds,
)


@dataclass(frozen=True, eq=False)
class FieldResult:
    """What one frame gave. Exactly one of field and skip is there."""

    frame: Frame
    field: Field | None = None
    skip: Skip | None = None
    cells: tuple[Cell, ...] = ()
    """New cells, and known ones that got a better view."""
    pictured: frozenset[int] = frozenset()
    """Numbers of those whose picture is to be kept: the findings, or all where so asked."""
    rejudged: tuple[Rejudged, ...] = ()
    """Known cells that one more view, no better, gave another judgement."""
    views: Mapping[int, int] | None = None
    """Views of known cells that were seen again, no better."""
    left: tuple[int, ...] = ()
    """Cells that left the view."""
    sightings: tuple[Sighting, ...] = ()
    """All that the field shows."""
    known_field: KnownField | None = None
    """By which the stage knows it again."""


@dataclass(frozen=True, eq=False)
class Located:
    """A field half-way: its cells are found and told apart, not judged."""

    field: Field
    sightings: tuple[Sighting, ...]
    left: tuple[int, ...]
    known_field: KnownField | None


@dataclass(frozen=True, eq=False)
class Models:
    """Both networks, loaded."""

    finder: LeukocyteFinder
    cropper: Cropper
    judge: Judge
    loaded: tuple[Loaded, ...]

    @property
    def thresholds(self) -> Thresholds:
        return self.judge.thresholds

    @property
    def identities(self) -> tuple[ModelIdentity, ...]:
        """Of the files in use now."""
        return tuple(one.engine.identity for one in self.loaded)

    @property
    def engines_in_words(self) -> str:
        """What runs, and why not something better."""
        return engines_in_words(self.loaded)

    def close(self) -> None:
        """Give the engines back."""
        for one in self.loaded:
            one.engine.close()


def load_models(
    folder: Path,
    profile: Profile,
    blast_threshold: float | None = None,
    *,
    wait_for_engine: bool = False,
    say: Callable[[str], None] | None = None,
) -> Models:
    """Both models of a folder on the best engines there are, self-checked. wait_for_engine: build TensorRT's engine
    first, not beside the first frames. say: told of every change of engine, from any thread. Raises ModelError,
    EngineUnavailableError, UsageError."""
    wanted = Wanted(
        profile.engine,
        profile.precision,
        profile.threads,
        profile.max_batch,
        profile.build_memory_mib or None,
        wait_for_engine,
        say or (lambda _: None),
    )
    detector = load_engine(folder / "detector", "detector", wanted)
    try:
        classifier = load_engine(folder / "classifier", "classifier", wanted)
    except BaseException:
        detector.engine.close()
        raise
    try:
        judge = Judge(classifier.engine, blast_threshold, profile.max_batch)
    except BaseException:
        detector.engine.close()
        classifier.engine.close()
        raise
    cropper = Cropper(classifier.engine.contract)
    return Models(LeukocyteFinder(detector.engine), cropper, judge, (detector, classifier))


def load_models_in_use(
    named: Path | None,
    profile: Profile,
    blast_threshold: float | None = None,
    *,
    wait_for_engine: bool = False,
    say: Callable[[str], None] | None = None,
) -> Models:
    """As load_models. named: None for the set in use; where that cannot be loaded the one before it is used from now
    on, and it is said. Raises as load_models does."""
    folder = named or models_in_use()
    while True:
        try:
            return load_models(folder, profile, blast_threshold, wait_for_engine=wait_for_engine, say=say)
        except ModelError as error:
            before = fall_back(folder) if named is None else None
            if before is None:
                raise
            if say is not None:
                say(f"the models {folder.name} cannot be used ({error}): from now on {before.name} are")
            folder = before


class Analysis:
    """Made once for a session; frames must come in the camera's order."""

    def __init__(
        self,
        profile: Profile,
        models: Models,
        um_per_px: float | None,
        independent_fields: bool,
        times: StepTimes = OFF,
        keep_all_crops: bool = False,
        last_number: int = 0,
        smear: KnownSmear | None = None,
    ) -> None:
        """keep_all_crops: pictures of every cell, not of findings only. last_number, smear: of a session that goes
        on; its cells are counted from after the one, and those that the other tells of are known."""
        self._models = models
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
        """The bench's calibration, before the first frame."""
        self._gate.use(calibration)

    def analyse(self, frame: Frame) -> FieldResult:
        """The whole way of one frame."""
        located = self.locate(frame)
        return located if isinstance(located, FieldResult) else self.judge(located)

    def locate(self, frame: Frame) -> Located | FieldResult:
        """The first half: what the frame shows and where; all of a frame that is skipped. Frames come in their order,
        from one thread."""
        step = self._times.step
        with step("gate"):
            checked = self._gate.check(frame)
        if isinstance(checked, Skip):
            return FieldResult(frame, skip=checked)
        with step("detect"):
            detections = self._models.finder.find(checked)
        with step("track"):
            checked = self._placed(checked, detections)
            sightings = self._tracker.track(checked, detections)
            left = () if self._independent else tuple(self._tracker.left(checked))
        known_field = None if self._independent else self._gate.newest
        return Located(checked, tuple(sightings), left, known_field)

    def judge(self, located: Located) -> FieldResult:
        """The second half. Fields come in their order, from one thread; another one may locate the next meanwhile."""
        models, step, field, sightings = self._models, self._times.step, located.field, located.sightings
        to_judge = [s for s in sightings if s.judged and not s.detection.smudge]
        with step("crop"):
            crops = [models.cropper.crop(field, s.detection) for s in to_judge]
        with step("classify"):
            judged = models.judge.judge(crops)
        with step("count"):
            cells, rejudged = self._combined(
                field, sightings, dict(zip((s.number for s in to_judge), judged, strict=True))
            )
            pictured = frozenset(c.number for c in cells if self._keep_all_crops or c.is_finding)
            told = {c.number for c in cells} | {r.number for r in rejudged}
            return FieldResult(
                field.frame,
                field,
                cells=tuple(cells),
                rejudged=tuple(rejudged),
                pictured=pictured,
                views={s.number: s.views for s in sightings if s.number not in told},
                left=located.left,
                sightings=sightings,
                known_field=located.known_field,
            )

    def _placed(self, field: Field, detections: Sequence[Detection]) -> Field:
        """The field at its place on the smear; where the stage got lost and cells seem new, known ones are looked
        for that lie as they do."""
        if self._independent or self._gate.regions < 2 or not self._tracker.unknown(field, detections):
            return field
        found = self._gate.recognise(field, self._tracker.perhaps_at(field, detections))
        if found is None:
            return field
        away = (found.place_um[0] - field.place_um[0], found.place_um[1] - field.place_um[1])
        self._tracker.join(field.region, found.region, *away)
        return found

    def _combined(
        self, field: Field, sightings: Sequence[Sighting], judgements: Mapping[int, Judgement]
    ) -> tuple[list[Cell], list[Rejudged]]:
        """Cells as they stand with this view: whole rows where it is their best, else the judgement alone."""
        cells, rejudged = [], []
        for s in sightings:
            one = judgements.get(s.number)
            if one is None:
                # A cell that was judged stays one, though a view may look like a smudge: none is missed that way.
                if s.sharper and s.number not in self._views:
                    cells.append(self._cell(field, s, None))
                continue
            if self._independent:
                cells.append(self._cell(field, s, one))
                continue
            before = self._views.newest(s.number)
            now = self._views.add(s.number, field.quality.sharpness, s.whole, one)
            # A finding needs a picture: this view's, where the cell was none before.
            if s.sharper or before is None or (before.label is Label.NORMAL and now.label is not Label.NORMAL):
                cells.append(self._cell(field, s, now))
            else:
                rejudged.append(Rejudged(s.number, now, s.views))
        return cells, rejudged

    def _cell(self, field: Field, sighting: Sighting, judgement: Judgement | None) -> Cell:
        d = sighting.detection
        x, y = field.place_um
        return Cell(
            number=sighting.number,
            frame_index=field.frame.index,
            frame_source=field.frame.source,
            detection=d,
            um_per_px=field.um_per_px,
            judgement=judgement,
            views=sighting.views,
            sharpness=field.quality.sharpness,
            final=self._independent,
            place_um=(x + d.x_px * field.um_per_px, y + d.y_px * field.um_per_px),
            region=field.region,
        )
