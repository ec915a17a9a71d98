"""Survey of datasets: their contents, and whether an honest split is possible."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge_all_export.data.classes import SCORED
from edge_all_export.data.dataset import UNKNOWN_GROUP, DataSet, images_of
from edge_all_export.data.duplicates import Duplicates, find_duplicates

CLASSIFIED = SCORED


@dataclass
class SetSurvey:
    """Survey of one dataset. objects: cells by label. groups: label -> groups that contain it."""

    layout: str
    root: str
    images: int
    fields: int
    objects: dict[str, int]
    groups: dict[str, list[str]]
    copies: int
    corrupt: list[tuple[str, str]]
    missing: list[str]
    joined: list[str]
    note: str
    source: str = ""

    @property
    def one_group_only(self) -> list[str]:
        """Scored classes that no honest split can put on both sides."""
        return [k for k in CLASSIFIED if k in self.groups and len(self.groups[k]) < 2]


@dataclass
class Survey:
    """Survey of all datasets together; data: the same datasets with joined groups renamed."""

    sets: list[SetSurvey]
    duplicates: Duplicates
    data: list[DataSet] = field(default_factory=list)


def survey(data: Sequence[DataSet], advance: Callable[[], None] = lambda: None) -> Survey:
    """Decode each image once to find corrupt files, exact duplicates, and groups that share an image."""
    images = images_of(data)
    duplicates = find_duplicates(images, advance)
    corrupt = dict(duplicates.corrupt)
    copies = {p: same[0] for same in duplicates.copies for p in same[1:]}
    result, renamed = [], []
    for part in data:
        names = _own_names(part, duplicates.names)
        part = part.regrouped(names)
        renamed.append(part)
        objects: Counter[str] = Counter()
        groups: dict[str, set[str]] = defaultdict(set)
        paths = [i.path for i in part.items]
        for cell in part.cells:
            if cell.path not in corrupt:
                objects[cell.label] += 1
                groups[cell.label].add(cell.group)
        for f in part.fields:
            if f.path not in corrupt:
                for o in f.objects:
                    objects[o.kind] += 1
                    groups[o.kind].add(f.group)
        result.append(
            SetSurvey(
                part.layout,
                str(part.root),
                len(paths),
                len(part.fields),
                dict(sorted(objects.items())),
                {k: sorted(v) for k, v in sorted(groups.items())},
                sum(p in copies for p in paths),
                [(str(p), corrupt[p]) for p in paths if p in corrupt],
                list(part.missing),
                sorted(set(names.values())),
                part.note,
                next((i.source for i in part.items), ""),
            )
        )
    return Survey(result, duplicates, renamed)


def _own_names(part: DataSet, joint: dict[str, str]) -> dict[str, str]:
    """Return joint names of this dataset's groups, without the source prefix."""
    sources = {i.source for i in part.items}
    names = {}
    for old, new in joint.items():
        source, group = old.split("/", 1)
        if source in sources and group != UNKNOWN_GROUP:
            names[group] = "+".join(dict.fromkeys(p for m in _members(new, sources) for p in m.split("+")))
    return names


def _members(joint: str, sources: set[str]) -> list[str]:
    """Return the groups in a joint name; only groups of other sources keep their source prefix."""
    found, rest = [], joint
    parts = []
    for piece in rest.split("+"):
        if "/" in piece:
            parts.append(piece)
        elif parts:
            parts[-1] += "+" + piece
    for piece in parts:
        source, group = piece.split("/", 1)
        found.append(group if source in sources else piece)
    return found
