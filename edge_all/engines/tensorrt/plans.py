"""A plan from the cache, or built and put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_all.engines.tensorrt.build import BuildRequest
from edge_all.engines.tensorrt.builder import build_in_process
from edge_all.engines.tensorrt.cache import EngineCache
from edge_all.engines.tensorrt.key import EngineKey

Build = Callable[..., bytes]


def stored_or_built(
    cache: EngineCache,
    key: EngineKey,
    request: BuildRequest,
    module: str,
    model: str,
    say: Callable[[str], None],
    build: Build = build_in_process,
) -> bytes:
    """The plan. Two processes that ask at once build it once. model: in words, for 'engine list'. Raises ModelError,
    EngineUnavailableError."""
    plan = cache.load(key, say)
    return plan if plan is not None else built(cache, key, request, module, model, say, build)


def built(
    cache: EngineCache,
    key: EngineKey,
    request: BuildRequest,
    module: str,
    model: str,
    say: Callable[[str], None],
    build: Build = build_in_process,
    refused: bytes | None = None,
) -> bytes:
    """As stored_or_built, but what is stored is not looked at before; ``refused``: a stored plan that did not run."""
    with cache.building(key, say) as path:
        plan = cache.load(key)  # another process may have been quicker
        if plan is None or plan == refused:
            request = replace(request, timings=cache.timings_path(key))
            plan = build(request, path, module, say)
            cache.store(key, plan, model)
    return plan
