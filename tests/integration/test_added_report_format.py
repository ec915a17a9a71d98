"""A report format that only this test adds: one file and one entry."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

import edge_all.cli.report
from edge_all.errors import EdgeAllError
from edge_all.reports import registry
from edge_all.reports.registry import FORMATS, ReportFormat
from tests.helpers.review_record import Browser, context, fill

ROOT = Path(__file__).parents[2]
WRITER = """
def report_brief(contents):
    return f"Sample {contents.session.sample}: {contents.result}\\n"


def report_packed(contents):
    return bytes([0, 255]) + contents.session.id.encode()


def report_missing(contents):
    import a_library_that_is_not_installed
"""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Three formats: text, bytes, and one whose library is missing."""
    (tmp_path / "brief_format.py").write_text(WRITER)
    monkeypatch.syspath_prepend(tmp_path)
    entries = (
        ReportFormat("brief", "Brief", "one line", "brief_format:report_brief", "text/x-brief", (".brief",)),
        ReportFormat("packed", "Packed", "bytes", "brief_format:report_packed", "application/x-packed", (".pkd",)),
        ReportFormat(
            "absent", "Absent", "nothing", "brief_format:report_missing", "text/x-absent", (".absent",), extra="report"
        ),
    )
    with monkeypatch.context() as patch:
        patch.setattr(registry, "FORMATS", (*FORMATS, *entries))
        importlib.reload(edge_all.cli.report)
        yield entries
    sys.modules.pop("brief_format", None)
    importlib.reload(edge_all.cli.report)


@pytest.mark.usefixtures("added")
def test_the_command_writes_it(edge_all, tmp_path):
    fill(tmp_path / "record")
    assert "brief: one line" in " ".join(edge_all("report", "--help").stdout.split())
    by_name = edge_all("report", "last", "--format", "brief", "--out", tmp_path / "a.txt")
    assert by_name.exit_code == 0, by_name.stderr
    by_extension = edge_all("report", "last", "--out", tmp_path / "b.BRIEF")
    assert by_extension.exit_code == 0, by_extension.stderr
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.BRIEF").read_bytes() == b"Sample S1: words\n"
    assert edge_all("report", "last", "--out", tmp_path / "c.pkd").exit_code == 0
    assert (tmp_path / "c.pkd").read_bytes()[:2] == b"\x00\xff"
    unknown = edge_all("report", "last", "--out", tmp_path / "d.docx")
    assert ".brief, .pkd, .absent" in unknown.stderr


def test_the_session_page_offers_and_sends_it(added, tmp_path):
    session = fill(tmp_path / "record")
    browser = Browser(context(tmp_path / "record"))
    page = browser.get(f"/sessions/{session}/summary").text
    links = re.findall(r'href="/sessions/[^"]+/report/(\w+)" download>([^<]+)<', page)
    assert links == [(f.name, f.title) for f in (*FORMATS, *added)]
    answer = browser.get(f"/sessions/{session}/report/brief")
    assert answer.status_code == 200
    assert answer.content == b"Sample S1: words\n"
    assert answer.headers["content-type"].startswith("text/x-brief")
    assert answer.headers["content-disposition"] == f'attachment; filename="edge-all-{session}.brief"'
    assert browser.get(f"/sessions/{session}/report/short").status_code == 404


@pytest.mark.usefixtures("added")
def test_a_missing_library_names_the_extra(edge_all, tmp_path):
    fill(tmp_path / "record")
    result = edge_all("report", "last", "--format", "absent", "--out", tmp_path / "a")
    assert result.exit_code == EdgeAllError.exit_code
    assert "the format Absent needs the package a_library_that_is_not_installed" in result.stderr
    assert "pip install 'edge-all[report]'" in result.stderr


def test_every_entry_is_complete():
    assert len({f.name for f in FORMATS}) == len({f.title for f in FORMATS}) == len(FORMATS)
    extensions = [e for f in FORMATS for e in f.extensions]
    assert len(set(extensions)) == len(extensions)
    for one in FORMATS:
        assert one.download_name.startswith(".")
        module, _, function = str(one.writer).partition(":")
        assert hasattr(importlib.import_module(module), function)


def test_no_other_file_decides_by_a_format():
    # csv, html and json also name other things, such as the formats of 'cells'.
    keys = {"pdf", "fhir"} | {e for f in FORMATS if f.name in ("pdf", "fhir") for e in f.extensions}
    keys |= {f.media_type for f in FORMATS if f.name in ("pdf", "fhir")}
    allowed = {ROOT / "edge_all/reports/registry.py", *(ROOT / "edge_all/reports/formats").glob("*.py")}
    found = []
    for path in sorted((ROOT / "edge_all").rglob("*.py")):
        if path not in allowed:
            found += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and node.value in keys
            ]
    texts = [*(ROOT / "edge_all/web/templates").rglob("*.html"), *(ROOT / "edge_all/i18n/texts").glob("*.toml")]
    found += [str(p.relative_to(ROOT)) for p in texts if re.search(r"['\"]pdf['\"]|^(pdf|fhir) =", p.read_text(), re.M)]
    assert not found
