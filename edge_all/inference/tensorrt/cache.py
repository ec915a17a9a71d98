"""Disk cache of built engines, looked up by what they were built for and verified when they are loaded."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_all.errors import EngineUnavailableError
from edge_all.files.state_dir import state_folder
from edge_all.inference.tensorrt.checked_file import TEMPORARY, DamagedFileError, read_checked, write_checked
from edge_all.inference.tensorrt.key import EngineKey

_SUFFIX = ".engine"
_TIMINGS = ".timings"
_LOCK = ".lock"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """Entry of the cache."""

    path: Path
    size_bytes: int
    damage: str | None
    """Description of the damage, or None; the fields below are empty for a damaged file."""
    key: dict[str, Any]
    model: str
    built: str
    """Local build time, to the second."""


class EngineCache:
    """Cache of engines, safe for concurrent use by several processes."""

    def __init__(self, folder: Path | None = None) -> None:
        """Create the object. ``folder`` is created on the first write; by default, "engines" in the state directory."""
        self.folder = folder or state_folder() / "engines"

    def path_of(self, key: EngineKey) -> Path:
        """Return the path for an engine of this key."""
        return self.folder / f"{key.digest[:32]}{_SUFFIX}"

    def load(self, key: EngineKey) -> bytes | None:
        """Return the verified plan, or None. A damaged or foreign engine is logged as a warning."""
        path = self.path_of(key)
        try:
            found = read_checked(path)
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            _log.warning("the stored engine %s is damaged (%s); building it again", path.name, error)
            return None
        except OSError as error:
            _log.warning("the stored engine %s cannot be read (%s); building it again", path.name, error.strerror)
            return None
        foreign = key.differences(found.about.get("key", {}))
        if foreign:
            _log.warning("the stored engine %s is for another %s; building it again", path.name, ", ".join(foreign))
            return None
        return found.payload

    def store(self, key: EngineKey, plan: bytes, model: str) -> None:
        """Store a plan, replacing an older one. ``model`` is the description shown by 'engine list'.

        Raises:
            EngineUnavailableError: when the folder cannot be written.
        """
        built = datetime.now(timezone.utc).astimezone().isoformat(sep=" ", timespec="seconds")
        with self._writing():
            write_checked(self.path_of(key), {"key": key.to_json(), "model": model, "built": built}, plan)

    def timings_path(self, key: EngineKey) -> Path:
        """Return the path of the builder's timings on this machine, which all models share."""
        machine = EngineKey(
            "", key.flavour, key.tensorrt, key.gpu, key.capability, key.driver, "", least=(), usual=(), largest=()
        )
        return self.folder / f"{machine.digest[:32]}{_TIMINGS}"

    @contextmanager
    def building(self, key: EngineKey) -> Iterator[Path]:
        """Lock an engine while it is built and yield a temporary path for its plan.

        A second process waits here and then finds the first one's engine. The lock is released if a process dies.

        Raises:
            EngineUnavailableError: when the folder cannot be written.
        """
        path = self.path_of(key)
        lock = path.with_suffix(_LOCK)
        with self._writing():
            handle = self._locked(lock)
        try:
            # The process that wrote these has died, or it would still hold the lock.
            for left in self.folder.glob(f"{TEMPORARY}{path.name}-*"):
                left.unlink(missing_ok=True)
            yield self.folder / f"{TEMPORARY}{path.name}-plan"
        finally:
            (self.folder / f"{TEMPORARY}{path.name}-plan").unlink(missing_ok=True)
            os.close(handle)

    def entries(self) -> list[Entry]:
        """Return all engine files, sorted by name.

        Raises:
            EngineUnavailableError: when the folder cannot be read.
        """
        entries = []
        for path in self._files(_SUFFIX):
            try:
                size = path.stat().st_size
                found = read_checked(path)
                about = found.about
                entries.append(Entry(path, size, None, about["key"], about["model"], about["built"]))
            except FileNotFoundError:
                continue
            except DamagedFileError as error:
                entries.append(Entry(path, size, str(error), {}, "", ""))
            except OSError as error:
                entries.append(Entry(path, 0, str(error.strerror), {}, "", ""))
        return entries

    def clear(self) -> tuple[int, int]:
        """Remove everything except running builds.

        Returns:
            The number of removed engines and the total number of removed bytes.
        """
        engines = size = 0
        with self._writing():
            for path in [*self._files(_SUFFIX), *self._files(_TIMINGS)]:
                size += path.stat().st_size
                engines += path.suffix == _SUFFIX
                path.unlink()
            for lock in self._files(_LOCK):
                self._clear_unless_held(lock)
        return engines, size

    def _clear_unless_held(self, lock: Path) -> None:
        handle = os.open(lock, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            for left in self.folder.glob(f"{TEMPORARY}{lock.stem}{_SUFFIX}-*"):
                left.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def _files(self, suffix: str) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if p.suffix == suffix and not p.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unwritable(error) from error

    def _locked(self, lock: Path) -> int:
        """Lock a file exclusively and make sure that it still has its name, as 'clear' may have removed it."""
        while True:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    _log.info("another process is building this engine; waiting for it")
                    fcntl.flock(handle, fcntl.LOCK_EX)
                if lock.exists() and os.fstat(handle).st_ino == lock.stat().st_ino:
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"cannot store engines in {self.folder} ({error.strerror})",
            "free up space, and give this user permission to write there, or set EDGE_ALL_STATE to another folder",
        )
