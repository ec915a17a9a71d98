"""Checks of the program's own parts: packages, settings, models, record, disk."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all._version import __version__
from edge_all.domain.plural import counted
from edge_all.errors import EdgeAllError
from edge_all.profile import Profile
from edge_all.service.doctor.result import Finding, absent, bad, good, warning

if TYPE_CHECKING:
    from firmware_config.problem import Problem

_PACKAGES = ("click", "cv2", "numpy", "pydantic", "rich")
_PAGES = ("jinja2", "starlette", "uvicorn")
_LEAST_FREE_GIB = 2.0
_FEW_FREE_GIB = 10.0


def program() -> Finding:
    """Check the versions of the program and of Python, and that the required packages can be loaded."""
    missing = []
    for name in (*_PACKAGES, *_PAGES):
        try:
            importlib.import_module(name)
        except Exception as error:  # a wheel for another processor can raise any exception
            missing.append(f"{name} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})")
    versions = f"edge-all {__version__}, Python {sys.version.split()[0]}"
    if missing:
        return bad(f"{versions}; cannot load {', '.join(missing)}", "install it again with deploy/install.sh")
    return good(versions)


def settings(name: str, problems: list[Problem]) -> Finding:
    """Check that all settings are valid."""
    if problems:
        return bad("; ".join(p.message for p in problems), problems[0].remedy)
    return good(f"profile {name}")


def models(named: Path | None, profile: Profile) -> Finding:
    """Load both models and run their self-checks on the engine that a session would use.

    ``named`` is the models folder, or None for the models in use.
    """
    from edge_all.modelstore.installed import models_in_use
    from edge_all.session.stages.analysis import load_models

    try:
        loaded = load_models(named or models_in_use(), profile)
    except EdgeAllError as error:
        return bad(error.message, error.remedy or "install the models again")
    names = ", ".join(f"{i.name} {i.version}" for i in loaded.identities)
    engines = loaded.engines_in_words
    loaded.close()
    return good(f"{names}: self-check passed; {engines}")


def record(folder: Path) -> Finding:
    """Open the record as a session does, and check its integrity."""
    from edge_all.record.db.connection import DATABASE
    from edge_all.record.location import session_sidecars
    from edge_all.record.store import Record

    try:
        if not (folder / DATABASE).is_file() and not session_sidecars(folder):
            return absent(f"none yet in {folder}")
    except PermissionError:
        return bad(f"{folder}: permission denied", "run as the service's user: sudo -u edge-all edge-all doctor")
    try:
        with Record.open(folder, create=False) as opened:
            count = len(opened.sessions())
    except EdgeAllError as error:
        return bad(error.message, error.remedy or "see docs/record.md")
    if not os.access(folder, os.W_OK):
        return warning(
            f"{counted(count, 'session')}, intact; no write permission", "run as the service's user: sudo -u edge-all"
        )
    return good(f"{counted(count, 'session')}, intact")


def disk(folder: Path) -> Finding:
    """Check the free space on the record's disk."""
    there = next(p for p in (folder, *folder.parents) if os.path.exists(p))  # Path.exists raises without permission
    free = shutil.disk_usage(there).free / 2**30
    found = f"{free:.1f} GiB free at {there}"
    if free < _LEAST_FREE_GIB:
        return bad(found, f"free up space, at least {_LEAST_FREE_GIB:g} GiB")
    if free < _FEW_FREE_GIB:
        return warning(found, "free up space, or move the record to another disk (EDGE_ALL_RECORD)")
    return good(found)
