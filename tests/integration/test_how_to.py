"""The how-to guides: their lists of files are true for an extension that exists, and the code that they show works."""

import errno
import importlib
import itertools
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge_all
from edge_all.cameras import registry as cameras
from edge_all.cameras.discovery import find_cameras
from edge_all.cameras.events import CameraState
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.cli.main import main
from edge_all.domain import labels
from edge_all.domain.types import Frame
from edge_all.errors import CameraError
from edge_all.i18n.catalog import load_texts
from edge_all.record.store import Record
from edge_all.reports import registry as reports
from edge_all.reports.contents import read_report

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
GUIDES = sorted(p for p in (ROOT / "docs" / "how-to").glob("*.md") if p.name != "index.md")
PROGRAM = ("edge_all", "firmware_config", "export/edge_all_export", "export/recipes")


def blocks(guide):
    """Code of a guide by the file in its title."""
    text = (ROOT / "docs" / "how-to" / f"{guide}.md").read_text(encoding="utf-8")
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', text, re.MULTILINE | re.DOTALL))


def module_of(monkeypatch, path, code):
    name = path.removesuffix(".py").removeprefix("export/").replace("/", ".")
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    parent = importlib.import_module(name.rpartition(".")[0])
    monkeypatch.setattr(parent, name.rpartition(".")[2], module, raising=False)
    exec(compile(code, f"<{path}>", "exec"), module.__dict__)
    return module


def add_schemes(monkeypatch, code):
    namespace = dict(vars(cameras))
    exec(code, namespace)
    monkeypatch.setattr(cameras, "SCHEMES", (*cameras.SCHEMES, *namespace["SCHEMES"]))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.stem)
def test_an_extension_that_exists_touches_the_files_of_the_list_and_no_other(guide):
    text = guide.read_text(encoding="utf-8")
    (example,) = re.findall(r"^<!-- example: (.*) -->$", text, re.MULTILINE)
    (listed,) = re.findall(r"^\| file \| change \|\n.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    names = dict(part.split("=", 1) for part in example.split("; ") if "=" in part and not part.startswith("finds: "))
    pattern = re.compile(example.partition("finds: ")[2])
    files = re.findall(r"^\| `([^`]+)` \|", listed, re.MULTILINE)
    for name, value in names.items():
        files = [file.replace(name, value) for file in files]
    assert len(files) >= 2
    assert [file for file in files if not (ROOT / file).is_file()] == []
    tracked = subprocess.run(["git", "ls-files", *PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {
        name
        for name in tracked.split()
        if name.endswith((".py", ".toml", ".html", ".js", ".css")) and (ROOT / name).is_file()
        if pattern.search(name) or pattern.search((ROOT / name).read_text(encoding="utf-8"))
    }
    assert found == set(files)


def test_every_guide_is_in_the_index_and_in_the_navigation():
    index = (ROOT / "docs" / "how-to" / "index.md").read_text(encoding="utf-8")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert GUIDES
    for guide in GUIDES:
        assert f"({guide.name})" in index
        assert f"how-to/{guide.name}" in navigation


def test_the_camera_of_the_guide_delivers_its_fields(monkeypatch, tmp_path):
    code = blocks("add-camera")
    module_of(monkeypatch, "edge_all/cameras/drivers/numpy_fields.py", code["edge_all/cameras/drivers/numpy_fields.py"])
    add_schemes(monkeypatch, code["edge_all/cameras/registry.py"])
    images = np.random.default_rng(1).integers(0, 255, (3, 64, 80, 3), np.uint8)
    np.save(tmp_path / "fields.npy", images)
    with edge_all.open_camera(f"npy:{tmp_path}/fields.npy") as camera:
        frames = [camera.read() for _ in range(4)]
    assert [f.index for f in frames[:3]] == [0, 1, 2]
    assert all((f.image == image).all() for f, image in zip(frames, images, strict=False))
    assert frames[3] is None
    assert any(c.startswith("npy: the fields of a NumPy file") for c in cameras.camera_choices())
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    with pytest.raises(CameraError, match="does not hold RGB images"):
        edge_all.open_camera(f"npy:{tmp_path}/numbers.npy").start()
    with pytest.raises(CameraError) as missing:
        edge_all.open_camera(f"npy:{tmp_path}/missing.npy").start()
    assert missing.value.message == f"{tmp_path}/missing.npy cannot be read (No such file or directory)"
    (tmp_path / "words.npy").write_text("not an array\n" * 9)
    with pytest.raises(CameraError) as words:
        edge_all.open_camera(f"npy:{tmp_path}/words.npy").start()
    assert words.value.message == f"{tmp_path}/words.npy is not a NumPy file"
    assert cameras.is_kind("npy:x.npy", cameras.CameraKind.FILE)
    preview = tmp_path / "preview.png"
    with pytest.raises(SystemExit) as end:
        main(["cameras", "--camera", f"npy:{tmp_path}/fields.npy", "--preview", str(preview)])
    assert end.value.code == 0
    assert cv2.imread(str(preview)).shape == (64, 80, 3)


class AcmeLibrary(types.ModuleType):
    """Stands in for the library of the guide's camera: two cameras, of which a test pulls the plug."""

    def __init__(self):
        super().__init__("acme_camera")
        self.attached, self.open_cameras, self.exposure = ["A1", "A2"], [], 7.5

    def serials(self):
        return self.attached

    def open(self, serial):
        if serial not in self.attached:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self.open_cameras.append(serial)
        library, numbers = self, itertools.count()

        class Opened:
            exposure = library.exposure

            def grab(self, timeout_s):
                time.sleep(timeout_s / 100)
                if serial not in library.attached:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return np.random.default_rng(next(numbers)).integers(0, 255, (48, 64, 3), np.uint8)

            def set_exposure(self, value):
                library.exposure = value

            def close(self):
                library.open_cameras.remove(serial)

        return Opened()


@pytest.fixture
def acme(monkeypatch):
    """The guide's device and its scheme, installed; its driver module."""
    code = blocks("add-camera")
    path = "edge_all/cameras/drivers/acme.py"
    driver = module_of(monkeypatch, path, code[path])
    add_schemes(monkeypatch, code["edge_all/cameras/registry.py"])
    return driver


def test_the_device_of_the_guide_is_found_locked_lost_and_reopened(monkeypatch, acme):
    library = AcmeLibrary()
    monkeypatch.setitem(sys.modules, "acme_camera", library)
    monkeypatch.setattr(acme.AcmeDevice, "settles_s", 0.0)
    assert {"acme:A1", "acme:A2"} <= {camera.uri for camera in find_cameras()}
    with edge_all.open_camera("acme:A2") as camera:
        assert isinstance(camera, SupervisedCamera)
        assert camera.identity == "A2"
        frames = [camera.read() for _ in range(3)]
        assert frames[0].index < frames[1].index < frames[2].index
        assert dict(camera.settings) == {"exposure": 7.5}
        library.attached, library.exposure = ["A1"], 99.0
        end = time.monotonic() + 30
        while camera.state is not CameraState.LOST:
            assert time.monotonic() < end, "the loss was not noticed"
            time.sleep(0.01)
        assert "acme:A2" in camera.reason
        library.attached = ["A1", "A2"]
        while camera.reconnects == 0:
            assert isinstance(camera.read(), Frame)
            assert time.monotonic() < end, "the camera was not reopened"
        assert isinstance(camera.read(), Frame)
    assert library.open_cameras == []
    assert library.exposure == 7.5
    with pytest.raises(CameraError, match=r"acme:A3 cannot be opened \(No such device\)"):
        edge_all.open_camera("acme:A3").start()


def test_the_device_of_the_guide_without_its_library_names_the_extra(monkeypatch, acme):
    monkeypatch.setitem(sys.modules, "acme_camera", None)
    assert acme.attached_cameras() == []
    with pytest.raises(CameraError, match=r"need acme-camera, which is not installed: pip install 'edge-all\[acme\]'"):
        edge_all.open_camera("acme:A1").start()


def test_the_package_of_the_guide_names_its_camera_in_the_entry_points(acme):
    code = blocks("add-camera")
    project = tomllib.loads(code["pyproject.toml"])["project"]
    namespace = {}
    exec(code["edge_all_acme/__init__.py"], namespace)
    assert project["entry-points"] == {cameras.GROUP: {"acme": "edge_all_acme:ACME"}}
    scheme = namespace["ACME"]
    for function in (scheme.opener, scheme.finder):
        module, _, name = function.partition(":")
        assert module == "edge_all_acme.driver"
        assert callable(getattr(acme, name))


def test_the_report_format_of_the_guide_writes_a_report(monkeypatch, tmp_path):
    code = blocks("add-report-format")
    path = "edge_all/reports/formats/markdown_format.py"
    module_of(monkeypatch, path, code[path])
    entry = eval(code["edge_all/reports/registry.py"], dict(vars(reports)))
    monkeypatch.setattr(reports, "FORMATS", (*reports.FORMATS, entry))
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    with edge_all.open_camera("sim:?seed=4&fields=2") as camera, edge_all.Session(camera, tmp_path) as session:
        session.run()
    with Record.open(tmp_path) as record:
        (row,) = record.sessions()
        written = reports.render(read_report(record, row.id), reports.format_of_extension(".md").name).decode()
    assert written.startswith("Research use only, not a diagnosis.")
    assert f"| {row.id} " in written
    assert written.count("## ") > 3


def test_the_label_of_the_guide_is_accepted_by_the_table():
    code = blocks("add-label")
    row = eval(code["edge_all/domain/labels.py"], dict(vars(labels)))
    words = tomllib.loads(code["edge_all/i18n/texts/en.toml"])
    with labels.LABELS.extended(row):
        assert labels.Label(row.key).info is row
    assert row.key not in labels.LABELS
    groups = {name.partition(".")[0] for name in load_texts() if name.endswith(".smudge")}
    assert set(words) == groups
    assert all(set(group) == {row.key} for group in words.values())


def test_the_network_of_the_guide_is_found_by_its_name_and_gives_two_logits(monkeypatch):
    torch = pytest.importorskip("torch")
    from edge_all_export.models import registry as networks

    code = blocks("add-network")
    path = "export/edge_all_export/models/classifier/three_convolutions.py"
    module = module_of(monkeypatch, path, code[path])
    (entry,) = eval(f"{{{code['export/edge_all_export/models/registry.py']}}}", dict(vars(networks))).items()
    monkeypatch.setitem(networks.FAMILIES["classifier"], *entry)
    family = networks.find_classifier("three-convolutions")
    assert family is module.THREE_CONVOLUTIONS
    network = family.build(pretrained=False)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(3600, abs=1000)
    image = torch.full((2, 3, family.form.side, family.form.side), 128.0)
    assert network(image).shape == (2, 2)


@pytest.mark.parametrize("guide", ["add-setting", "add-metric"])
def test_code_that_exists_is_quoted_as_it_is(guide):
    shown = blocks(guide)
    assert shown
    for file, code in shown.items():
        there = [line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
        assert [line for line in code.splitlines() if line.strip() not in there] == []
