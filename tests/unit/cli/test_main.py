"""The command line: help, errors, exit codes."""

import re

import click
import pytest

from edge_all.cli.main import program
from edge_all.errors import UsageError
from edge_all.record.location import record_folder


def commands():
    context = click.Context(program)
    return [(name, program.get_command(context, name)) for name in program.list_commands(context)]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_has_help_with_an_example(name, command):
    assert command.help
    assert f"edge-all {name}" in command.help, "an example"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"
    for line in re.findall(r"^ *edge-all .*", command.help, re.MULTILINE):
        bare = re.sub(r"'[^']*'", "", line)
        assert not re.search(r"\S[&?*]", bare.replace(" && ", "")), f"a shell reads more into it: {line}"


def test_every_command_is_in_the_readme():
    from pathlib import Path

    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    for name, _ in commands():
        assert f"edge-all {name}" in readme


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "--camera", "sin:"], 2, "did you mean sim:"),
        (["run", "--camera", "no/such"], 2, "no/such does not exist"),
        (["run", "--threshold", "2"], 2, "0<x<1"),
        (["run", "--camera", "sim:", "--threshold", "0.0001"], 2, "lower threshold"),
        (["run", "--stop-at", "0"], 2, "x>=1"),
        (["run", "--camera", "sim:", "--certificate", "a"], 2, "add --web"),
        (["run", "--camera", "sim:", "--web-name", "a"], 2, "add --web"),
        (["run", "--camera", "sim:", "--web", "--certificate", "a", "--key", "b"], 2, "do not use a certificate"),
        (["review", "--certificate", "a"], 2, "do not use a certificate"),
        (["run", "--um-per-px", "nan"], 2, "is not a number in the range 0.01<=x<=2"),
        (["run", "--models", "none"], 2, "models folder"),
        (["run", "--profile", "nope"], 1, "unknown profile"),
        (["rnu"], 2, "did you mean run"),
        (["sessions"], 1, "there is no record"),
        (["cells", "--format", "xml"], 2, "xml"),
        (["show", "last"], 1, "there is no record"),
        (["show", "--field", "1"], 2, "add --png"),
        (["show", "--png", "f.xyz"], 2, "f.xyz is not a PNG file name: use a name that ends in .png"),
        (["cameras", "--camera", "sim:", "--preview", "f.xyz"], 2, "f.xyz is not a PNG file name"),
        (
            ["cameras", "--camera", "dir:.", "--preview", "f.png"],
            2,
            "dir:. (a folder to watch for new images) has no live picture: open one of its images instead",
        ),
        (["qc", "--name", ""], 2, "the name of the control smear is empty"),
        (["qc", "--show", "--name", " "], 2, "the name of the control smear is empty"),
    ],
)
def test_a_wrong_call_is_one_line_and_its_code(edge_all, arguments, code, says):
    result = edge_all(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_version_and_help(edge_all):
    assert "0.1.0" in edge_all("--version").stdout
    assert "Research use only" in edge_all("--help").stdout
    assert edge_all().exit_code == 0


def test_a_record_whose_name_is_not_utf8_is_refused():
    with pytest.raises(UsageError, match=re.escape(r"r\xe4 is not valid UTF-8")):
        record_folder(b"/r\xe4".decode(errors="surrogateescape"))
