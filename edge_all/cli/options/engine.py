"""Options for the engine, its precision and its threads, shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from edge_all.inference.precision import ENGINES, PRECISIONS
from edge_all.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])


def engine_options(command: F) -> F:
    """Add --engine, --precision and --threads to a command."""
    for option in (
        click.option("--threads", type=click.IntRange(0, 256), metavar="N", help="CPU threads. 0 uses every core."),
        click.option(
            "--precision", type=click.Choice(PRECISIONS), help="Precision of the networks. Default: the profile's."
        ),
        click.option(
            "--engine",
            type=click.Choice(("auto", *ENGINES)),
            help="Engine that runs the networks. auto picks the best one available; a named engine must work.",
        ),
    ):
        command = option(command)
    return command


def with_engine(profile: Profile, engine: str | None, precision: str | None, threads: int | None) -> Profile:
    """Return the profile with the given options replacing its values."""
    given = {"engine": engine, "precision": precision, "threads": threads}
    return replace(profile, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
