"""Contracts, classification, handovers."""

import json
import threading

import numpy as np
import pytest

from edge_all.cells.classifier import CellClassifier, label_for
from edge_all.cells.crops import cut_cell, disc_weight
from edge_all.domain.types import Label, Thresholds
from edge_all.errors import ModelError, UsageError
from edge_all.inference.contract import METADATA_KEY, Contract, read_contract
from edge_all.inference.loader import load_file
from edge_all.modelstore.shipped import models_folder
from edge_all.session.stages.bounded_queue import BoundedQueue

CLASSIFIER = models_folder() / "classifier" / "float.onnx"
DETECTOR = models_folder() / "detector" / "float.onnx"


def metadata(**changes):
    contract = json.loads(
        Contract(
            "classifier", "n", "1", 0.18, 112, ("a", "b"), {"blast": 0.8, "normal": 0.2, "unfamiliar": 0.5}, (), ()
        ).to_json()
    )
    contract.update(changes)
    return {METADATA_KEY: json.dumps({k: v for k, v in contract.items() if v is not None})}


def test_a_contract_is_read_back():
    assert read_contract(metadata(), "f", "classifier").thresholds["blast"] == 0.8


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "contains no edge-all contract"),
        ({METADATA_KEY: "{"}, "cannot be read"),
        (metadata(task="detector", thresholds={"found": 0.2}), "is a detector, but a classifier is needed"),
        (metadata(contract_version=9), "contract version 9"),
        (metadata(thresholds={"blast": 0.8}), "cannot be read"),
        (metadata(thresholds={"blast": 8, "normal": 0.1, "unfamiliar": 0.1}), "cannot be read"),
        (metadata(um_per_px=0), "cannot be read"),
        (metadata(task="cook"), "cannot be read"),
        (metadata(surprise=1), "cannot be read"),
    ],
)
def test_a_wrong_contract_is_refused(given, says):
    with pytest.raises(ModelError, match=says):
        read_contract(given, "f", "classifier")


def test_a_file_that_is_not_a_model(tmp_path):
    path = tmp_path / "float.onnx"
    with pytest.raises(ModelError, match="cannot read the model file"):
        load_file(path, "detector")
    path.write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="is not an ONNX file"):
        load_file(path, "detector")


def test_a_model_for_another_task():
    with pytest.raises(ModelError, match="is a detector"):
        load_file(DETECTOR, "classifier")


T = Thresholds(0.8, 0.2, 0.5)


@pytest.mark.parametrize(
    ("probability", "unfamiliarity", "label"),
    [
        (0.8, 0.0, Label.BLAST),
        (0.79, 0.0, Label.UNIDENTIFIED),
        (0.2, 0.0, Label.UNIDENTIFIED),
        (0.19, 0.0, Label.NORMAL),
        (0.99, 0.5, Label.UNIDENTIFIED),
        (0.01, 0.5, Label.UNIDENTIFIED),
    ],
)
def test_labels_follow_the_thresholds(probability, unfamiliarity, label):
    assert label_for(probability, unfamiliarity, T) is label


def test_the_classifier_gives_one_classification_a_crop_whatever_the_batch():
    engine = load_file(CLASSIFIER, "classifier")
    classifier, side = CellClassifier(engine), engine.contract.input_px
    rng = np.random.default_rng(0)
    crops = list(rng.integers(0, 255, (37, side, side, 3), np.uint8))
    together = classifier.classify(crops)
    assert len(together) == 37
    alone = [classifier.classify([c])[0].blast_probability for c in crops[:5]]
    assert [j.blast_probability for j in together[:5]] == pytest.approx(alone, abs=1e-5)
    assert classifier.classify([]) == []
    assert len(together[0].model.sha256) == 64


def test_a_threshold_under_the_lower_one_is_refused():
    engine = load_file(CLASSIFIER, "classifier")
    lower = engine.contract.thresholds["normal"]
    with pytest.raises(UsageError, match="outside"):
        CellClassifier(engine, lower / 2)
    assert CellClassifier(engine, 0.999).thresholds.blast == 0.999


class _NotANumber:
    """An engine whose model has gone wrong."""

    def __init__(self, engine):
        self.contract, self.identity, self.name = engine.contract, engine.identity, engine.name
        self.close = engine.close

    def run(self, batch):
        return np.full(len(batch), np.nan, np.float32), np.zeros(len(batch), np.float32)


def test_a_value_that_is_not_a_number_is_an_error():
    with pytest.raises(ModelError, match="not a number"):
        CellClassifier(_NotANumber(load_file(CLASSIFIER, "classifier"))).classify([np.zeros((112, 112, 3), np.uint8)])


def test_a_crop_has_its_scale_and_its_center():
    image = np.full((400, 400, 3), 255, np.uint8)
    image[195:206, 250:261] = 0
    crop = cut_cell(image, 255, 200, 0.1, 112, 0.2)
    dark = np.argwhere(crop[..., 0] < 128)
    assert dark.mean(0) == pytest.approx([55.5, 55.5], abs=0.6)
    assert np.ptp(dark[:, 0]) + 1 == pytest.approx(5.5, abs=1.6)


def test_a_crop_over_the_edge_is_white_there():
    crop = cut_cell(np.zeros((50, 50, 3), np.uint8), 0, 25, 0.2, 64, 0.2)
    assert crop[:, :28].min() > 250
    assert cut_cell(np.zeros((50, 50, 3), np.uint8), 900, 900, 0.2, 64, 0.2).min() == 255


def test_the_disc_keeps_the_cell_and_fades_the_rest():
    weight = disc_weight(112, 30)
    assert weight[56, 56] == weight[56, 56 + 30] == 1
    assert weight[56, 56 + 42] == 0


def test_a_full_queue_that_waits_loses_nothing():
    queue: BoundedQueue[int] = BoundedQueue(2)
    got = []
    taker = threading.Thread(target=lambda: got.extend(iter(queue.get, None)))
    taker.start()
    assert all(queue.put(i) for i in range(200))
    queue.close()
    taker.join(10)
    assert got == list(range(200))
    assert queue.dropped == 0


def test_a_live_queue_drops_the_oldest_and_counts():
    queue: BoundedQueue[int] = BoundedQueue(2, drop_oldest=True)
    for i in range(5):
        queue.put(i)
    assert (queue.dropped, queue.get(), queue.get()) == (3, 3, 4)
    queue.close()
    assert queue.put(9) is False
    assert queue.get() is None
