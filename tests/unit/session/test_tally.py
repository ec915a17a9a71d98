"""Counts of a session: each cell once, by its latest label, in memory that hardly grows."""

import sys
from dataclasses import replace

import numpy as np

from edge_all.domain.picture_limits import TOO_BLURRED, TOO_COARSE, TOO_COARSE_TO_FIND, OutsideLimits
from edge_all.domain.types import Counts, Frame, Label
from edge_all.session import tally as module
from edge_all.session.field_result import FieldResult
from edge_all.session.tally import Tally
from tests.helpers.cells import make_cell

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0, "f")


def seen(tally, *cells):
    tally.add(FieldResult(FRAME, cells=cells))


def test_a_cell_counts_once_by_its_latest_label():
    tally = Tally()
    seen(tally, make_cell(1, Label.BLAST, 0.9), make_cell(7, Label.NORMAL, 0.1))
    seen(tally, make_cell(1, Label.UNIDENTIFIED, 0.5))
    seen(tally, make_cell(1, Label.NORMAL, 0.05), make_cell(8, Label.SMUDGE))
    counts = tally.counts()
    assert (counts.blasts, counts.of("normal"), counts.of("unidentified"), counts.of("smudge")) == (0, 2, 0, 1)
    assert counts.leukocytes == 2
    assert [c.number for c in tally.most_suspicious()] == [7, 1], "without findings, the other leukocytes"


def unlabeled(number, reason):
    cell = make_cell(number, Label.UNIDENTIFIED, 0.5)
    return replace(cell, classification=replace(cell.classification, reason=reason))


def test_cells_outside_the_limits_are_unidentified_and_not_findings():
    tally = Tally()
    first = (OutsideLimits(TOO_COARSE, 0.45, 0.3), OutsideLimits(TOO_COARSE_TO_FIND, 0.45, 0.4))
    cells = tuple(unlabeled(n, TOO_COARSE) for n in range(1, 31))
    tally.add(FieldResult(FRAME, cells=cells, outside_limits=first))
    tally.add(FieldResult(FRAME, cells=(), outside_limits=(OutsideLimits(TOO_COARSE, 0.42, 0.3),)))
    blurred = (OutsideLimits(TOO_BLURRED, 0.3, 0.4),)
    tally.add(FieldResult(FRAME, cells=(unlabeled(31, TOO_BLURRED),), outside_limits=blurred))
    seen(tally, make_cell(40, Label.BLAST, 0.9))
    counts = tally.counts()
    assert (counts.leukocytes, counts.of("unidentified"), counts.not_labeled, counts.findings) == (32, 31, 31, 1)
    assert counts.outside_limits == (
        OutsideLimits(TOO_BLURRED, 0.3, 0.4, 1),
        OutsideLimits(TOO_COARSE, 0.45, 0.3, 30),
        OutsideLimits(TOO_COARSE_TO_FIND, 0.45, 0.4, 0),
    )
    assert [c.number for c in tally.most_suspicious()] == [40]
    assert Counts.of_values({**stored(counts), "frames": 3}) == replace(counts, frames=3)


def stored(counts):
    return {
        "fields": counts.fields,
        "skipped": {},
        "warned": {},
        **counts.named(),
        "outside_limits": [one.to_values() for one in counts.outside_limits],
    }


def test_a_sharper_view_of_a_blurred_cell_gives_it_a_label():
    tally = Tally()
    blurred = (OutsideLimits(TOO_BLURRED, 0.3, 0.4),)
    tally.add(FieldResult(FRAME, cells=(unlabeled(1, TOO_BLURRED), unlabeled(2, TOO_BLURRED)), outside_limits=blurred))
    seen(tally, make_cell(1, Label.NORMAL, 0.1))
    counts = tally.counts()
    assert (counts.of("normal"), counts.not_labeled, counts.findings) == (1, 1, 0)


def test_a_restored_tally_counts_cells_without_a_label():
    counts = Counts(
        frames=1, by_label={Label.UNIDENTIFIED: 3}, outside_limits=(OutsideLimits(TOO_COARSE, 0.45, 0.3, 2),)
    )
    tally = Tally.restored(counts, dict.fromkeys((1, 2, 3), Label.UNIDENTIFIED), (), {}, {1: TOO_COARSE, 3: TOO_COARSE})
    assert tally.counts().outside_limits == counts.outside_limits
    assert tally.counts().findings == 1


def test_the_most_suspicious_stay_however_many_there_are(monkeypatch):
    monkeypatch.setattr(module, "_MAX_SUSPICIOUS", 10)
    tally = Tally()
    rng = np.random.default_rng(0)
    probabilities = rng.permutation(1000) / 1000
    for number, p in enumerate(probabilities, 1):
        seen(tally, make_cell(number, Label.BLAST if p > 0.7 else Label.UNIDENTIFIED, float(p)))
    assert [c.classification.blast_probability for c in tally.most_suspicious(5)] == [0.999, 0.998, 0.997, 0.996, 0.995]
    assert tally.counts().blasts == int((probabilities > 0.7).sum())
    assert len(tally._suspicious) <= 20


def test_a_healthy_smear_has_its_most_suspicious_cells_too(monkeypatch):
    monkeypatch.setattr(module, "_MAX_SUSPICIOUS", 10)
    tally = Tally()
    for number, p in enumerate(np.random.default_rng(0).permutation(1000) / 10_000, 1):
        seen(tally, make_cell(number, Label.NORMAL, float(p), kind="lymphocyte"))
    seen(tally, make_cell(1001, Label.SMUDGE), make_cell(1002, Label.ARTIFACT, 0.99, kind="artifact"))
    probabilities = [c.classification.blast_probability for c in tally.most_suspicious()]
    assert probabilities == [0.0999, 0.0998, 0.0997, 0.0996, 0.0995]
    seen(tally, make_cell(1003, Label.UNIDENTIFIED, 0.3))
    assert next(c.number for c in tally.most_suspicious()) == 1003


def test_a_hundred_thousand_cells_take_a_byte_each():
    tally = Tally()
    for start in range(1, 100_001, 1000):
        seen(tally, *(make_cell(n, Label.NORMAL, 0.1) for n in range(start, start + 1000)))
    assert tally.counts().of("normal") == 100_000
    assert sys.getsizeof(tally._labels) < 200_000
