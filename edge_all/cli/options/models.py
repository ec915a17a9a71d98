"""Option --models, shared by the commands that analyze."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.errors import UsageError

models_option = click.option(
    "--models", metavar="DIR", help="Folder with detector/ and classifier/. Default: the shipped models."
)


def models_folder(name: str | None) -> Path | None:
    """Return the folder that was given, or None for the models in use.

    Raises:
        UsageError: when the folder does not exist.
    """
    if name is not None and not Path(name).is_dir():
        raise UsageError(f"the models folder {name} does not exist", "leave out --models to use the shipped models")
    return Path(name) if name else None
