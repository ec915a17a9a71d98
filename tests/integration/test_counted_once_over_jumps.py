"""A stage that jumps to a place of which the frame before shows nothing: what was counted there is known again."""

import cv2
import numpy as np
import pytest

from edge_all.domain.types import Frame
from edge_all.modelstore.shipped import models_folder
from edge_all.profile import Profile
from edge_all.session.stages.analysis import Analysis, load_models

WIDTH, HEIGHT = 800, 600


@pytest.fixture(scope="module")
def models():
    loaded = load_models(models_folder(), Profile())
    yield loaded
    loaded.close()


def counted(models, field, stops):
    """Regions, and the cells' places on the field's picture, px."""
    analysis = Analysis(Profile(), models, None, False)
    regions, cells = set(), {}
    for index, (x, y) in enumerate(stops):
        image = np.ascontiguousarray(field[y : y + HEIGHT, x : x + WIDTH])
        result = analysis.analyze(Frame(image, index, float(index), f"#{index}"))
        regions.add(result.field.region)
        for cell in result.cells:
            cells.setdefault(cell.number, (x + cell.detection.x_px, y + cell.detection.y_px))
    return regions, np.array(list(cells.values()))


@pytest.mark.parametrize("name", ["Im001_1.jpg", "Im021_1.jpg"])
def test_a_scan_in_rows_that_jumps_back_counts_each_cell_once(models, real_data, name):
    field = cv2.cvtColor(cv2.imread(str(real_data / "allidb1" / "images" / name)), cv2.COLOR_BGR2RGB)
    columns, rows = range(0, field.shape[1] - WIDTH + 1, 400), range(0, field.shape[0] - HEIGHT + 1, 300)
    by_rows = [(x, y) for y in rows for x in columns]
    winding = [(x, y) for k, y in enumerate(rows) for x in (list(columns)[::-1] if k % 2 else columns)]
    _, places = counted(models, field, by_rows)
    _, once = counted(models, field, winding)
    assert len(places) == pytest.approx(len(once), abs=1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e6 * np.eye(len(places))
    assert apart.min() > 25, "two numbers at one place"
