"""Log lines of the release programs, which run without the command line's reporter."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lines_on_stdout(prefix: str = "") -> Iterator[None]:
    """Within the context, print the workstation's log records with a prefix. The innermost context counts."""
    logger = logging.getLogger("edge_all_export")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(prefix + "%(message)s"))
    before, level = logger.handlers[:], logger.level
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)
