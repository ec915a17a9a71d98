"""The program's log records as lines, for helpers that have no fixture caplog, and for rigs in their own process."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class LineHandler(logging.Handler):
    """Hands each record's message to a function; its exceptions reach the code that logged."""

    def __init__(self, take: Callable[[str], object]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(record.getMessage())


@contextmanager
def lines_to(take: Callable[[str], object], name: str = "edge_all") -> Iterator[None]:
    """Within the context, hand each record of INFO and above to ``take``."""
    logger, handler = logging.getLogger(name), LineHandler(take)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
