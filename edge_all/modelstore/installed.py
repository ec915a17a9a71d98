"""Model sets installed on this device, and the one in use.

    STATE/models/sets/NAME-VERSION-HASH/{detector,classifier}/
    STATE/models/in-use.json      {"sets": [oldest, ..., the one in use]}; replaced as a whole

An installed set is never changed or removed. To roll back, the previous set is selected again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import EdgeAllError, ModelError
from edge_all.files.atomic_write import PUBLIC, sync_folder, write_atomically
from edge_all.files.state_dir import state_folder
from edge_all.inference.contract import TASKS
from edge_all.inference.loader import EngineOptions, load_engine
from edge_all.inference.onnx_file import read_model_file
from edge_all.modelstore.package import Manifest, unpack
from edge_all.modelstore.shipped import models_folder
from edge_all.modelstore.signing import PublicKey, trusted_keys

SHIPPED = "shipped"


@dataclass(frozen=True)
class ModelSet:
    """Available model set. ``name`` is its folder's name or "shipped".

    ``models`` maps each task to the model's name and version; it is empty for a damaged set.
    """

    name: str
    folder: Path
    in_use: bool
    models: dict[str, str]


def models_in_use() -> Path:
    """Return the folder of the set in use, with detector/ and classifier/; the shipped set if none is installed."""
    return _folder(_history()[-1])


def model_sets() -> list[ModelSet]:
    """Return the shipped set and every installed set."""
    now = _history()[-1]
    names = [SHIPPED, *sorted(p.name for p in _sets().glob("*") if p.is_dir())] if _sets().is_dir() else [SHIPPED]
    return [ModelSet(n, _folder(n), n == now, _models(_folder(n))) for n in names]


def install(
    package: Path, options: EngineOptions, keys: list[PublicKey] | None = None
) -> tuple[Manifest, PublicKey, Path]:
    """Install a package: verify it, check the contracts, run the self-check on this device's engine, then switch.

    If any step fails, the set in use stays in use.

    Returns:
        The manifest, the key that signed it, and the folder of the installed set.

    Raises:
        ModelError: when the package or a model is invalid, or the folder cannot be written.
        EngineUnavailableError: when no engine can run the models.
        EdgeAllError: when the package cryptography is not installed.
    """
    with _alone():
        trusted = trusted_keys() if keys is None else keys
        _sets().mkdir(parents=True, exist_ok=True)
        unpacked = Path(tempfile.mkdtemp(prefix=".under-way-", dir=_root()))
        try:
            manifest, key = unpack(package, unpacked, trusted)
            check_set(unpacked, options)
            place = _sets() / manifest.folder_name
            if not place.exists():
                unpacked.chmod(0o755)
                unpacked.rename(place)
                sync_folder(_sets())
            before = _history()
            _use([*(n for n in before if n != place.name), place.name])
            try:
                for task in TASKS:
                    read_model_file(models_in_use() / task / "float.onnx", task)
            except EdgeAllError:
                _use(before)
                raise
            return manifest, key, place
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)


def check_set(folder: Path, options: EngineOptions) -> None:
    """Check every file's contract, and run the self-check of both models as this device will run them.

    Raises:
        ModelError: when a file is invalid or a self-check fails.
        EngineUnavailableError: when no engine can run the models.
    """
    for task in TASKS:
        for path in sorted((folder / task).glob("*.onnx")):
            read_model_file(path, task)
        load_engine(folder / task, task, options).engine.close()


def roll_back(options: EngineOptions) -> Path:
    """Return to the previously used set, after checking it.

    Raises:
        ModelError: when there is no previous set.
    """
    with _alone():
        history = _history()
        if len(history) < 2:
            raise ModelError("there is no previous set of models", "list the sets with 'edge-all models list'")
        folder = _folder(history[-2])
        check_set(folder, options)
        _use(history[:-1])
        return folder


def fall_back(failed: Path) -> Path | None:
    """Return to the previous set because the set in use cannot be loaded.

    Returns:
        The folder of the previous set, or None if ``failed`` is not the set in use or is the shipped set.
    """
    with _alone():
        history = _history()
        if len(history) < 2 or _folder(history[-1]) != failed:
            return None
        _use(history[:-1])
        return _folder(history[-2])


def _history() -> list[str]:
    """Return the names of the used sets, the present one last.

    Raises ModelError for a damaged pointer, so that another model is never used silently.
    """
    path = _pointer()
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["sets"]
        if not isinstance(named, list) or not all(isinstance(n, str) and "/" not in n and n for n in named):
            raise ValueError("sets")
    except FileNotFoundError:
        return [SHIPPED]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}, which selects the models, cannot be read ({getattr(error, 'strerror', None) or 'damaged'})",
            "run as the service's user (sudo -u edge-all)"
            if isinstance(error, PermissionError)
            else "remove it to use the shipped models, or install the models again",
        ) from error
    return [SHIPPED, *(n for n in named if n != SHIPPED)]


def _use(names: list[str]) -> None:
    path = _pointer()
    write_atomically(path, json.dumps({"sets": [n for n in names if n != SHIPPED]}).encode(), mode=PUBLIC)


def _folder(name: str) -> Path:
    return models_folder() if name == SHIPPED else _sets() / name


def _models(folder: Path) -> dict[str, str]:
    try:
        contracts = {task: read_model_file(folder / task / "float.onnx", task).contract for task in TASKS}
    except ModelError:
        return {}
    return {task: f"{c.name} {c.version}" for task, c in contracts.items()}


def _root() -> Path:
    return state_folder() / "models"


def _sets() -> Path:
    return _root() / "sets"


def _pointer() -> Path:
    return _root() / "in-use.json"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Lock that prevents concurrent installations and fallbacks."""
    try:
        _root().mkdir(parents=True, exist_ok=True)
        with (_root() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ModelError(
            f"the folder {_root()} cannot be used ({error.strerror or error})",
            "check its permissions, or run as the service's user (sudo -u edge-all)",
        ) from error
