"""Numbers with their nouns."""

import pytest

from edge_all.domain.plural import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells")])
def test_only_one_is_singular(number, words):
    assert counted(number, "cell") == words
