"""The committed predictions that the scoreboard reads, where the release writes them."""

import json

import pytest

committed = pytest.importorskip("benchmarks.committed")


def test_the_scoreboard_reads_what_the_release_writes():
    from edge_all_export.release.out_of_fold import OUT_OF_FOLD

    assert committed.OUT_OF_FOLD == OUT_OF_FOLD
    for name in ("detections.csv", "segmented_cells.csv", "kinds.csv.xz"):
        made = name.partition(".")[0]
        assert (committed.OUT_OF_FOLD / f"{made}.json").is_file(), name
        assert (committed.OUT_OF_FOLD / name).is_file(), name


def test_predictions_of_another_recipe_or_of_other_data_are_refused(tmp_path, monkeypatch, capsys):
    recipe = committed.load_recipe("kinds")
    monkeypatch.setattr(committed, "OUT_OF_FOLD", tmp_path)
    monkeypatch.setattr(committed, "data_root", lambda: tmp_path)
    monkeypatch.setattr(committed, "sources_sha256", lambda *_: "1" * 64)
    monkeypatch.delenv("RETRAIN", raising=False)
    made = {"recipe": "kinds", "recipe_sha256": recipe.sha256, "data_sha256": "1" * 64}
    for changed, reason in (
        ({}, ""),
        ({"recipe_sha256": "0" * 64}, "with another recipe"),
        ({"data_sha256": "0" * 64}, "from other data"),
    ):
        (tmp_path / "kinds.json").write_text(json.dumps(made | changed))
        assert committed.ready(("kinds",), "models") == (not reason)
        remedy = f"the predictions kinds were made {reason}: RETRAIN=1 make scores PART=models\n"
        assert capsys.readouterr().err == (remedy if reason else "")
