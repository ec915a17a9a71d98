"""The edge-all program: lazily imported commands and one-line error messages."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

import click

from edge_all._version import __version__
from edge_all.cli.output.reporter import Reporter, log_level_option, with_log_level
from edge_all.errors import EdgeAllError

_COMMANDS = {
    "run": ("edge_all.cli.run", "Analyze a smear: detect, classify, count and record its leukocytes."),
    "cameras": ("edge_all.cli.cameras", "List the attached cameras, or save a frame from one."),
    "calibrate": ("edge_all.cli.calibrate", "Calibrate a microscope: light, scale and focus."),
    "engine": ("edge_all.cli.engine", "Build, list and remove TensorRT engines."),
    "bench": ("edge_all.cli.bench", "Benchmark each step and the full pipeline on this machine."),
    "sessions": ("edge_all.cli.sessions", "List the sessions of a record."),
    "cells": ("edge_all.cli.cells", "Print one row for each counted cell in a session."),
    "review": ("edge_all.cli.review", "Serve the web pages for reviewing recorded sessions."),
    "users": ("edge_all.cli.users", "Manage the users of the web pages."),
    "show": ("edge_all.cli.show", "Show one session, with an optional contact sheet of its findings."),
    "report": ("edge_all.cli.report", "Write a session's report."),
    "export-dataset": ("edge_all.cli.export_dataset", "Write reviewed cells as a training data set."),
    "service": (
        "edge_all.cli.service",
        "Run as a long-lived service with the web interface, live view and on-demand sessions.",
    ),
    "session": ("edge_all.cli.session", "Start, stop and inspect the session of this device's service."),
    "doctor": ("edge_all.cli.doctor", "Check this machine and suggest fixes."),
    "config": ("edge_all.cli.config", "Show and check the settings and their sources."),
    "models": ("edge_all.cli.models", "Install, list, roll back and sign models."),
    "collect": ("edge_all.cli.collect", "Store a fleet's MQTT messages in PostgreSQL."),
    "qc": ("edge_all.cli.qc", "Run a control smear and record its trend."),
}


class Program(click.Group):
    """Command group that imports each command on use, so that 'sessions' does not load a network."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the built-in command names, then those added by extras."""
        return [*_COMMANDS, *sorted(e.name for e in entry_points(group="edge_all.commands"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command, or None for an unknown name."""
        if cmd_name in _COMMANDS:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
            return with_log_level(command)
        for entry in entry_points(group="edge_all.commands", name=cmd_name):
            added: click.Command = entry.load()
            return with_log_level(added)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per command, without importing the built-in ones."""
        with formatter.section("Commands"):
            rows = [(name, _COMMANDS[name][1]) for name in _COMMANDS]
            for name in self.list_commands(ctx):
                if name not in _COMMANDS and (added := self.get_command(ctx, name)) is not None:
                    rows.append((name, added.get_short_help_str(90)))
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a misspelled name."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(self.list_commands(ctx))}"
            ctx.fail(f"unknown command '{name}'; {hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[log_level_option()],
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="edge-all")
@click.option("--debug", is_flag=True, help="Show the traceback when an error occurs.")
@click.pass_context
def program(context: click.Context, debug: bool) -> None:  # noqa: ARG001
    """Find leukocytes in blood-smear fields and flag suspected lymphoblasts for review.

    Research use only, not a diagnosis.

    \b
    Example:
      edge-all run --camera sim:
      edge-all run --camera folder/of/fields --sample S1
      edge-all cells --session last --format csv
    """
    context.with_resource(context.ensure_object(Reporter))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with 0 (success), 1 (failure) or 2 (usage error)."""
    given: list[str] = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    # --debug is accepted at any position.
    given = [a for a in given if a != "--debug"]
    sys.exit(_run(["--debug", *given] if debug else given, debug))


def _run(given: list[str], debug: bool) -> int:
    reporter = Reporter()
    try:
        outcome: Any = program.main(given, prog_name="edge-all", standalone_mode=False, obj=reporter)
        return outcome if isinstance(outcome, int) else 0
    except EdgeAllError as error:
        if debug:
            raise
        reporter.error(str(error))
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        reporter.result(error.format_message())
        return 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "edge-all"
        reporter.error(f"{error.format_message()} (see '{where} --help')")
        return 2
    except click.ClickException as error:
        reporter.error(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        reporter.error("stopped")
        return 130
    except ModuleNotFoundError as error:
        if debug:
            raise
        reporter.error(
            f"the package {error.name} is not installed: workstation commands need "
            "pip install 'edge-all[export]' (in a checkout: make workstation)"
        )
        return 1
    except BrokenPipeError:
        # The reader of our output has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        first = (str(error).splitlines() or [""])[0]
        reporter.error(
            f"internal error ({type(error).__name__}: {first}): "
            "run the command again with --debug and report its output"
        )
        return 1


if __name__ == "__main__":
    main()
