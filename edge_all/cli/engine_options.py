"""Which engine judges, how precisely, with how many threads: options of several commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from edge_all.engines.precision import ENGINES, PRECISIONS
from edge_all.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])


def engine_options(command: F) -> F:
    """Adds --engine, --precision and --threads."""
    for option in (
        click.option("--threads", type=click.IntRange(0, 256), metavar="N", help="Of the CPU; 0: every core."),
        click.option("--precision", type=click.Choice(PRECISIONS), help="Default: the profile's, auto."),
        click.option(
            "--engine",
            type=click.Choice(("auto", *ENGINES)),
            help="What runs the networks. auto: the best that works; a named one that does not is an error.",
        ),
    ):
        command = option(command)
    return command


def with_engine(profile: Profile, engine: str | None, precision: str | None, threads: int | None) -> Profile:
    """The profile with what was given in its place."""
    given = {"engine": engine, "precision": precision, "threads": threads}
    return replace(profile, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
