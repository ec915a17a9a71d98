"""The committed predictions that the scoreboard reads, where the release writes them."""

import pytest

committed = pytest.importorskip("benchmarks.committed")


def test_the_scoreboard_reads_what_the_release_writes():
    from edge_all_export.release.out_of_fold import OUT_OF_FOLD

    assert committed.OUT_OF_FOLD == OUT_OF_FOLD
    for name in ("detections", "cells", "segmented_cells"):
        assert (committed.OUT_OF_FOLD / f"{name}.json").is_file(), name
        assert (committed.OUT_OF_FOLD / f"{name}.csv").is_file(), name
