"""The sets of models that were installed on this device, and which one is in use.

    STATE/models/sets/NAME-VERSION-HASH/{detector,classifier}/
    STATE/models/in-use.json      {"sets": [oldest, ..., the one in use]}; replaced as a whole

A set is never changed once it lies there, and never removed: going back is naming it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_all.engines.contract import TASKS
from edge_all.engines.loading import Wanted, load_engine
from edge_all.engines.model_file import read_model_file
from edge_all.engines.model_package import Manifest, unpack
from edge_all.engines.shipped import models_folder
from edge_all.engines.signature import PublicKey, trusted_keys
from edge_all.errors import EdgeAllError, ModelError
from edge_all.state_folder import state_folder

SHIPPED = "shipped"


@dataclass(frozen=True)
class ModelSet:
    """One that can be used. name: its folder's, or "shipped". models: name and version by task; empty when damaged."""

    name: str
    folder: Path
    in_use: bool
    models: dict[str, str]


def models_in_use() -> Path:
    """The installed set, else the shipped one. Holds detector/ and classifier/."""
    return _folder(_history()[-1])


def model_sets() -> list[ModelSet]:
    """The shipped one and every installed one."""
    now = _history()[-1]
    names = [SHIPPED, *sorted(p.name for p in _sets().glob("*") if p.is_dir())] if _sets().is_dir() else [SHIPPED]
    return [ModelSet(n, _folder(n), n == now, _models(_folder(n))) for n in names]


def install(package: Path, wanted: Wanted, keys: list[PublicKey] | None = None) -> tuple[Manifest, PublicKey, Path]:
    """Verify, check contracts, run the self-check on the engine this device will take, then switch. Whatever fails, the
    set in use stays in use. Raises ModelError, EngineUnavailableError, EdgeAllError."""
    with _alone():
        trusted = trusted_keys() if keys is None else keys
        _sets().mkdir(parents=True, exist_ok=True)
        under_way = Path(tempfile.mkdtemp(prefix=".under-way-", dir=_root()))
        try:
            manifest, key = unpack(package, under_way, trusted)
            check_set(under_way, wanted)
            place = _sets() / manifest.folder_name
            if not place.exists():
                under_way.chmod(0o755)
                under_way.rename(place)
                _sync(_sets())
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
            shutil.rmtree(under_way, ignore_errors=True)


def check_set(folder: Path, wanted: Wanted) -> None:
    """Every file's contract, and the self-check of both models as this device will run them. Raises ModelError,
    EngineUnavailableError."""
    for task in TASKS:
        for path in sorted((folder / task).glob("*.onnx")):
            read_model_file(path, task)
        load_engine(folder / task, task, wanted).engine.close()


def roll_back(wanted: Wanted) -> Path:
    """Use the set that was in use before; it is checked first. Raises ModelError when there is none."""
    with _alone():
        history = _history()
        if len(history) < 2:
            raise ModelError("there is no set of models to go back to", "'edge-all models list' shows what there is")
        folder = _folder(history[-2])
        check_set(folder, wanted)
        _use(history[:-1])
        return folder


def fall_back(failed: Path) -> Path | None:
    """The set in use cannot be loaded: use the one before it. None when it is another one, or the shipped one."""
    with _alone():
        history = _history()
        if len(history) < 2 or _folder(history[-1]) != failed:
            return None
        _use(history[:-1])
        return _folder(history[-2])


def _history() -> list[str]:
    """The one in use is last. Raises ModelError for a pointer that is damaged: never another model in silence."""
    path = _pointer()
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["sets"]
        if not isinstance(named, list) or not all(isinstance(n, str) and "/" not in n and n for n in named):
            raise ValueError("sets")
    except FileNotFoundError:
        return [SHIPPED]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}, which names the models in use, cannot be read ({getattr(error, 'strerror', None) or 'damaged'})",
            "run it as the service's user (sudo -u edge-all)"
            if isinstance(error, PermissionError)
            else "remove it for the shipped ones, or install again",
        ) from error
    return [SHIPPED, *(n for n in named if n != SHIPPED)]


def _use(names: list[str]) -> None:
    path = _pointer()
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"sets": [n for n in names if n != SHIPPED]}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync(path.parent)


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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two installations, or one and a fall-back, one after the other."""
    try:
        _root().mkdir(parents=True, exist_ok=True)
        with (_root() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ModelError(
            f"the folder {_root()} cannot be used ({error.strerror or error})",
            "check its rights, or run as the user of the service (sudo -u edge-all)",
        ) from error
