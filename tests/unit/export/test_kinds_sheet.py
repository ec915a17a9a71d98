"""Contact sheets of cells that no network had seen."""

from __future__ import annotations

import numpy as np
import pytest
from edge_all_export.data.kinds import MATURE
from edge_all_export.release.kind_folds import HOME
from edge_all_export.release.kinds_sheet import COLUMNS, SheetCell, draw_sheet, main

_RED = (200, 30, 30)


def _cell(label: str, kind: str, possible: tuple[str, ...]) -> SheetCell:
    return SheetCell(np.full((167, 167, 3), 128, np.uint8), label, kind, possible[0], possible)


@pytest.mark.parametrize(
    ("label", "kind", "possible", "is_mistake"),
    [
        ("normal", "monocyte", ("monocyte",), False),
        ("normal", "monocyte", ("lymphocyte",), True),
        ("normal", "monocyte", MATURE, False),
        ("normal", "", MATURE, False),
        ("normal", "", ("blast",), True),
        ("unidentified", "", ("blast",), False),
        ("unidentified", "", ("smudge",), True),
        ("blast", "blast", ("immature_granulocyte", "blast"), False),
        ("blast", "blast", MATURE, True),
        ("artifact", "artifact", ("artifact",), False),
        ("erythroblast", "erythroblast", ("lymphocyte",), True),
    ],
)
def test_what_contradicts_the_true_label_is_a_mistake(
    label: str, kind: str, possible: tuple[str, ...], is_mistake: bool
) -> None:
    assert _cell(label, kind, possible).is_mistake == is_mistake


def test_only_the_mistake_has_a_red_frame() -> None:
    right, wrong = _cell("blast", "blast", ("blast",)), _cell("blast", "blast", ("monocyte",))
    sheet = draw_sheet([right] * COLUMNS + [wrong])
    rows, columns = np.nonzero((sheet == _RED).all(2))
    assert rows.min() > len(sheet) // 2
    assert columns.max() < sheet.shape[1] // COLUMNS


def test_no_sheet_is_drawn_into_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="inside the repository"):
        main([str(HOME / "sheets")])
    with pytest.raises(SystemExit, match="Usage"):
        main(["/tmp/x", "no_such_source"])
    assert not capsys.readouterr().out
