"""Output for a person at the terminal: log records of the program as plain lines, and explicit lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import click

from edge_all.cli.options.common import plain

LEVELS = ("debug", "info", "warning", "error")
DEVICE_LOGGER = "edge_all"
WORKSTATION_LOGGER = "edge_all_export"
_LOGGERS = (DEVICE_LOGGER, WORKSTATION_LOGGER)


class Reporter(logging.Handler):
    """Handler that prints the program's log records while its context is entered.

    Records of the device's packages go to standard error, because commands print their results on standard output.
    Records of the workstation's packages, which report the progress of training and export, go to standard output.
    Records may come from any thread; a line is printed as a whole.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._prefix = ""
        self._err: bool | None = None
        self._before: list[tuple[logging.Logger, int, bool]] = []

    def __enter__(self) -> Reporter:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            self._before.append((logger, logger.level, logger.propagate))
            logger.addHandler(self)
            # A library that configures the root logger must not print our lines a second time.
            logger.propagate = False
        self._set_levels()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for logger, level, propagate in self._before:
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.propagate = propagate
        self._before.clear()

    def show(self, level: str) -> None:
        """Show records of ``level`` (one of LEVELS) and above."""
        self.setLevel(level.upper())
        self._set_levels()

    def hand_over(self) -> None:
        """Stop printing log records, because another handler prints them. Their levels stay as set."""
        for logger, _, _ in self._before:
            logger.removeHandler(self)

    @contextmanager
    def lines(self, prefix: str = "", *, err: bool | None = None) -> Iterator[None]:
        """Within the context, put ``prefix`` before each record and print it on standard error or output.

        ``err`` is True for standard error, False for standard output, None for the logger's usual stream.
        """
        before = self._prefix, self._err
        self._prefix, self._err = prefix, err
        try:
            yield
        finally:
            self._prefix, self._err = before

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record. With the level debug, its level and logger are shown too."""
        try:
            line = self._prefix + plain(record.getMessage())
            if self.level <= logging.DEBUG:
                line = f"{record.levelname.lower()} {record.name}: {line}"
            if record.exc_info:
                line += "\n" + logging.Formatter().formatException(record.exc_info)
            err = self._err
            if err is None:
                err = record.name.split(".", 1)[0] != WORKSTATION_LOGGER
            click.echo(line, err=err)
        except Exception:  # a closed terminal must not end a session
            self.handleError(record)

    def note(self, text: str) -> None:
        """Print one line on standard error, whatever the level."""
        click.echo(text, err=True)

    def result(self, text: str) -> None:
        """Print one line on standard output, whatever the level."""
        click.echo(text)

    def error(self, text: str) -> None:
        """Print why the program fails as one line on standard error."""
        click.echo(f"edge-all: {text}".replace("\n", " "), err=True)

    def _set_levels(self) -> None:
        for logger, _, _ in self._before:
            logger.setLevel(self.level)


def current_reporter() -> Reporter:
    """Return the reporter of the running command."""
    return click.get_current_context().ensure_object(Reporter)


def _show(context: click.Context, _: click.Parameter, level: str | None) -> None:
    if level is not None:
        context.ensure_object(Reporter).show(level)


def log_level_option() -> click.Option:
    """Return the option --log-level, which sets the level of the current reporter."""
    return click.Option(
        ["--log-level"],
        type=click.Choice(LEVELS, case_sensitive=False),
        expose_value=False,
        is_eager=True,
        callback=_show,
        help="Lowest level of messages to show. Default: info. The level debug adds each message's level and module.",
    )


def with_log_level(command: click.Command) -> click.Command:
    """Give a command and its subcommands the option --log-level, once."""
    if not any("--log-level" in parameter.opts for parameter in command.params):
        command.params.append(log_level_option())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_log_level(inner)
    return command
