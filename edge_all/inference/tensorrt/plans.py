"""Plans from the cache, built and stored on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.builder import build_in_process
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.key import EngineKey

Build = Callable[..., bytes]


def stored_or_built(
    cache: EngineCache,
    key: EngineKey,
    request: BuildRequest,
    module: str,
    model: str,
    build: Build = build_in_process,
) -> bytes:
    """Return the plan from the cache, or build and store it. Concurrent processes build it only once.

    ``model`` is the description shown by 'engine list'.

    Raises:
        ModelError: when TensorRT rejects the model.
        EngineUnavailableError: when the build fails or the cache cannot be written.
    """
    plan = cache.load(key)
    return plan if plan is not None else built(cache, key, request, module, model, build)


def built(
    cache: EngineCache,
    key: EngineKey,
    request: BuildRequest,
    module: str,
    model: str,
    build: Build = build_in_process,
    refused: bytes | None = None,
) -> bytes:
    """Build and store the plan, like stored_or_built() after a cache miss.

    ``refused`` is a stored plan that did not run and must be replaced.
    """
    with cache.building(key) as path:
        plan = cache.load(key)  # another process may have been faster
        if plan is None or plan == refused:
            request = replace(request, timings=cache.timings_path(key))
            plan = build(request, path, module)
            cache.store(key, plan, model)
    return plan
