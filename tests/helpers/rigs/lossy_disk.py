"""A disk with a write cache that a power cut empties: an NBD server that keeps writes in memory until they are flushed.

At a power cut each write since the last flush is kept or lost by chance, and one of them may be torn at a sector: what
the makers of real disks leave open. The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from pathlib import Path

_SECTOR = 512
_OPTION_MAGIC, _REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
_REQUEST, _SIMPLE_REPLY = 0x25609513, 0x67446698
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_EXPORT_NAME, _ABORT, _INFO, _GO = 1, 2, 6, 7
_ACK, _INFO_REPLY, _UNSUPPORTED = 1, 3, 0x80000001
_FLAGS = 1 | 4 | 8
"""Has flags; takes flush; takes FUA."""
_FUA = 1


class LossyDisk:
    """Serves a file on a unix socket, to one client after another."""

    def __init__(self, image: Path, address: Path, chance: random.Random) -> None:
        self._image = image.open("r+b")
        self._size = image.stat().st_size
        self._chance = chance
        self._cache: dict[int, tuple[int, bytes]] = {}
        """By sector: the number of the write, and what it wrote."""
        self._writes = 0
        self._lock = threading.Lock()
        self._on = True
        self.lost_sectors = 0
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(address))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """The power fails; whatever the client still sends is lost. Then it is there again."""
        with self._lock:
            kept = {n: self._chance.random() < 0.5 for n in {number for number, _ in self._cache.values()}}
            torn = self._chance.choice(sorted(kept)) if kept else -1
            for sector, (number, data) in self._cache.items():
                if kept[number] and (number != torn or self._chance.random() < 0.5):
                    self._put(sector, data)
                else:
                    self.lost_sectors += 1
            self._cache.clear()
            self._image.flush()
            self._on = False

    def power_on(self) -> None:
        """Before the next client."""
        with self._lock:
            self._on = True

    def close(self) -> None:
        """End it without writing the cache."""
        self._server.close()
        self._image.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        try:
            self._shake_hands(client)
            while self._answer(client):
                pass
        except (OSError, EOFError, ValueError):
            pass
        finally:
            client.close()

    def _shake_hands(self, client: socket.socket) -> None:
        client.sendall(b"NBDMAGIC" + struct.pack(">QH", _OPTION_MAGIC, 3))
        _all(client, 4)
        while True:
            _, option, length = struct.unpack(">QII", _all(client, 16))
            _all(client, length)
            if option == _EXPORT_NAME:
                client.sendall(struct.pack(">QH", self._size, _FLAGS))
                return
            if option in (_INFO, _GO):
                info = struct.pack(">HQH", 0, self._size, _FLAGS)
                client.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, _INFO_REPLY, len(info)) + info)
                client.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, _ACK, 0))
                if option == _GO:
                    return
                continue
            client.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, _ACK if option == _ABORT else _UNSUPPORTED, 0))
            if option == _ABORT:
                raise EOFError

    def _answer(self, client: socket.socket) -> bool:
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", _all(client, 28))
        data = _all(client, length) if kind == _WRITE else b""
        if kind == _DISCONNECT:
            return False
        with self._lock:
            if not self._on:
                return False
            read = self._read(offset, length) if kind == _READ else b""
            if kind == _WRITE:
                self._write(offset, data)
            if kind == _FLUSH or flags & _FUA:
                self._flush()
        client.sendall(struct.pack(">IIQ", _SIMPLE_REPLY, 0, handle) + read)
        return True

    def _read(self, offset: int, length: int) -> bytes:
        self._image.seek(offset)
        data = bytearray(self._image.read(length))
        for at in range(0, length, _SECTOR):
            if cached := self._cache.get((offset + at) // _SECTOR):
                data[at : at + _SECTOR] = cached[1]
        return bytes(data)

    def _write(self, offset: int, data: bytes) -> None:
        if offset % _SECTOR or len(data) % _SECTOR:
            raise ValueError("not whole sectors")
        self._writes += 1
        for at in range(0, len(data), _SECTOR):
            self._cache[(offset + at) // _SECTOR] = (self._writes, data[at : at + _SECTOR])

    def _flush(self) -> None:
        for sector, (_, data) in self._cache.items():
            self._put(sector, data)
        self._cache.clear()
        self._image.flush()

    def _put(self, sector: int, data: bytes) -> None:
        self._image.seek(sector * _SECTOR)
        self._image.write(data)


def _all(client: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = client.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return data
