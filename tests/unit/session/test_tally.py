"""Counts of a session: each cell once, by its latest label, in memory that hardly grows."""

import sys

import numpy as np

from edge_all.domain.types import Frame, Label
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
    assert tally.most_suspicious() == ()


def test_the_most_suspicious_stay_however_many_there_are(monkeypatch):
    monkeypatch.setattr(module, "_MAX_FINDINGS", 10)
    tally = Tally()
    rng = np.random.default_rng(0)
    probabilities = rng.permutation(1000) / 1000
    for number, p in enumerate(probabilities, 1):
        seen(tally, make_cell(number, Label.BLAST if p > 0.7 else Label.UNIDENTIFIED, float(p)))
    assert [c.classification.blast_probability for c in tally.most_suspicious(5)] == [0.999, 0.998, 0.997, 0.996, 0.995]
    assert tally.counts().blasts == int((probabilities > 0.7).sum())
    assert len(tally._findings) <= 20


def test_a_hundred_thousand_cells_take_a_byte_each():
    tally = Tally()
    for start in range(1, 100_001, 1000):
        seen(tally, *(make_cell(n, Label.NORMAL, 0.1) for n in range(start, start + 1000)))
    assert tally.counts().of("normal") == 100_000
    assert sys.getsizeof(tally._labels) < 200_000
