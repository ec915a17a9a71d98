"""Lines at the terminal: log records of the program, their levels, streams and prefixes."""

import logging
import subprocess
import sys
import threading

import click
import pytest

from edge_all.cli.main import program
from edge_all.cli.output.reporter import Reporter, with_log_level

DEVICE = logging.getLogger("edge_all.inference.loader")
WORKSTATION = logging.getLogger("edge_all_export.training.loop")


def test_info_and_warnings_are_plain_lines_on_the_logger_s_stream(capsys):
    with Reporter():
        DEVICE.debug("not shown")
        DEVICE.info("ready")
        DEVICE.warning("%d engines\x1b damaged", 2)
        WORKSTATION.info("epoch 1/2")
    out, err = capsys.readouterr()
    assert out == "epoch 1/2\n"
    assert err == "ready\n2 engines? damaged\n"


def test_records_of_another_library_are_not_printed(capsys):
    with Reporter() as reporter:
        reporter.show("debug")
        logging.getLogger("edge_all_other").info("not ours")
        logging.getLogger("paho").info("not ours")
    assert capsys.readouterr() == ("", "")


def test_level_debug_shows_level_and_module(capsys):
    with Reporter() as reporter:
        reporter.show("debug")
        DEVICE.debug("tried")
    assert capsys.readouterr().err == "debug edge_all.inference.loader: tried\n"


def test_level_warning_hides_info(capsys):
    with Reporter() as reporter:
        reporter.show("warning")
        DEVICE.info("hidden")
        DEVICE.warning("shown")
    assert capsys.readouterr().err == "shown\n"


def test_a_prefix_and_a_stream_hold_within_their_context(capsys):
    with Reporter() as reporter:
        with reporter.lines("collect: "):
            DEVICE.info("connected")
        with reporter.lines(err=True):
            WORKSTATION.info("skipped")
        DEVICE.info("ended")
    assert capsys.readouterr() == ("", "collect: connected\nskipped\nended\n")


def test_a_record_of_another_thread_is_printed(capsys):
    with Reporter():
        thread = threading.Thread(target=lambda: DEVICE.info("built"))
        thread.start()
        thread.join()
    assert capsys.readouterr().err == "built\n"


def test_an_error_is_shown_with_its_traceback(capsys):
    with Reporter():
        try:
            raise ValueError("wrong")
        except ValueError as error:
            DEVICE.error("Internal error", exc_info=error)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Internal error"
    assert lines[-1] == "ValueError: wrong"


def test_loggers_are_as_before_when_the_command_has_ended():
    loggers = [logging.getLogger(name) for name in ("edge_all", "edge_all_export")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    with Reporter() as reporter:
        assert all(reporter in logger.handlers for logger in loggers)
        reporter.show("debug")
    assert [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers] == before


def test_after_handing_over_only_another_handler_prints(capsys):
    with Reporter() as reporter:
        reporter.hand_over()
        DEVICE.info("in the journal")
        assert DEVICE.isEnabledFor(logging.INFO)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def probe(monkeypatch):
    """A command, with one below it, that logs a debug and an info record."""

    @click.group("probe")
    def probe():
        """Probe."""

    @probe.command("in")
    def inner():
        """Log."""
        DEVICE.debug("fine")
        DEVICE.info("coarse")

    whole = type(program).get_command
    monkeypatch.setattr(
        type(program), "get_command", lambda self, c, n: with_log_level(probe) if n == "probe" else whole(self, c, n)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log-level", "debug", "probe", "in"),
        ("probe", "--log-level", "debug", "in"),
        ("probe", "in", "--log-level", "debug"),
        ("--log-level", "error", "probe", "in", "--log-level=DEBUG"),
    ],
)
@pytest.mark.usefixtures("probe")
def test_log_level_is_an_option_of_the_program_and_of_each_command(edge_all, arguments):
    result = edge_all(*arguments)
    assert result.stderr == "debug edge_all.inference.loader: fine\ninfo edge_all.inference.loader: coarse\n"


@pytest.mark.usefixtures("probe")
def test_the_level_is_info_unless_named_and_an_unknown_one_is_refused(edge_all):
    assert edge_all("probe", "in").stderr == "coarse\n"
    assert edge_all("--log-level", "error", "probe", "in").stderr == ""
    result = edge_all("--log-level", "loud", "probe", "in")
    assert result.exit_code == 2
    assert "loud" in result.stderr


def test_every_command_takes_a_log_level():
    context = click.Context(program)

    def check(command):
        assert sum("--log-level" in p.opts for p in command.params) == 1, command.name
        for inner in getattr(command, "commands", {}).values():
            check(inner)

    for name in program.list_commands(context):
        program.get_command(context, name)
        check(program.get_command(context, name))


def test_a_program_that_embeds_the_package_sees_no_record_unless_it_asks():
    code = "import edge_all, logging; logging.getLogger('edge_all.session').warning('the lamp has drifted')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
