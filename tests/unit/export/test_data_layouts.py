"""Every layout that users have is recognized and counted; errors are named."""

import csv
import json

import numpy as np
import pytest
from edge_all_export.data.duplicates import join_groups

from .conftest import draw_cell, write_image


def on_black(seed, blast):
    image = draw_cell(seed, blast, background=0)
    image[image.max(2) < 60] = 0
    return image


def allidb1(root):
    for number, (word, size) in enumerate(((1, 100), (1, 100), (0, 120)), 1):
        write_image(root / "im" / f"Im{number:03d}_{word}.jpg", np.full((size, size, 3), 200 + number, np.uint8))
        (root / "xyc").mkdir(exist_ok=True)
        (root / "xyc" / f"Im{number:03d}_{word}.xyc").write_text("10 20\n30\t40\n" if word else "")
    return {"blast": 4}


def cnmc_training(root):
    for fold, (subject, word) in enumerate((("1", "all"), ("2", "all"), ("H3", "hem"))):
        for k in range(2):
            write_image(
                root / f"fold_{fold}" / word / f"UID_{subject}_{k}_1_{word}.bmp", on_black(10 * fold + k, word == "all")
            )
    return {"blast": 4, "normal": 2}


def cnmc_test(root):
    rows = []
    for k, (subject, word, label) in enumerate((("7", "all", 1), ("H9", "hem", 0))):
        write_image(root / "C-NMC_test_prelim_phase_data" / f"{k}.bmp", on_black(k, label == 1))
        rows.append((f"UID_{subject}_1_1_{word}.bmp", f"{k}.bmp", label))
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("Patient_ID", "new_names", "labels"), *rows])
    return {"blast": 1, "normal": 1}


def taleqani(root):
    for k, word in enumerate(("Benign", "[Malignant] Early", "[Malignant] Pre", "[Malignant] Pro")):
        write_image(root / "Original" / word / "a.jpg", draw_cell(k, True))
    return {"blast": 3, "normal": 1}


def bccd(root):
    write_image(root / "JPEGImages" / "B0.jpg", draw_cell(1, False))
    (root / "Annotations").mkdir()
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>40</xmin><ymin>50</ymin><xmax>140</xmax><ymax>150</ymax></bndbox>"
        "</object>" for name in ("WBC", "RBC", "Platelets")
    )  # fmt: skip
    (root / "Annotations" / "B0.xml").write_text(f"<annotation>{boxes}</annotation>")
    return {"normal": 1}


def pbc(root):
    for k, word in enumerate(("basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "platelet")):
        write_image(root / word / "a.jpg", draw_cell(k, False))
    return {"normal": 3, "erythroblast": 1, "immature_granulocyte": 1, "platelet": 1}


def class_folders(root):
    for k, name in enumerate(("blast/p1", "blast/p2", "normal/p3", "normal/p4")):
        write_image(root / name / "a.png", draw_cell(k, name.startswith("blast")))
    return {"blast": 2, "normal": 2}


@pytest.mark.parametrize("make", [allidb1, cnmc_training, cnmc_test, taleqani, bccd, pbc, class_folders])
def test_a_layout_is_recognized_and_counted(edge_all, tmp_path, make):
    root = tmp_path / "set"
    root.mkdir()
    wanted = make(root)
    found = tmp_path / "found.json"
    done = edge_all("data", "check", root, "--json", found)
    assert done.exit_code == 0, done.stderr
    (survey,) = json.loads(found.read_text())
    assert survey["objects"] == wanted
    assert survey["corrupt"] == survey["missing"] == []


def test_an_unknown_layout_lists_the_known_ones(edge_all, tmp_path):
    (tmp_path / "empty").mkdir()
    done = edge_all("data", "check", tmp_path / "empty")
    assert done.exit_code == 2
    assert "unknown layout" in done.stderr
    for name in ("ALL-IDB1", "C-NMC", "Taleqani", "BCCD", "PBC", "file,label,group"):
        assert name in done.stderr


def test_groups_that_share_an_image_become_one_over_others_too(edge_all, own_cells, tmp_path):
    rows = list(csv.reader((own_cells / "cells.csv").open(newline="")))
    for name, like in (("d1.png", "c0.png"), ("d2.png", "c1.png")):  # patients 0 and 1, then 1 and 2
        (own_cells / name).write_bytes((own_cells / like).read_bytes())
    rows += [["d1.png", "blast", "patient1", "0.1"], ["d2.png", "blast", "patient2", "0.1"]]
    csv.writer((own_cells / "cells.csv").open("w", newline="")).writerows(rows)
    found = tmp_path / "found.json"
    assert edge_all("data", "check", own_cells, "--json", found).exit_code == 0
    (survey,) = json.loads(found.read_text())
    assert survey["copies"] == 2
    assert survey["joined"] == ["patient0+patient1+patient2"]
    assert survey["groups"]["blast"] == ["patient0+patient1+patient2"]


def test_a_class_of_one_group_cannot_be_split(edge_all, tmp_path):
    for k in range(3):
        write_image(tmp_path / "s" / "blast" / "only" / f"{k}.png", draw_cell(k, True))
        write_image(tmp_path / "s" / "normal" / f"n{k}" / "a.png", draw_cell(9 + k, False))
    done = edge_all("data", "check", tmp_path / "s")
    assert "blast comes from one group only: no honest split" in done.stdout
    assert "normal comes from one group" not in done.stdout


def test_a_damaged_image_is_named_counted_and_fails_the_check(edge_all, own_cells):
    (own_cells / "c5.png").write_bytes(b"not a picture")
    (own_cells / "c6.png").unlink()
    done = edge_all("data", "check", own_cells)
    assert done.exit_code == 1
    assert "damaged:" in done.stdout
    assert "c5.png" in done.stdout
    assert "missing: c6.png" in done.stdout


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("c1.png,wizard,p1,0.1", "line 50: unknown label 'wizard'"),
        ("c1.png,blast,,0.1", "line 50: missing group"),
        ("c1.png,blast,p1,huge", "line 50: invalid um_per_px 'huge'"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(edge_all, own_cells, row, says):
    with (own_cells / "cells.csv").open("a") as file:
        file.write(row + "\n")
    done = edge_all("data", "check", own_cells / "cells.csv")
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_crop_is_tied_to_the_field_it_was_cut_from(edge_all, tmp_path):
    rng = np.random.default_rng(0)
    field = rng.integers(0, 255, (400, 500, 3)).astype(np.uint8)
    root = tmp_path / "sets"
    # Without loss, as the crops of ALL-IDB2 are.
    write_image(root / "one" / "im" / "Im001_1.png", field)
    (root / "one" / "xyc").mkdir()
    (root / "one" / "xyc" / "Im001_1.xyc").write_text("200 150\n")
    (root / "one" / "series.csv").write_text("file,series\nIm001_1.png,Q\n")
    write_image(root / "two" / "img" / "Im001_1.tif", field[60:317, 40:297])
    write_image(root / "two" / "img" / "Im002_0.tif", rng.integers(0, 255, (257, 257, 3)).astype(np.uint8))
    found = tmp_path / "found.json"
    assert edge_all("data", "check", root, "--json", found).exit_code == 0
    two = json.loads(found.read_text())[1]
    assert two["groups"] == {"blast": ["Q"], "normal": ["unknown"]}


def test_join_groups_is_transitive():
    assert join_groups([["a", "b"], ["b", "c"], ["d"]]) == dict.fromkeys("abc", "a+b+c")


def test_the_shared_sets_are_counted(edge_all, real_data, tmp_path):
    found = tmp_path / "found.json"
    edge_all("data", "check", real_data / "cnmc", "--json", found)
    (survey,) = json.loads(found.read_text())
    assert sum(survey["objects"].values()) == 6603
    groups = [set(joint.split("+")) for names in survey["groups"].values() for joint in names]
    for linked in ({"20", "21"}, {"51", "75", "78"}, {"H2", "H4", "H5", "H6"}, {"H10", "H3"}):
        assert sum(bool(linked & g) for g in groups) == 1
