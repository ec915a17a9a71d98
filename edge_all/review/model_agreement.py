"""Agreement of the model with the reviewers on each kind, and the confusion between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_all.domain.labels import KINDS, LABELS
from edge_all.record.events.verdicts import Verdict
from edge_all.review.agreement import cohens_kappa
from edge_all.review.differential import IN_DOUBT, Share, kind_of


@dataclass(frozen=True)
class KindAgreement:
    """Verdicts on the cells to which the model gave one kind or label."""

    key: str
    """The model's: key of a kind or of a label without kinds, or IN_DOUBT."""
    words: str
    """Name of its text in the catalog."""
    agreed: Share
    """Cells with the same kind or label, of those on which the verdict decides that. See ModelAgreement."""
    reviewed: Mapping[str, int]
    """Number of cells by the reviewers' kind or label, the most frequent first; IN_DOUBT for no kind of a label that
    has kinds."""


@dataclass(frozen=True)
class ModelAgreement:
    """Agreement of the model with the last verdict on each cell.

    A verdict that confirms the label and names no kind does not decide whether the kind is right, and neither does the
    kind of a verdict where the model left it in doubt. Such cells are in the confusion, but not in the shares. Only
    for the cells that the model left in doubt, the share is that of the labels. An unidentified cell that a reviewer
    identified counts as not agreed.
    """

    agreed: Share
    """Share of the cells with the same kind or label."""
    kappa: float | None
    """Result of cohens_kappa."""
    kinds: tuple[KindAgreement, ...]
    """Each kind and label of the model that has verdicts, in the order of a differential."""


def model_agreement(
    labels: Mapping[int, str], kinds: Mapping[int, str], verdicts: Mapping[int, Verdict]
) -> ModelAgreement | None:
    """Return the agreement of the model with the reviewers.

    Args:
        labels: The model's label by cell number.
        kinds: The model's kind by cell number, as in Classification.kind.
        verdicts: The verdict that counts, by cell number.

    Returns:
        The agreement; None if the model gave no kinds or no cell has a verdict.
    """
    if not any(kind_of(label, kinds.get(number, "")) for number, label in labels.items()):
        return None
    confusion: dict[str, Counter[str]] = {}
    same_label: Counter[str] = Counter()
    decided: list[tuple[str, str]] = []
    for number, verdict in sorted(verdicts.items()):
        label = labels.get(number)
        if label is None or verdict.label is None:
            continue
        pair = class_of(label, kinds.get(number, "")), class_of(verdict.label, verdict.kind or "")
        confusion.setdefault(pair[0], Counter())[pair[1]] += 1
        same_label[pair[0]] += verdict.label == label
        if IN_DOUBT not in pair or verdict.label != label:
            decided.append(pair)
    if not confusion:
        return None
    rows = []
    for key, words in _classes():
        if key in confusion:
            reviewed = confusion[key]
            own = [theirs for model, theirs in decided if model == key]
            agreed = Share(sum(theirs == key for theirs in own), len(own))
            if key == IN_DOUBT:
                agreed = Share(same_label[key], sum(reviewed.values()))
            rows.append(KindAgreement(key, words, agreed, dict(reviewed.most_common())))
    agreed = Share(sum(a == b for a, b in decided), len(decided))
    return ModelAgreement(agreed, cohens_kappa(decided), tuple(rows))


def class_of(label: str, kind: str) -> str:
    """Return the kind of a cell whose label has kinds, or IN_DOUBT if it is not known, or else the label."""
    return kind_of(label, kind) or (IN_DOUBT if label in KINDS.labels else label)


def words_of(key: str) -> str:
    """Return the name of the text, in the plural, of a result of class_of."""
    return dict(_classes())[key]


def _classes() -> Sequence[tuple[str, str]]:
    """Return the key and text of each class, in the order of a differential."""
    kinds = [(kind.key, f"kinds.{kind.key}") for kind in KINDS]
    labels = [(row.key, f"labels.{row.key}") for row in LABELS if row.key not in KINDS.labels]
    return (*kinds, (IN_DOUBT, f"kinds.{IN_DOUBT}"), *labels)
