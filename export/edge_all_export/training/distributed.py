"""Data-parallel training under torchrun, and a plain call otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_parallel(work: Callable[[], Result]) -> Result | None:
    """Run ``work`` and return its result in the first process, None in the others."""
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return work()
    import ignite.distributed as idist

    idist.initialize("nccl" if torch.cuda.is_available() else "gloo")
    try:
        result = work()
        return result if idist.get_rank() == 0 else None
    finally:
        idist.finalize()
