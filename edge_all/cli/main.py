"""The program edge-all: its commands, loaded when called, and errors in one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

import click

from edge_all import __version__
from edge_all.errors import EdgeAllError

_COMMANDS = {
    "run": ("edge_all.cli.run", "Look at a smear: find, judge, count, flag and record."),
    "cameras": ("edge_all.cli.cameras", "List the cameras that are attached, or save a frame of one."),
    "calibrate": ("edge_all.cli.calibrate", "Measure a bench once: its light, its scale, its focus."),
    "engine": ("edge_all.cli.engine", "Build, list and remove TensorRT's engines."),
    "bench": ("edge_all.cli.bench", "Measure every step, and the whole way, on this machine."),
    "sessions": ("edge_all.cli.sessions", "List the sessions of a record."),
    "cells": ("edge_all.cli.cells", "Print one row for each counted cell of a session."),
    "review": ("edge_all.cli.review", "Serve pages to review recorded sessions."),
    "users": ("edge_all.cli.users", "Manage who may log in to the pages."),
    "show": ("edge_all.cli.show", "Show one session, with a contact sheet of its findings."),
    "report": ("edge_all.cli.report", "Write the report of a session: pdf, html, json, csv, fhir."),
    "export-dataset": ("edge_all.cli.export_dataset", "Write reviewed cells as a data set to train on."),
    "service": ("edge_all.cli.service", "Stand by for months: pages, live picture, sessions as asked for."),
    "session": ("edge_all.cli.session", "Start, stop and look at the session of this device's service."),
    "doctor": ("edge_all.cli.doctor", "Tell what works on this machine, and what to do about the rest."),
    "config": ("edge_all.cli.config", "Show and check settings, and where each comes from."),
    "models": ("edge_all.cli.models", "Install signed models, list them, go back; sign them."),
    "collect": ("edge_all.cli.collect", "Take a fleet's messages from the broker into PostgreSQL."),
    "qc": ("edge_all.cli.qc", "Run a control smear and keep the trend."),
}


class Program(click.Group):
    """A group whose commands are imported when they are called: 'sessions' needs no network loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The own commands, then those that extras add."""
        return [*_COMMANDS, *sorted(e.name for e in entry_points(group="edge_all.commands"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        if cmd_name in _COMMANDS:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
            return command
        for entry in entry_points(group="edge_all.commands", name=cmd_name):
            added: click.Command = entry.load()
            return added
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each; the own commands are not imported for it."""
        with formatter.section("Commands"):
            rows = [(name, _COMMANDS[name][1]) for name in _COMMANDS]
            for name in self.list_commands(ctx):
                if name not in _COMMANDS and (added := self.get_command(ctx, name)) is not None:
                    rows.append((name, added.get_short_help_str(90)))
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for a misspelt one."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(self.list_commands(ctx))}"
            ctx.fail(f"there is no command '{name}'{hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="edge-all")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def program(context: click.Context, debug: bool) -> None:
    """Finds leukocytes in blood-smear fields and flags suspected lymphoblasts for review.

    Research use only, not a diagnosis.

    \b
    Example:
      edge-all run --camera sim:
      edge-all run --camera folder/of/fields --sample S1
      edge-all cells --session last --format csv
    """
    context.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 failed, 2 called wrongly."""
    given: list[str] = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    # --debug may stand anywhere.
    given = [a for a in given if a != "--debug"]
    sys.exit(_run(["--debug", *given] if debug else given, debug))


def _run(given: list[str], debug: bool) -> int:
    try:
        outcome: Any = program.main(given, prog_name="edge-all", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except EdgeAllError as error:
        if debug:
            raise
        click.echo(f"edge-all: {error}".replace("\n", " "), err=True)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "edge-all"
        click.echo(f"edge-all: {error.format_message()} ('{where} --help' tells more)", err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"edge-all: {error.format_message()}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("edge-all: stopped", err=True)
        return 130
    except ModuleNotFoundError as error:
        if debug:
            raise
        click.echo(
            f"edge-all: the package {error.name} is not installed: the workstation's commands need "
            "pip install 'edge-all[export]' (in a checkout: make workstation)",
            err=True,
        )
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        first = (str(error).splitlines() or [""])[0]
        click.echo(
            f"edge-all: an error of the program itself ({type(error).__name__}: {first}): "
            "run it again with --debug and report what it prints",
            err=True,
        )
        return 1


if __name__ == "__main__":
    main()
