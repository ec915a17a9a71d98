"""The laboratory's tutorial: its commands run as written, and print what the page shows."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "tutorial.py"
_spec = importlib.util.spec_from_file_location("tutorial", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
tutorial = importlib.util.module_from_spec(_spec)
sys.modules["tutorial"] = tutorial
_spec.loader.exec_module(tutorial)

PAGE = """
```
$ not run
```
```console
$ echo 12 cells
13 cells
$ seq 3; echo end
[...]
end
```
<!-- in the browser: name=Anna, blast=blast -->
"""


@pytest.mark.timeout(600)
def test_the_commands_of_the_tutorial_print_what_it_shows(capsys):
    pytest.importorskip("fpdf")
    status = tutorial.main([])
    assert status == 0, capsys.readouterr().out


def test_steps_are_the_commands_of_console_blocks():
    first, second = tutorial.steps_of(PAGE)
    assert (first.command, first.line, first.expected) == ("echo 12 cells", 6, ["13 cells"])
    assert second.expected == ["[...]", "end"]
    assert second.clicks == {"name": "Anna", "blast": "blast"}


def test_numbers_may_differ_and_words_may_not():
    assert tutorial.same(["session 20261130-074720-4462: 56 cells"], ["session 20270101-000000-ffff:  7 cells"])
    assert not tutorial.same(["56 cells"], ["56 smudges"])
    assert not tutorial.same(["56 cells"], ["56 cells", "and more"])
    assert tutorial.same(["[...]", "end"], ["1", "2", "end"])
    assert not tutorial.same(["[...]", "end"], ["1", "2"])


def test_a_failing_command_names_its_line(tmp_path):
    with pytest.raises(RuntimeError, match="line 7: 'ls /missing' exits with 2"):
        tutorial.Runner(tmp_path).run(tutorial.Step("ls /missing", 7))


def test_the_page_is_written_with_what_was_printed():
    page = tutorial.written(PAGE, [["12 cells"], ["1", "2", "3", "end"]])
    assert "$ echo 12 cells\n12 cells\n$ seq 3; echo end\n[...]\nend\n```" in page
