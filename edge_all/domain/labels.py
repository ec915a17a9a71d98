"""The one table of labels, and the table of kinds of a cell.

Everything that depends on a label reads it here: counts, record, differential, reports, pages, messages, metrics,
pictures and training data. To add a label, add a row to ``_LABELS`` and its words (groups ``label``, ``labels`` and
``meaning``) to the catalogs in ``edge_all/i18n/texts``. To add a kind, add a row to ``_KINDS`` and its words
(groups ``kind`` and ``kinds``). Nothing else enumerates labels or kinds. Code that is about one label by its nature,
such as the blast percentage, names it as ``Label.BLAST``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from edge_all.domain.shapes import SHAPES

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COLOR = re.compile(r"#[0-9a-f]{6}")
_LOINC = re.compile(r"\d{1,7}-\d")


class Counting(Enum):
    """How the cells of a label are counted."""

    LEUKOCYTE = "leukocyte"
    """Part of the leukocytes; its share has an interval."""
    APART = "apart"
    """In no percentage; shown as a number per 100 leukocytes."""
    NOT_COUNTED = "not counted"
    """Not a cell of interest: in no percentage, only shown."""


@dataclass(frozen=True)
class FhirCode:
    """Coding of a FHIR observation. Without a LOINC code, the observation carries only the text."""

    text: str
    loinc: str | None = None


@dataclass(frozen=True)
class LabelColors:
    """Colors of a label, as ``#rrggbb``, distinct with any color vision (Okabe and Ito)."""

    picture: str
    """Color in pictures: contact sheet, field, live picture."""
    ring: str
    """Color of the ring around a cell on a page, over the picture of its field."""
    light: str
    """Color on a light page."""
    dark: str
    """Color on a dark page."""


@dataclass(frozen=True)
class LabelInfo:
    """One row of the table of labels."""

    key: str
    """Value in records, messages and files. Its words are ``label.KEY``, ``labels.KEY`` and ``meaning.KEY``."""
    count_key: str
    """Name of its count in records, messages, metrics and reports: the plural."""
    counting: Counting
    colors: LabelColors
    shape: str
    """Name in SHAPES."""
    keyboard: str
    """Key on the keyboard that gives this verdict."""
    rank: int
    """Position where cells are shown by how much they deserve attention; 0 is the first."""
    fhir: FhirCode | None = None
    """Observation in a FHIR bundle; None if it has none."""
    training_class: str | None = None
    """Class of a training data set for cells with this verdict; None if there is nothing to learn from it."""
    is_finding: bool = False
    """A cell with this label needs a reviewer's attention: saved with its picture, and sent as a message."""
    by_model: bool = True
    """The model can give this label; otherwise only a reviewer can."""
    always_counted: bool = False
    """Its count is in every summary message. That of a label which was added later may be missing in older ones."""
    emphasized: bool = False
    """Its ring in pictures is double."""
    dashes: str | None = None
    """Dashes of its ring on a page, as in SVG's stroke-dasharray; None for a solid ring."""
    former_keys: tuple[str, ...] = ()
    """Keys of this label in records, sidecars and messages of older versions; see LabelTable.current."""

    def __post_init__(self) -> None:
        if not (_KEY.fullmatch(self.key) and _KEY.fullmatch(self.count_key)):
            raise ValueError(f"{self.key!r}, {self.count_key!r}: keys consist of a-z, 0-9 and _")
        if self.shape not in SHAPES:
            raise ValueError(f"{self.key}: unknown shape {self.shape!r}; use one of {', '.join(SHAPES)}")
        if not all(_COLOR.fullmatch(c) for c in (*vars(self.colors).values(),)):
            raise ValueError(f"{self.key}: colors have the form #rrggbb")
        _check_code(self.key, self.fhir)

    @property
    def label(self) -> Label:
        """The label."""
        return LABELS.label(self.key)

    @property
    def is_leukocyte(self) -> bool:
        """True if its cells are part of the leukocytes."""
        return self.counting is Counting.LEUKOCYTE

    @property
    def picture_bgr(self) -> tuple[int, int, int]:
        """Color in pictures: blue, green, red."""
        value = int(self.colors.picture[1:], 16)
        return value & 255, value >> 8 & 255, value >> 16


@dataclass(frozen=True)
class KindInfo:
    """One row of the table of kinds: what a cell with a certain label is in detail."""

    key: str
    """Value in records and files. Its words are ``kind.KEY`` and ``kinds.KEY``."""
    label: str
    """Key of the label whose cells can have this kind."""
    keyboard: str
    """Key on the keyboard that gives this verdict."""
    fhir: FhirCode | None = None
    names_a_kind: bool = True
    """False for the remaining kinds together, which only reviewers give and which are not a class in a data set."""
    comes_first: bool = False
    """Its cells are shown before those of other kinds with the same blast probability; see domain/reading_order.py."""

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"{self.key!r}: keys consist of a-z, 0-9 and _")
        _check_code(self.key, self.fhir)


def _check_code(key: str, code: FhirCode | None) -> None:
    if code is not None and code.loinc is not None and not _LOINC.fullmatch(code.loinc):
        raise ValueError(f"{key}: {code.loinc!r} is not a LOINC code")


class Label(str):
    """Key of a label. It is a plain text with the row of the table as ``info``; there is one object for each label."""

    BLAST: ClassVar[Label]
    NORMAL: ClassVar[Label]
    UNIDENTIFIED: ClassVar[Label]
    ERYTHROBLAST: ClassVar[Label]
    SMUDGE: ClassVar[Label]
    ARTIFACT: ClassVar[Label]
    info: LabelInfo

    def __new__(cls, key: str) -> Label:
        """Return the label with this key. Raises ValueError if it is not in the table."""
        return LABELS.label(key)

    def __reduce__(self) -> tuple[Any, ...]:
        return Label, (str(self),)

    def __deepcopy__(self, _: object) -> Label:
        return self


class LabelTable:
    """The rows of the table in their order, and the selections of them that the program needs."""

    def __init__(self, rows: Iterable[LabelInfo]) -> None:
        self._fill(tuple(rows))

    def _fill(self, rows: tuple[LabelInfo, ...]) -> None:
        for what in ("key", "count_key", "keyboard", "shape", "rank"):
            if len({getattr(row, what) for row in rows}) != len(rows):
                raise ValueError(f"two labels have the same {what}")
        self.all = rows
        """All labels, in the order of counts, messages and reports."""
        self.by_model = tuple(r for r in rows if r.by_model)
        """The labels that a model gives, which are those of the rows of cells in a record."""
        self.leukocytes = tuple(r for r in rows if r.is_leukocyte)
        self.counted_apart = tuple(r for r in rows if r.counting is Counting.APART)
        self.not_counted = tuple(r for r in rows if r.counting is Counting.NOT_COUNTED)
        self.by_rank = tuple(sorted(rows, key=lambda r: r.rank))
        """All labels, the one that deserves most attention first: the order of galleries and tables on pages."""
        self.findings = tuple(r for r in self.by_rank if r.is_finding)
        """The labels of findings, the most suspicious first."""
        self._current = {former: row.key for row in rows for former in row.former_keys}
        if reused := self._current.keys() & {row.key for row in rows}:
            raise ValueError(f"former keys of labels must not be keys of others: {', '.join(sorted(reused))}")
        self._labels: dict[str, Label] = {}
        for row in rows:
            label = str.__new__(Label, row.key)
            label.info = row
            self._labels[row.key] = label

    def __iter__(self) -> Iterator[LabelInfo]:
        return iter(self.all)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._labels

    def __getitem__(self, key: str) -> LabelInfo:
        return self._labels[key].info

    def label(self, key: str) -> Label:
        """Return the label with this key. Raises ValueError if there is none."""
        try:
            return self._labels[key]
        except KeyError:
            raise ValueError(f"unknown label {key!r}; use one of {', '.join(self._labels)}") from None

    def current(self, key: str) -> str:
        """Return today's key of a label that an older version may have written; any other text is unchanged."""
        return self._current.get(key, key)

    def is_finding(self, key: object) -> bool:
        """Return True if this key is the label of a finding."""
        return isinstance(key, str) and key in self._labels and self._labels[key].info.is_finding

    @contextmanager
    def extended(self, *rows: LabelInfo) -> Iterator[None]:
        """Add rows within a with block, so that a test can see a new label in the whole program."""
        before, labels = self.all, self._labels
        self._fill((*before, *rows))
        self._labels = {**self._labels, **labels}  # the objects of the labels that were there stay the same
        try:
            yield
        finally:
            self._fill(before)
            self._labels = labels


_LABELS = (
    LabelInfo(
        key="blast",
        count_key="blasts",
        counting=Counting.LEUKOCYTE,
        colors=LabelColors(picture="#d53c00", ring="#d55e00", light="#c94f00", dark="#ff8a45"),
        shape="triangle",
        keyboard="b",
        rank=0,
        always_counted=True,
        fhir=FhirCode("Blasts/100 leukocytes in Blood", "26446-5"),
        training_class="blast",
        is_finding=True,
        emphasized=True,
    ),
    LabelInfo(
        key="normal",
        count_key="normals",
        counting=Counting.LEUKOCYTE,
        colors=LabelColors(picture="#009e73", ring="#009e73", light="#00845f", dark="#3cc79b"),
        shape="disk",
        keyboard="n",
        rank=2,
        always_counted=True,
        fhir=FhirCode("normal leukocytes per 100 leukocytes"),
        training_class="normal",
    ),
    LabelInfo(
        key="unidentified",
        count_key="unidentified",
        counting=Counting.LEUKOCYTE,
        colors=LabelColors(picture="#e69f00", ring="#e69f00", light="#b87a00", dark="#f5b83d"),
        shape="diamond",
        keyboard="u",
        rank=1,
        always_counted=True,
        fhir=FhirCode("unidentified leukocytes per 100 leukocytes"),
        is_finding=True,
    ),
    LabelInfo(
        key="erythroblast",
        count_key="erythroblasts",
        counting=Counting.APART,
        colors=LabelColors(picture="#cc79a7", ring="#cc79a7", light="#a8508a", dark="#e3a3c6"),
        shape="hexagon",
        keyboard="e",
        rank=3,
        fhir=FhirCode("Nucleated erythrocytes/100 leukocytes in Blood", "19048-8"),
        training_class="erythroblast",
        dashes="14 4 3 4",
    ),
    LabelInfo(
        key="smudge",
        count_key="smudges",
        counting=Counting.APART,
        colors=LabelColors(picture="#969696", ring="#7b8494", light="#7b8494", dark="#9aa4b5"),
        shape="cross",
        keyboard="s",
        rank=4,
        always_counted=True,
        fhir=FhirCode("Smudge cells/100 leukocytes in Blood", "34992-8"),
        training_class="smudge",
        dashes="10 6",
    ),
    LabelInfo(
        key="artifact",
        count_key="artifacts",
        counting=Counting.NOT_COUNTED,
        colors=LabelColors(picture="#3c4454", ring="#3c4454", light="#3c4454", dark="#c3cbd8"),
        shape="barred circle",
        keyboard="x",
        rank=5,
        training_class="debris",
        dashes="3 6",
        former_keys=("not_a_cell",),
    ),
)

LABELS = LabelTable(_LABELS)
Label.BLAST, Label.NORMAL = LABELS.label("blast"), LABELS.label("normal")
Label.UNIDENTIFIED, Label.ERYTHROBLAST = LABELS.label("unidentified"), LABELS.label("erythroblast")
Label.SMUDGE, Label.ARTIFACT = LABELS.label("smudge"), LABELS.label("artifact")


class KindTable:
    """The kinds in their order."""

    def __init__(self, rows: Iterable[KindInfo]) -> None:
        self._fill(tuple(rows))

    def _fill(self, rows: tuple[KindInfo, ...]) -> None:
        for what in ("key", "keyboard"):
            if len({getattr(row, what) for row in rows}) != len(rows):
                raise ValueError(f"two kinds have the same {what}")
        self.all = rows
        self.by_model = tuple(r for r in rows if r.names_a_kind)
        """The kinds that a model gives."""
        self._by_key = {row.key: row for row in rows}

    def __iter__(self) -> Iterator[KindInfo]:
        return iter(self.all)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._by_key

    def __getitem__(self, key: str) -> KindInfo:
        return self._by_key[key]

    def of(self, label: str) -> tuple[KindInfo, ...]:
        """Return the kinds that cells of a label can have."""
        return tuple(row for row in self.all if row.label == label)

    @property
    def labels(self) -> tuple[str, ...]:
        """Keys of the labels that have kinds."""
        return tuple(dict.fromkeys(row.label for row in self.all))

    @contextmanager
    def extended(self, *rows: KindInfo) -> Iterator[None]:
        """Add rows within a with block, so that a test can see a new kind in the whole program."""
        before = self.all
        self._fill((*before, *rows))
        try:
            yield
        finally:
            self._fill(before)


_KINDS = (
    KindInfo("neutrophil", "normal", "1", FhirCode("Neutrophils/100 leukocytes in Blood", "26511-6")),
    KindInfo("lymphocyte", "normal", "2", FhirCode("Lymphocytes/100 leukocytes in Blood", "26478-8")),
    KindInfo("monocyte", "normal", "3", FhirCode("Monocytes/100 leukocytes in Blood", "26485-3")),
    KindInfo("eosinophil", "normal", "4", FhirCode("Eosinophils/100 leukocytes in Blood", "26450-7")),
    KindInfo("basophil", "normal", "5", FhirCode("Basophils/100 leukocytes in Blood", "30180-4")),
    KindInfo(
        "immature_granulocyte",
        "normal",
        "7",  # 6 was the key of the last row before this one was added, and reviewers know it
        FhirCode("Immature granulocytes/100 leukocytes in Blood", "38518-7"),
        comes_first=True,
    ),
    KindInfo("other", "normal", "6", names_a_kind=False),
)

KINDS = KindTable(_KINDS)

MODEL_KINDS = (
    "blast",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "eosinophil",
    "basophil",
    "immature_granulocyte",
    "erythroblast",
    "smudge",
    "artifact",
)
"""Classes of a classifier of kinds, in the order of recorded probabilities: kinds, and labels without kinds."""
