"""The English checker: each pattern finds its bad examples, passes its good ones, and reads every kind of file."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "check_english.py"
_spec = importlib.util.spec_from_file_location("check_english", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
check_english = importlib.util.module_from_spec(_spec)
sys.modules["check_english"] = check_english
_spec.loader.exec_module(check_english)

RULES = check_english.Rules.read()
BAD = [(p, e) for p in RULES.patterns for e in p.bad]
GOOD = [(p, e) for p in RULES.patterns for e in p.good]


def found_in(text, kind="docstring"):
    return [f.number for f in RULES.check(check_english.Passage("x.py", kind, [(1, text)]))]


def test_all_ten_patterns_and_spelling_are_there_with_examples():
    assert [p.number for p in RULES.patterns] == list(range(1, 12))
    assert all(len(p.bad) >= 3 and len(p.good) >= 3 for p in RULES.patterns)


@pytest.mark.parametrize(("pattern", "example"), BAD, ids=[f"{p.number}-{e[:30]}" for p, e in BAD])
def test_a_bad_example_is_found(pattern, example):
    assert pattern.number in found_in(example)


@pytest.mark.parametrize(("pattern", "example"), GOOD, ids=[f"{p.number}-{e[:30]}" for p, e in GOOD])
def test_a_good_example_passes_all_patterns(pattern, example):  # noqa: ARG001
    assert found_in(example) == []


def test_every_regular_expression_is_needed():
    for pattern in RULES.patterns:
        for regex in pattern.compiled:
            assert any(regex.search(bad) for bad in pattern.bad), (
                f"{pattern.number}: no bad example for {regex.pattern}"
            )


def test_the_rewrites_of_the_house_pass():
    rewrites = [
        "Analyze a smear: detect, classify and count each leukocyte once, and record the findings.",
        "Stop if the camera stays disconnected for SECONDS. By default, wait indefinitely.",
        "Cells to save crops of. Default: findings only; all cells with --web.",
        "TLS certificate (PEM) for remote access. Default: a self-signed certificate, created on first use.",
        "Run as a long-lived service with the web interface, live view and on-demand sessions.",
        "Cannot listen on 0.0.0.0:80 (in use). Choose another port or stop the program using it.",
        "The interrupted session was closed because the loaded model gives different results. Start a new session.",
        "1 more cell is visible in this field. It was counted in a sharper frame; its estimated position is dashed.",
        "on_heartbeat: Called on every iteration of the analysis loop, even without a frame.",
        "No longer in use; the thread exits when the driver call returns.",
    ]
    assert [text for text in rewrites if found_in(text, "help")] == []


def python(source):
    return [
        (f.line, f.number) for passage in check_english.python_passages("x.py", source) for f in RULES.check(passage)
    ]


def test_docstrings_comments_messages_and_help_are_read_with_their_lines():
    source = (
        '"""Of the module."""\n'
        "import click\n"
        "# It is no camera.\n"
        "limit = 3  # Told once.\n"
        '"""Of what is counted."""\n'
        "def f(path):\n"
        '    """Return it.\n'
        "\n"
        "    A second line begins\n"
        "    here.\n"
        '    """\n'
        '    raise ValueError(f"the file {path} is no image: " "name another")\n'
        '@click.option("--x", help="End after so many frames.")\n'
        "def g(): ...\n"
    )
    assert sorted(python(source)) == [(1, 5), (3, 1), (4, 2), (5, 5), (9, 7), (12, 1), (13, 6)]


def test_names_of_arguments_are_code():
    arguments = "    Args:\n        say: Called with a line.\n        told: It is no line.\n"
    assert python(f'def f(say):\n    """Run.\n\n{arguments}    """\n') == [(6, 1)]


def test_code_sql_and_keys_are_not_prose():
    source = (
        'A = "BEGIN IMMEDIATE; select told from rows where begun = 1"\n'
        'B = "told"\n'
        'C = {"begun": 1, "the-colour": 2}\n'
        "# noqa: told\n"
        "# The column ``told`` and the setting `colour` keep their names.\n"
    )
    assert python(source) == []


def markdown(text):
    return [
        (f.line, f.number) for passage in check_english.markdown_passages("x.md", text) for f in RULES.check(passage)
    ]


def test_markdown_paragraphs_are_joined_and_code_is_left_out():
    text = (
        "# Title\n\nA long line is\nno valid example.\n\n"
        "```\nedge-all told  # tell what works\n```\n\n"
        "| a | begun |\n|---|---|\n- the `colour` key [colour](colour.md)\n"
    )
    assert markdown(text) == [(4, 1), (7, 2), (10, 7), (12, 11)]


def test_texts_of_the_pages_are_read():
    text = '# told\n[live]\nbegun = "Start"\nresume = "Go on"\n'
    findings = [
        (f.line, f.number) for passage in check_english.toml_passages("en.toml", text) for f in RULES.check(passage)
    ]
    assert findings == [(1, 2), (4, 9)]


def test_help_of_all_commands_is_walked():
    labels = {p.path for p in check_english.help_passages()}
    assert {"edge-all run --help", "edge-all run --camera", "edge-all session --help"} <= labels


def test_an_exception_needs_a_reason_and_applies_to_its_file(tmp_path):
    assert all(entry["reason"] for entry in RULES.allowed)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[[pattern]]\nnumber = 1\nname = 'x'\ninstead = 'y'\nregex = ['told']\n"
        "[[allow]]\nfile = 'a/*'\ntext = 'told once'\nreason = 'a quotation'\n"
    )
    read = check_english.Rules.read(rules)

    def numbers(path, text):
        return [f.number for f in read.check(check_english.Passage(path, "prose", [(1, text)]))]

    assert numbers("a/b.md", "It was told once.") == []
    assert numbers("a/b.md", "It was told twice.") == [1]
    assert numbers("c/b.md", "It was told once.") == [1]


def test_exit_code_and_output(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Nobody reads it.\n")
    bad = subprocess.run([sys.executable, SCRIPT, page], capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "page.md:1: 4 headless subject" in bad.stdout
    page.write_text("No one reads it.\n")
    good = subprocess.run([sys.executable, SCRIPT, page], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "")


def test_string_literals_in_tests_are_not_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(check_english, "ROOT", tmp_path)
    source = '"""The file is no test."""\n\nTEXT = "the record is no file"\n'
    for folder, kinds in (("tests", ["docstring"]), ("scripts", ["docstring", "string"])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text(source)
        found = list(check_english.passages_of(tmp_path / folder / "a.py"))
        assert [p.kind for p in found if list(RULES.check(p))] == kinds
