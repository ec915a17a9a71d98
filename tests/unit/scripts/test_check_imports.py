"""No circle of files in the program, and the finder of circles on small packages."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "check_imports.py"
_spec = importlib.util.spec_from_file_location("check_imports", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
check_imports = importlib.util.module_from_spec(_spec)
sys.modules["check_imports"] = check_imports
_spec.loader.exec_module(check_imports)


def package(folder, **files):
    (folder / "p" / "sub").mkdir(parents=True)
    for name in ("__init__", "sub/__init__", *files):
        (folder / "p" / f"{name.replace('__s__', 'sub/')}.py").write_text(files.get(name, ""))
    return {"p": folder}


def circles_of(folder, *, runtime=False, **files):
    graph = check_imports.import_graph(package(folder, **files), runtime=runtime)
    return check_imports.circles(graph)


def test_the_program_has_no_circle_of_files():
    graph = check_imports.import_graph(check_imports.PACKAGES)
    assert len(graph) > 200
    assert check_imports.circles(graph) == []


@pytest.mark.parametrize(
    "line",
    [
        "import p.a",
        "from p import a",
        "from p.a import x",
        "from . import a",
        "from .a import x",
        "def f():\n    import p.a",
    ],
)
def test_every_form_of_import_closes_a_circle(tmp_path, line):
    assert circles_of(tmp_path, a="from p.b import y", b=line) == [["p.a", "p.b"]]


def test_a_circle_through_a_third_file_and_a_package_is_found(tmp_path):
    files = {"a": "from p.sub.c import x", "__s__c": "from .. import b", "b": "import p.a", "d": "import p.a"}
    assert circles_of(tmp_path, **files) == [["p.a", "p.b", "p.sub.c"]]


def test_a_chain_is_not_a_circle(tmp_path):
    assert circles_of(tmp_path, a="import p.b", b="import p.sub.c", __s__c="import os") == []


def test_imports_for_types_alone_are_left_out_on_request(tmp_path):
    b = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a\nelse:\n    import os"
    assert circles_of(tmp_path, a="import p.b", b=b) == [["p.a", "p.b"]]
    assert check_imports.circles(check_imports.import_graph({"p": tmp_path}, runtime=True)) == []
