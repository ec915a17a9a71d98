"""Engine that runs on the one available now and switches to a better one when it is ready."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.domain.types import ModelIdentity
from edge_all.errors import EdgeAllError, EngineError, ModelError
from edge_all.inference.base import Engine
from edge_all.inference.contract import Contract
from edge_all.inference.self_check import self_check

_log = logging.getLogger(__name__)


class HotSwapEngine:
    """Two engines of one model, with a switch from the first to the better one.

    ``first`` runs immediately. The better one is built in a thread and used once it passes its self-check. If it fails
    later, ``first`` takes over again. ``name`` always refers to the engine that ran last.
    """

    def __init__(self, first: Engine, make_better: Callable[[], Engine], metadata: Mapping[str, str]) -> None:
        """Start building the better engine. Each change of the engine in use is logged, from any thread.

        Args:
            first: The engine to run now.
            make_better: Builds the better engine; called in a thread.
            metadata: Metadata of the better engine's model file.
        """
        self._first, self._metadata = first, metadata
        self._now = first
        self._ready: Engine | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._maker = threading.Thread(target=self._make, args=(make_better,), name="engine builder", daemon=True)
        self._maker.start()

    @property
    def name(self) -> str:
        """Name of the engine in use."""
        return self._now.name

    @property
    def contract(self) -> Contract:
        """Contract of the file in use; both files come from one network."""
        return self._now.contract

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the file in use."""
        return self._now.identity

    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Run a batch on the engine in use.

        Raises:
            EngineError: when both engines fail.
        """
        with self._lock:
            ready, self._ready = self._ready, None
        if ready is not None:
            self._now = ready
            _log.info("%s: %s is ready, passed its self-check and is now in use", ready.contract.task, ready.name)
        try:
            if self._now is self._first:
                return self._first.run(batch)
            return _finite(self._now.run(batch), self._now.name)
        except EngineError as error:
            if self._now is self._first:
                raise
            failed, self._now = self._now, self._first
            _log.warning("%s: %s; continuing on %s", failed.contract.task, error.message, self._first.name)
            failed.close()
            return self._first.run(batch)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until the better engine is ready or has failed."""
        self._maker.join(timeout_s)

    def close(self) -> None:
        """Close both engines. A running build is not awaited; its engine is closed when it is done."""
        with self._lock:
            self._closed = True
            ready, self._ready = self._ready, None
        for engine in (ready, self._now, self._first):
            if engine is not None:
                engine.close()

    def _make(self, make_better: Callable[[], Engine]) -> None:
        try:
            better = make_better()
        except EdgeAllError as error:
            self._stay(error)
            return
        try:
            if _form(better.contract) != _form(self._first.contract):
                raise ModelError(f"{better.name} has other outputs", "export all precisions of the model together")
            self_check(better, self._metadata)
        except EdgeAllError as error:
            better.close()
            self._stay(error)
            return
        with self._lock:
            if not self._closed:
                self._ready = better
                return
        better.close()

    def _stay(self, error: EdgeAllError) -> None:
        _log.warning("%s: staying on %s (%s)", self._first.contract.task, self._first.name, error.message)


def _form(contract: Contract) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parts of a contract that the user of an engine reads once, before the switch."""
    return contract.outputs, contract.kinds


def _finite(outputs: tuple[npt.NDArray[Any], ...], name: str) -> tuple[npt.NDArray[Any], ...]:
    if not all(np.isfinite(output).all() for output in outputs):
        raise EngineError(f"{name} returned a value that is not a number")
    return outputs
