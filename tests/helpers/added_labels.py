"""Labels that only tests know: one of each way of counting, with a kind and with their words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_all.domain.labels import KINDS, LABELS, Counting, FhirCode, KindInfo, LabelColors, LabelInfo
from edge_all.i18n.catalog import load_texts

MARTIAN = LabelInfo(
    key="martian",
    count_key="martians",
    counting=Counting.LEUKOCYTE,
    colors=LabelColors(picture="#12ab34", ring="#12ab35", light="#12ab36", dark="#12ab37"),
    shape="square",
    keyboard="m",
    rank=10,
    fhir=FhirCode("Martians/100 leukocytes in Blood", "12345-6"),
    training_class="martian_class",
    is_finding=True,
)
VENUSIAN = LabelInfo(
    key="venusian",
    count_key="venusians",
    counting=Counting.APART,
    colors=LabelColors(picture="#ab1234", ring="#ab1235", light="#ab1236", dark="#ab1237"),
    shape="pentagon",
    keyboard="v",
    rank=11,
    fhir=FhirCode("Venusians per 100 leukocytes"),
    training_class="venusian_class",
    dashes="1 2",
)
DUST = LabelInfo(
    key="stardust",
    count_key="stardust_specks",
    counting=Counting.NOT_COUNTED,
    colors=LabelColors(picture="#3412ab", ring="#3412ac", light="#3412ad", dark="#3412ae"),
    shape="down triangle",
    keyboard="d",
    rank=12,
)
TALL = KindInfo("tall_martian", "martian", "8")
ADDED = (MARTIAN, VENUSIAN, DUST)


@contextmanager
def added_labels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table with the labels above, and a catalog with their words: "Martian", "Martians" ..."""
    texts = load_texts()
    for row in ADDED:
        for group, words in (
            ("label", row.key.capitalize()),
            ("labels", row.count_key.capitalize()),
            ("meaning", f"comes from elsewhere: {row.key}"),
        ):
            monkeypatch.setitem(texts, f"{group}.{row.key}", words)
    monkeypatch.setitem(texts, f"kind.{TALL.key}", "Tall martian")
    with LABELS.extended(*ADDED), KINDS.extended(TALL):
        yield
