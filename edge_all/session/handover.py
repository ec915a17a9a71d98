"""A bounded queue between two threads that can be closed from either end."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class QueueUse:
    """How full a hand-over was."""

    size: int
    deepest: int
    """Most items that waited at once."""
    waits: int
    """How often put found it full and had to wait."""


class Handover(Generic[T]):
    """First in, first out. When full, put waits, or, for a live source, drops the oldest and counts it."""

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
        """False when closed: nobody will take it."""
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
        """Until the next put need not wait, or will be refused."""
        with self._ready:
            self._ready.wait_for(lambda: len(self._items) < self._size or self._closed)

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item; None when closed and empty. Raises TimeoutError when none came within timeout_s."""
        with self._ready:
            if not self._ready.wait_for(lambda: self._items or self._closed, timeout_s):
                raise TimeoutError
            if not self._items:
                return None
            item = self._items.popleft()
            self._ready.notify_all()
            return item

    def rest(self) -> list[T]:
        """What is there now, without waiting."""
        with self._ready:
            items = list(self._items)
            self._items.clear()
            self._ready.notify_all()
            return items

    def close(self, discard: bool = False) -> None:
        """No more items; what is in it is still taken, unless discarded."""
        with self._ready:
            self._closed = True
            if discard:
                self._items.clear()
            self._ready.notify_all()

    @property
    def use(self) -> QueueUse:
        """So far."""
        return QueueUse(self._size, self._deepest, self._waits)
