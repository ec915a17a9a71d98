"""A bounded queue between two threads that can be closed from either end."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class QueueUse:
    """Usage of a queue."""

    size: int
    deepest: int
    """Most items queued at one time."""
    waits: int
    """Number of times put had to wait because the queue was full."""


class BoundedQueue(Generic[T]):
    """Bounded first-in, first-out queue.

    When it is full, put waits or, for a live source, drops the oldest item and counts it.
    """

    def __init__(self, size: int, drop_oldest: bool = False) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._drop = drop_oldest
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = 0
        self._deepest = 0
        self._waits = 0

    def put(self, item: T) -> bool:
        """Add an item. Returns False if the queue is closed."""
        with self._ready:
            if len(self._items) >= self._size and not (self._drop or self._closed):
                self._waits += 1
            while len(self._items) >= self._size and not self._closed:
                if self._drop:
                    self._items.popleft()
                    self.dropped += 1
                else:
                    self._ready.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._deepest = max(self._deepest, len(self._items))
            self._ready.notify_all()
            return True

    def wait_for_room(self) -> None:
        """Wait until the next put does not block, because there is room or the queue is closed."""
        with self._ready:
            self._ready.wait_for(lambda: len(self._items) < self._size or self._closed)

    def get(self, timeout_s: float | None = None) -> T | None:
        """Remove and return the next item, or None if the queue is closed and empty.

        Raises:
            TimeoutError: when no item arrived within `timeout_s` seconds.
        """
        with self._ready:
            if not self._ready.wait_for(lambda: self._items or self._closed, timeout_s):
                raise TimeoutError
            if not self._items:
                return None
            item = self._items.popleft()
            self._ready.notify_all()
            return item

    def rest(self) -> list[T]:
        """Remove and return all queued items without waiting."""
        with self._ready:
            items = list(self._items)
            self._items.clear()
            self._ready.notify_all()
            return items

    def close(self, discard: bool = False) -> None:
        """Close the queue. Queued items can still be taken unless `discard` is True."""
        with self._ready:
            self._closed = True
            if discard:
                self._items.clear()
            self._ready.notify_all()

    @property
    def use(self) -> QueueUse:
        """Usage so far."""
        return QueueUse(self._size, self._deepest, self._waits)
